"""A machine is configured by the rules of the parts book: what fits, why not, and what would. Without a plant."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.configuration import Book, Level, parse_parts
from gemel.errors import InvalidInput, NotFound
from gemel.services.money import Per, Price, check_price, rounded, totals
from gemel.services.offers import Asked, Choice, Configured, Model
from gemel.services.offers.configuring import configured
from tests.services.sold import PARTS

BOOK = Book(parse_parts(PARTS).parts)
NOW = 1_790_000_000_000_000
PATHS = {"pump": ("CP-40", "CP-60"), "drive": ("VFD-5", "VFD-7"), "heater": ("HT-1",)}


def choice(path: str, part: str, revision: str = "", quantity: int = 1) -> Choice:
    return Choice(path=tuple(path.split("/")), part=part, revision=revision, quantity=quantity)


def ask(*chosen: Choice, serial: str = "T120", fill: bool = False, model: Model | None = None) -> Configured:
    asked = Asked(part="TP", serial=serial, selection=chosen, fill=fill)
    return configured(BOOK, model or Model(part="TP"), asked, NOW)


def option(told: Configured, path: str, part: str) -> dict[str, object]:
    slot = next(one for one in told.slots if one.path == tuple(path.split("/")))
    found = next(one for one in slot.options if one.part == part)
    return {one.revision: (one.fits, str(one.level)) for one in found.revisions}


def test_each_slot_says_which_parts_fit_with_all_the_rest():
    told = ask(choice("drive", "VFD-7"))
    assert option(told, "pump", "CP-60") == {"": (True, "allow")}
    assert option(told, "pump", "CP-40") == {"C": (True, "allow"), "B": (True, "allow"), "A": (True, "concession")}
    told = ask(choice("drive", "VFD-5"))
    assert option(told, "pump", "CP-60") == {"": (False, "block")}
    assert option(told, "heater", "HT-1") == {"": (False, "block")}, "the drive excludes it, though the slot allows it"


def test_the_reason_is_in_words_of_parts():
    told = ask(choice("pump", "CP-60"), choice("drive", "VFD-5"))
    (finding,) = told.findings
    assert (finding.rule, finding.level) == ("requires", Level.BLOCK)
    assert finding.text == "CP-60 in pump of TP: CP-60 needs VFD-7 in the same machine"


def test_the_nearest_ways_out_are_told_the_same_slot_first():
    told = ask(choice("pump", "CP-60"), choice("drive", "VFD-5"))
    ways = [tuple((*one.path, one.part, one.revision) for one in way) for way in told.findings[0].nearest]
    assert ways[0] == (("pump", "CP-40", "C"),)
    assert (("drive", "VFD-7", ""),) in ways


def test_a_way_out_may_need_two_changes():
    told = ask(choice("pump", "CP-60"), choice("drive", "VFD-5"), choice("heater", "HT-1"))
    drive = next(one for one in told.findings if one.rule == "excludes")
    assert (choice("drive", "VFD-7"),) in drive.nearest
    pump = next(one for one in told.findings if one.rule == "requires")
    assert pump.nearest, "the drive that it needs, or another pump"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.fixed_dictionaries({path: st.sampled_from((*parts, "")) for path, parts in PATHS.items()}))
def test_every_way_out_mends_its_finding_and_breaks_nothing_else(chosen: dict[str, str]):
    selection = tuple(choice(path, part) for path, part in chosen.items() if part)
    told = ask(*selection)
    bad = {(one.rule, one.path) for one in told.findings if one.level is Level.BLOCK}
    for finding in told.findings:
        for way in finding.nearest:
            after = {one.path: one for one in selection}
            for change in way:
                after.pop(change.path) if not change.part else after.update({change.path: change})
            left = {(one.rule, one.path) for one in ask(*after.values()).findings if one.level is Level.BLOCK}
            assert (finding.rule, finding.path) not in left
            assert left <= bad


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.fixed_dictionaries({path: st.sampled_from((*parts, "")) for path, parts in PATHS.items()}))
def test_what_an_option_says_is_what_the_rules_say_once_it_is_chosen(chosen: dict[str, str]):
    selection = tuple(choice(path, part) for path, part in chosen.items() if part)
    told = ask(*selection)
    for slot in told.slots:
        rest = [one for one in told.selection if one.path[: len(slot.path)] != slot.path]
        before = {one.text for one in ask(*rest).findings if one.level is Level.BLOCK}
        for one in slot.options:
            for revised in one.revisions:
                made = Choice(path=slot.path, part=one.part, revision=revised.revision)
                after = {two.text for two in ask(*rest, made).findings if two.level is Level.BLOCK}
                assert revised.fits == (after <= before), (slot.path, one.part, revised)


def test_filling_chooses_what_is_mandatory_and_fits_also_inside_of_what_it_chose():
    told = ask(choice("heater", "HT-1"), fill=True)
    assert told.complete
    assert told.level is Level.ALLOW
    found = {"/".join(one.path): f"{one.part} {one.revision}".strip() for one in told.selection}
    assert found == {"heater": "HT-1", "pump": "CP-40 C", "drive": "VFD-7", "pump/seal": "MS-12"}


def test_what_nothing_fits_stays_empty_and_is_told():
    told = ask(choice("heater", "HT-1"), serial="A7", fill=True)
    assert told.missing == (("drive",),), "VFD-5 excludes the heater, VFD-7 is for later machines"
    assert not told.complete


def test_a_serial_number_that_is_not_known_yet_makes_unsure_not_wrong():
    (finding,) = ask(choice("drive", "VFD-7"), serial="").findings
    assert finding.level is Level.WARN


def test_a_part_that_is_not_made_yet_has_no_serial_number_to_miss():
    book = Book(parse_parts(PARTS.replace("{slot: heater, part: HT-1}", "{slot: guard, part: HT-1}")).parts)
    told = configured(book, Model(part="TP"), Asked(part="TP", selection=(choice("guard", "HT-1"),)), NOW)
    assert [one.text for one in told.findings] == []


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ((choice("pump/seal", "MS-12"),), "nothing is chosen for pump"),
        ((Choice(path=(), part="X"),), "its slots from the machine down, 1 to 16"),
        ((choice("pump", "CP-40", quantity=0),), "cannot be chosen: 0"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(chosen: tuple[Choice, ...], said: str):
    with pytest.raises(InvalidInput, match=said):
        ask(*chosen)


def test_an_unknown_part_is_not_found():
    with pytest.raises(NotFound, match="no part 'NO'"):
        configured(BOOK, Model(part="NO"), Asked(part="NO"), NOW)


def test_prices_are_those_of_the_revision_else_of_the_part_and_add_up_exactly():
    prices = (
        Price(amount=Decimal("18500.00"), currency="EUR"),
        Price(part="CP-40", amount=Decimal("0.10"), currency="EUR"),
        Price(part="CP-40", revision="C", amount=Decimal("0.20"), currency="EUR"),
    )
    told = ask(choice("pump", "CP-40", "C", 3), choice("drive", "VFD-7"), model=Model(part="TP", prices=prices))
    assert [(str(one.amount), one.quantity) for one in told.prices] == [("18500.00", 1), ("0.20", 3)]
    assert [str(one.amount) for one in told.totals] == ["18500.60"]
    assert told.unpriced == ("VFD-7",)


@given(st.lists(st.decimals(min_value=-1000, max_value=1000, places=2), max_size=20))
def test_totals_are_the_exact_sums_by_currency_and_how_often(amounts: list[Decimal]):
    lines = [Price(amount=one, currency="EUR", per=Per.MONTH if i % 2 else Per.ONCE) for i, one in enumerate(amounts)]
    told = {one.per: one.amount for one in totals(lines)}
    assert told.get(Per.ONCE, Decimal(0)) == sum(amounts[::2], Decimal(0))
    assert told.get(Per.MONTH, Decimal(0)) == sum(amounts[1::2], Decimal(0))


def test_money_is_of_a_currency_with_its_decimals():
    check_price(Price(amount=Decimal("1.000"), currency="KWD"))
    for amount, currency, said in (
        ("1.5", "JPY", "JPY has 0"),
        ("1.001", "EUR", "EUR has 2"),
        ("1", "XXZ", "ISO 4217"),
    ):
        with pytest.raises(InvalidInput, match=said):
            check_price(Price(amount=Decimal(amount), currency=currency))
    assert str(rounded(Decimal("2.345"), "EUR")) == "2.35", "a half away from zero"

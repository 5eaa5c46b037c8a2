"""Capabilities: licensed, unlocked on behalf of who granted, proved by what the machine reports, locked in the end.

A whole plant on a stepped clock; the machines are twins with a command of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

import gemel
from gemel.access import Role, Selector
from gemel.client import Client
from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.commands import Order, OrderKind, OrderState
from gemel.configuration import Basis, ItemSpec
from gemel.configuration.operations import Swap
from gemel.errors import (
    Conflict,
    Denied,
    GemelError,
    InvalidDocument,
    InvalidInput,
    NotFound,
    RuleBroken,
    StorageFailed,
)
from gemel.history import EventQuery
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.capabilities import Capability, Grant, Licence, LicenceState
from gemel.services.capabilities.deciding import decided
from gemel.services.capabilities.engine import Engine
from gemel.services.capabilities.tables import licence_table
from gemel.state import Selection
from tests.services.sold import PLANT, sell

S = LicenceState
PATIENCE_S = 60.0
HOUR = 3600 * SECOND
SEEN = Basis(seen=True)


@pytest.fixture(scope="module")
def clock() -> SteppedClock:
    return SteppedClock(parse_time("2026-05-01T08:00:00Z"))


@pytest.fixture(autouse=True)
def a_second_goes_by(clock: SteppedClock) -> None:
    clock.step(1)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Platform]:
    """Machines m-0 … m-5, each with a pump of revision B; of m-old it is A."""
    with Platform.open(tmp_path_factory.mktemp("unlocked") / "plant", clock=clock) as opened:
        sell(opened)
        names = [*(f"m-{i}" for i in range(6)), "m-old"]
        opened.apply("twins: [" + ", ".join(f"{{id: {one}, types: [skid]}}" for one in names) + "]")
        now = opened.clock.now() - HOUR
        for i, name in enumerate(names):
            opened.configuration.create(ItemSpec(id=f"I-{name}", part="TP", serial=f"S{i}", twin=name), now)
            revision = "A" if name == "m-old" else "B"
            pump = ItemSpec(id=f"P-{name}", part="CP-40", serial=f"P{i}", revision=revision)
            opened.configuration.create(pump, now)
            opened.configuration.install(pump.id, f"I-{name}", "pump", now, basis=SEEN)
            opened.write(name, "boost", "locked")
        assert opened.software_reports.wait(opened.position, PATIENCE_S)
        yield opened


@pytest.fixture(scope="module")
def as_(platform: Platform) -> Iterator[Callable[[str], Client]]:
    platform.gate.parties.add("acme", "Acme Ltd")
    platform.gate.grant("party:acme", ["read", "command"], Selector(twins=("m-0",)))
    platform.gate.grant("party:acme", ["read"], Selector(twins=("m-1",)), groups=["identity"])
    account = platform.gate.accounts.add("reader", None, None, party="acme", kind="service")
    platform.gate.parties.add("heir", "Heir Ltd")
    heir = platform.gate.accounts.add("heir", None, None, party="heir", kind="service")
    secrets = {who: platform.gate.tokens.add(who, Role(who))[1] for who in ("viewer", "operator", "engineer")}
    kept = ("read", "configure")
    secrets["seller"] = platform.gate.tokens.add("seller", Role.ENGINEER, only=(kept, None))[1]
    secrets["heir"] = platform.gate.tokens.add("heir", None, owner=heir.id)[1]
    secrets["party"] = platform.gate.tokens.add("reader", None, owner=account.id)[1]
    with Server(platform, port=0) as server:
        made = {who: gemel.connect(server.url, token=secret) for who, secret in secrets.items()}
        yield made.__getitem__
        for one in made.values():
            one.close()


def came(platform: Platform, licence: Licence, *states: str) -> Licence:
    found = platform.capabilities.wait(licence.id, states, PATIENCE_S)
    assert found.state in states, found
    return found


def kinds(platform: Platform, twin: str) -> list[str]:
    page = platform.past().events(EventQuery(twins=(twin,), kinds=("licence.",), newest_first=False))
    return [one.change.kind for one in page.items]


def test_a_licence_is_active_when_the_machine_reports_it_and_ended_when_it_reports_the_lock(platform, clock):
    licence = came(platform, platform.capabilities.grant(Grant(capability="boost", twin="m-0")), S.ACTIVE)
    assert platform.now("m-0")["boost"].value == "unlocked"
    (standing,) = platform.capabilities.of("m-0")
    assert (standing.unlocked, standing.licence, standing.unlicensed) == (True, licence, False)
    order = platform.commander.order(licence.order)
    assert (order.name, order.input, order.actor) == ("set_boost", {"version": "unlocked"}, "library")
    clock.step(1)
    licence = platform.capabilities.revoke(licence.id, "not paid")
    assert came(platform, licence, S.ENDED).reported == "locked"
    assert kinds(platform, "m-0") == [
        f"licence.{one}" for one in ("granted", "unlocking", "active", "revoked", "ending", "ended")
    ]
    with pytest.raises(Conflict, match="over already"):
        platform.capabilities.revoke(licence.id, "again")


def test_a_configuration_that_does_not_support_it_is_refused_with_the_rule(platform):
    with pytest.raises(RuleBroken, match=r"m-old does not support it: BOOST unlocked needs CP-40 >=B; there is A"):
        platform.capabilities.grant(Grant(capability="boost", twin="m-old"))
    (standing,) = platform.capabilities.of("m-old")
    assert standing.objections == ("BOOST unlocked needs CP-40 >=B; there is A",)


def test_it_is_looked_at_again_right_before_and_can_be_told_again(platform, clock):
    now = platform.clock.now()
    later = platform.capabilities.grant(Grant(capability="boost", twin="m-1", starts=now + HOUR))
    assert later.state is S.SCHEDULED
    old = ItemSpec(id="P-older", part="CP-40", serial="older", revision="A")
    platform.configuration.create(old, now - HOUR // 2)
    swap = Swap(parent="I-m-1", slot="pump", new="P-older", at=now)
    platform.configuration.do(swap, basis=SEEN)
    clock.step(3600)
    refused = came(platform, later, S.REFUSED)
    assert (refused.reason, refused.attempt, refused.wanted) == ("requires", 0, "")
    assert platform.now("m-1")["boost"].value == "locked"
    back = Swap(parent="I-m-1", slot="pump", new="P-m-1", at=platform.clock.now())
    platform.configuration.do(back, basis=SEEN)
    assert came(platform, platform.capabilities.retry(later.id), S.ACTIVE).attempt == 1


def test_a_licence_that_goes_on_is_not_locked_in_between(platform, clock):
    first = platform.capabilities.grant(Grant(capability="boost", twin="m-2", ends=clock.now() + HOUR))
    came(platform, first, S.ACTIVE)
    second = came(platform, platform.capabilities.grant(Grant(capability="boost", twin="m-2")), S.ACTIVE)
    assert (second.attempt, second.order) == (0, ""), "it was unlocked already: nothing was told"
    clock.step(3600)
    first = came(platform, first, S.ENDED)
    assert (first.reason, platform.now("m-2")["boost"].value) == ("goes-on", "unlocked")


def test_it_expires_by_itself_and_a_machine_that_locks_itself_is_told_again(platform, clock):
    licence = platform.capabilities.grant(Grant(capability="boost", twin="m-3", ends=clock.now() + HOUR))
    came(platform, licence, S.ACTIVE)
    clock.step(1)
    with platform.subscribe(Selection(twins=("m-3",))) as changes:
        platform.write("m-3", "boost", "locked")
        clock.step(1)
        while platform.now("m-3")["boost"].value == "locked":
            assert changes.get(PATIENCE_S) is not None
    came(platform, licence, S.ACTIVE)
    clock.step(3600)
    done = came(platform, licence, S.ENDED)
    told = [step.state for step in done.steps]
    assert told.count("active") == 2, told
    assert (done.attempt, platform.now("m-3")["boost"].value) == (3, "locked")


def test_what_is_unlocked_without_a_licence_is_shown_and_left(platform):
    platform.write("m-4", "boost", "unlocked")
    assert platform.software_reports.wait(platform.position, PATIENCE_S)
    (standing,) = platform.capabilities.of("m-4")
    assert (standing.unlocked, standing.unlicensed, standing.licence) == (True, True, None)


def test_keys_times_and_places_are_checked(platform):
    grant = platform.capabilities.grant
    one = grant(Grant(capability="boost", twin="m-5", key="k"))
    assert grant(Grant(capability="boost", twin="m-5", key="k")).id == one.id
    with pytest.raises(GemelError, match="use a new one"):
        grant(Grant(capability="boost", twin="m-4", key="k"))
    for wrong, error, said in (
        ({"capability": "no", "twin": "m-5"}, NotFound, "no capability 'no'; known: boost"),
        ({"capability": "boost", "twin": "nobody"}, NotFound, "no item's twin"),
        ({"capability": "boost", "twin": "m-5", "ends": 1}, InvalidInput, "ends after it begins"),
    ):
        with pytest.raises(error, match=said):
            grant(Grant(**wrong))
    with pytest.raises(InvalidDocument, match="says how it differs from locked"):
        platform.capabilities.declared.apply("capabilities: [{id: x, part: Y, unlocked: a, locked: a}]")


def test_who_may_license_and_who_sees_what(platform, as_):
    engineer, party = as_("engineer"), as_("party")
    told = engineer.capabilities.grant({"capability": "boost", "twin": "m-0", "reference": "PO-7"}, dry_run=True)
    assert (told["id"], told["reference"]) == ("", "PO-7")
    made = engineer.capabilities.grant({"capability": "boost", "twin": "m-0", "reference": "PO-7"})
    assert came(platform, platform.capabilities.get(made["id"]), S.ACTIVE).actor == made["actor"]
    for who in ("viewer", "operator", "party", "seller"):
        with pytest.raises(Denied):
            as_(who).capabilities.grant({"capability": "boost", "twin": "m-0"})
        with pytest.raises(Denied):
            as_(who).capabilities.revoke(made["id"], "no")
    (mine,) = party.capabilities.of("m-0")
    assert (mine["unlocked"], mine["licence"]["state"]) == (True, "active")
    assert [mine["licence"][name] for name in ("actor", "reference", "order")] == ["", "", ""]
    assert party.capabilities.of("m-1") == [], "of its configuration nothing is granted"
    page = party.capabilities.licences(limit=2)
    assert ({one["twin"] for one in page.items}, page.next) == ({"m-0"}, None), "nothing of older ones is told"
    happened = {who: {one["kind"] for one in as_(who).events("m-0").items} for who in ("viewer", "party")}
    assert "licence.granted" in happened["viewer"]
    assert not [kind for kind in happened["party"] if kind.startswith("licence.")]
    theirs = platform.capabilities.licences(twins=["m-2"]).items[0]
    with pytest.raises(NotFound):
        party.capabilities.licence(theirs.id)
    with pytest.raises(NotFound):
        party.capabilities.of("m-3")


def test_a_later_owner_is_told_of_no_licence_that_was_over_before(platform, as_, clock):
    over = came(platform, platform.capabilities.licences(twins=["m-2"]).items[-1], S.ENDED)
    clock.step(1)
    groups = ["configuration"]
    platform.gate.grant("party:heir", ["read"], Selector(twins=("m-2",)), groups=groups, history_from=clock.now())
    heir = as_("heir").capabilities
    with pytest.raises(NotFound):
        heir.licence(over.id)
    (holding,) = heir.licences().items
    (standing,) = heir.of("m-2")
    assert (standing["licence"]["id"], standing["unlocked"], standing["since"]) == (holding["id"], True, None)
    platform.capabilities.revoke(holding["id"], "sold")
    assert [one["id"] for one in heir.licences().items] == [holding["id"]], "it was over in the caller's time"


def test_a_machine_is_told_to_lock_on_behalf_of_who_revokes(platform, clock):
    gone = platform.gate.accounts.add("gone", "a long enough word", Role.ENGINEER)
    granted = Grant(capability="boost", twin="m-4", key="of the one who left")
    licence = came(platform, platform.capabilities.grant(granted, actor=gone.id), S.ACTIVE)
    platform.gate.accounts.change(gone.id, role=Role.VIEWER)
    clock.step(1)
    ended = came(platform, platform.capabilities.revoke(licence.id, "left"), S.ENDED)
    assert (platform.commander.order(ended.order).actor, platform.now("m-4")["boost"].value) == ("library", "locked")
    assert platform.capabilities.grant(granted, actor=gone.id).id == licence.id, "the key is still of who granted it"


def test_nothing_is_told_on_behalf_of_who_lost_the_right(platform, clock):
    made = platform.gate.accounts.add("seller", "a long enough word", Role.ENGINEER)
    licence = platform.capabilities.grant(
        Grant(capability="boost", twin="m-3", starts=clock.now() + HOUR), actor=made.id
    )
    platform.gate.accounts.change(made.id, role=Role.VIEWER)
    clock.step(3600)
    refused = came(platform, licence, S.REFUSED)
    assert refused.reason == "rights"
    assert platform.now("m-3")["boost"].value == "locked"


def test_what_was_sold_with_a_machine_and_cannot_be_is_told(platform):
    platform.capabilities.sold("m-old", ("boost",), "offer-1", actor="library")
    page = platform.past().events(EventQuery(twins=("m-old",), kinds=("licence.",)))
    (fact,) = page.items
    assert (fact.change.kind, fact.change.body["capability"]) == ("licence.not_granted", "boost")
    assert "needs CP-40 >=B" in fact.change.body["detail"]


def test_what_people_unlock_by_hand_is_waited_for_without_writing(platform, clock):
    """Of licences without an order nothing is written again, and nobody looks twice a second."""
    platform.apply(
        "types: [{id: bench, properties: [{name: dial, kind: enumeration, values: [locked, unlocked]}]}]\n"
        "twins: [{id: bench, types: [bench]}]"
    )
    platform.software.apply(
        "software: [{part: DIAL, versions: [{version: locked}, {version: unlocked}], "
        "ways: [{type: bench, slot: dial, reports: dial}]}]"
    )
    platform.capabilities.declared.apply("capabilities: [{id: dial, part: DIAL}]")
    platform.configuration.create(ItemSpec(id="I-bench", part="BENCH", serial="1", twin="bench"), clock.now() - HOUR)
    licence = came(platform, platform.capabilities.grant(Grant(capability="dial", twin="bench")), S.UNLOCKING)
    assert (licence.reason, licence.order) == ("by-hand", "")

    def others() -> list[str]:
        moving = platform.capabilities.licences(states=(S.UNLOCKING, S.ENDING)).items
        return [one.id for one in moving if one.id != licence.id]

    assert platform.capabilities.engine.wait(lambda: not others(), PATIENCE_S)
    runs = []

    def run(work, *, actor=""):
        runs.append(work)
        return platform.capabilities._run(work, actor=actor)

    own = platform.capabilities.engine
    rooms = (own._database, own._clock, run)
    other = Engine(rooms, book=own._book, commander=own._commander, known=own._known, objects=own._objects)
    pause = other.turn()
    assert (runs, pause is not None and pause > 10) == ([], True)


def test_why_a_licence_was_revoked_is_sealed_with_the_key_of_who_says_it(platform, clock):
    words, later = "as Hannah says: not paid", clock.now() + HOUR
    hannah = platform.gate.accounts.add("hannah", "a long enough word", Role.ENGINEER).id
    licence = platform.capabilities.grant(Grant(capability="boost", twin="m-5", starts=later))
    platform.capabilities.revoke(licence.id, words, actor=hannah)
    licence = came(platform, licence, S.ENDED)
    assert words in [step.detail for step in licence.steps]
    page = platform.past().events(EventQuery(twins=("m-5",), kinds=("licence.",)))
    assert "licence.revoked" in [one.change.kind for one in page.items]
    assert words not in str(page.items)
    with platform.database.read() as tx:
        assert words not in str(tx.scalar(select(licence_table.c.body).where(licence_table.c.id == licence.id)))


class Counted:
    """A software book that notes of which twins it is asked."""

    def __init__(self, platform: Platform) -> None:
        book = platform.software
        self._machines, self.asked = book.machines, list[str]()
        self.twins_of, self.way, self.judge = book.twins_of, book.way, book.judge

    def machines(self, twins):
        self.asked += twins
        return self._machines(twins)


def test_what_happens_elsewhere_makes_nobody_look_at_a_licence_that_stands(platform, clock):
    """Of ten thousand licences that are active, an order or a report elsewhere concerns none."""
    ends = clock.now() + 300 * SECOND
    came(platform, platform.capabilities.grant(Grant(capability="boost", twin="m-5", ends=ends)), S.ACTIVE)
    book, own = Counted(platform), platform.capabilities.engine
    rooms = (own._database, own._clock, own._run)
    engine = Engine(rooms, book=book, commander=own._commander, known=own._known, objects=own._objects)  # type: ignore[arg-type]  # only what it asks

    def asked(**woken) -> bool:
        book.asked.clear()
        engine.wake(**woken)
        engine.turn()
        return "m-5" in book.asked

    assert asked(), "all are looked at first"
    assert not asked()
    assert not asked(twins=["m-4"], items=["P-m-5"])
    assert asked(items=["I-m-5"])
    assert asked(twins=["m-5"])
    assert asked(everything=True)
    clock.step(300)
    assert asked(), "its time is over"
    clock.step(600)
    assert asked(), "all are looked at from time to time"


BOOST = Capability(id="boost", part="BOOST")
NOW = 1_000_000


def licence_of(**told: object) -> Licence:
    fields = {
        "id": "l",
        "number": 1,
        "capability": "boost",
        "machine": "m",
        "twin": "t",
        "slot": "s",
        "starts": 0,
        "ends": None,
        "reference": "",
        "key": "",
        "actor": "a",
        "created": 0,
    }
    return Licence(**(fields | told))  # type: ignore[arg-type]


@given(
    st.sampled_from(list(S)),
    st.sampled_from(["", "locked", "unlocked", "other"]),
    st.sampled_from([None, *OrderState]),
    st.integers(-2, 2),
    st.one_of(st.none(), st.integers(-2, 2)),
    st.booleans(),
)
def test_only_a_report_makes_it_active_and_only_a_time_that_holds_unlocks(state, reported, ended, starts, ends, other):
    """Whatever is known: nothing is told to unlock outside its time, and what was sent counts for nothing."""
    order = None
    if ended is not None:
        order = Order(
            id="o", number=1, twin="t", kind=OrderKind.COMMAND, name="x", state=ended, created=0, deadline=NOW
        )
    licence = licence_of(
        state=state,
        starts=NOW + starts,
        ends=None if ends is None else NOW + ends,
        attempt=0 if order is None else 1,
        wanted="" if order is None else "unlocked",
        order="" if order is None else "o",
    )
    move = decided(licence, BOOST, reported, order, now=NOW, other=other)
    after = licence.state if move is None else move.to
    holds = licence.holds(NOW)
    assert (after is S.ACTIVE) == (holds and reported == "unlocked")
    if move is not None and move.tell == "unlocked":
        assert holds
        assert reported != "unlocked"
    if move is not None and move.tell == "locked":
        assert not holds
        assert (reported, other) == ("unlocked", False)
    if after is S.ENDED:
        assert not holds or licence.state is S.ENDED


def test_it_is_taken_up_after_a_stop_and_told_once(tmp_path: Path):
    with gemel.open(tmp_path / "plant") as platform:
        sell(platform)
        platform.apply("twins: [{id: m, types: [skid]}]")
        platform.configuration.create(ItemSpec(id="I", part="TP", serial="1", twin="m"), platform.clock.now())
        pump = ItemSpec(id="P", part="CP-40", serial="2", revision="C")
        platform.configuration.create(pump, platform.clock.now())
        platform.configuration.install("P", "I", "pump", platform.clock.now())
        platform.write("m", "boost", "locked")
        assert platform.software_reports.wait(platform.position, PATIENCE_S)
        licence = came(platform, platform.capabilities.grant(Grant(capability="boost", twin="m")), S.ACTIVE)
    with gemel.open(tmp_path / "plant") as platform:
        assert came(platform, licence, S.ACTIVE).attempt == 1
        assert len(platform.commander.orders("m").items) == 1


class Between:
    """A commander of which something happens right after it took an order."""

    def __init__(self, platform: Platform, happens: Callable[[], object]) -> None:
        self._commander, self._happens = platform.commander, happens
        self.order, self.asked = platform.commander.order, platform.commander.asked

    def ask(self, ask, *, actor=""):
        taken = self._commander.ask(ask, actor=actor)
        taken.result(PATIENCE_S)
        self._happens()
        return taken


def beside(platform: Platform, commander: object) -> Engine:
    """Another engine on the same licences, which turns when it is told to."""
    own = platform.capabilities.engine
    rooms = (own._database, own._clock, own._run)
    return Engine(rooms, book=own._book, commander=commander, known=own._known, objects=own._objects)  # type: ignore[arg-type]  # only what it calls


def test_what_was_told_to_unlock_before_that_was_noted_is_locked_in_the_end(tmp_path: Path):
    """Revoked, or stopped and run out, between asking for the order and noting it: the order is found by its key."""
    clock = SteppedClock(parse_time("2026-05-01T08:00:00Z"))
    with Platform.open(tmp_path / "plant", clock=clock) as platform:
        sell(platform)
        platform.apply(PLANT.replace("    commands:", "    control: {two_persons: [set_boost]}\n    commands:"))
        platform.apply("twins: [{id: revoked, types: [skid]}, {id: stopped, types: [skid]}]")
        platform.capabilities.close()  # the engines of this test alone carry licences on
        granted = {}
        for twin in ("revoked", "stopped"):
            pump = ItemSpec(id=f"P-{twin}", part="CP-40", serial=twin, revision="C")
            platform.configuration.create(ItemSpec(id=f"I-{twin}", part="TP", serial=twin, twin=twin), clock.now())
            platform.configuration.create(pump, clock.now())
            platform.configuration.install(pump.id, f"I-{twin}", "pump", clock.now(), basis=SEEN)
            platform.write(twin, "boost", "locked")

        def grant(twin: str) -> Licence:
            assert platform.software_reports.wait(platform.position, PATIENCE_S)
            ends = clock.now() + 60 * SECOND
            granted[twin] = platform.capabilities.grant(Grant(capability="boost", twin=twin, ends=ends))
            clock.step(1)
            return granted[twin]

        first = grant("revoked")
        beside(platform, Between(platform, lambda: platform.capabilities.revoke(first.id, "not paid"))).turn()
        second = grant("stopped")

        def stops() -> None:
            raise StorageFailed("the power goes")

        with pytest.raises(StorageFailed):
            beside(platform, Between(platform, stops)).turn()
        clock.step(60)
        engine = beside(platform, platform.commander)
        engine.turn()
        for one in (first, second):
            licence = platform.capabilities.get(one.id)
            (order,) = platform.commander.orders(one.twin).items
            assert (licence.state, licence.order) == (S.ENDING, order.id)
            with pytest.raises(Conflict, match="wait for it, or cancel it first"):
                platform.capabilities.retry(one.id)
            platform.commander.approve(order.id, actor="other").result(PATIENCE_S)
            platform.commander.reached(order.id).result(PATIENCE_S)
        assert platform.software_reports.wait(platform.position, PATIENCE_S)
        engine.turn()
        clock.step(1)
        for one in (first, second):
            told = platform.commander.orders(one.twin).items[0]
            platform.commander.approve(told.id, actor="other").result(PATIENCE_S)
            platform.commander.reached(told.id).result(PATIENCE_S)
            assert platform.now(one.twin)["boost"].value == "locked"
        assert platform.software_reports.wait(platform.position, PATIENCE_S)
        engine.turn()
        assert {platform.capabilities.get(one.id).state for one in granted.values()} == {S.ENDED}

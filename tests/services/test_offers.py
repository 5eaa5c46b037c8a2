"""Offers over a whole plant: ordered, planned, built, delivered; and who sees what of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

import gemel
from gemel.access import ERASED_TEXT, Principal, Role, Selector, destroy_key
from gemel.client import Client
from gemel.clock import SECOND
from gemel.configuration import Basis, ItemQuery, ItemSpec, PartsDocument, Saw, Seen
from gemel.configuration.operations import Observe
from gemel.errors import Conflict, Denied, GemelError, InvalidDocument, InvalidInput, NotFound, RuleBroken
from gemel.history import EventQuery
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.offers import Asked, Choice, Match, Offer, Piece, Record, Terms
from gemel.services.offers.tables import offer_table
from gemel.twin import Change, LifeStage
from tests.services.sold import sell

DAY = 86_400 * SECOND
PUMP, DRIVE = Choice(path=("pump",), part="CP-40", revision="C"), Choice(path=("drive",), part="VFD-5")
SEAL = Choice(path=("pump", "seal"), part="MS-12")
BUILT = (
    Piece(path=("pump",), part="CP-40", revision="B", serial="1204"),
    Piece(path=("pump", "seal"), part="MS-12"),
    Piece(path=("drive",), part="VFD-5", serial="77"),
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("sold") / "plant") as opened:
        sell(opened)
        opened.gate.parties.add("acme", "Acme Ltd")
        opened.gate.parties.add("heir", "Heir Ltd")
        yield opened


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def as_(platform: Platform, server: Server) -> Iterator[Callable[[str], Client]]:
    made: dict[str, Client] = {}

    def client(who: str) -> Client:
        if who not in made:
            if who in ("party", "heir"):
                name = f"reader of {who}"
                organisation = {"party": "acme"}.get(who, who)
                account = platform.gate.accounts.add(name, None, None, party=organisation, kind="service")
                secret = platform.gate.tokens.add(name, None, owner=account.id)[1]
            else:
                secret = platform.gate.tokens.add(who, Role(who))[1]
            made[who] = gemel.connect(server.url, token=secret)
        return made[who]

    yield client
    for one in made.values():
        one.close()


def drafted(platform: Platform, *chosen: Choice, **terms: object) -> Offer:
    asked = Asked(part="TP", plan="full", selection=chosen or (PUMP, SEAL, DRIVE))
    return platform.offers.draft(Terms(asked=asked, **terms))  # type: ignore[arg-type]


def test_an_order_makes_the_planned_twin_and_nothing_that_is_so(platform):
    offer = platform.offers.order(drafted(platform, party="acme").id, machine="skid-1")
    twin = platform.twin("skid-1")
    assert (twin.stage, twin.attributes) == (LifeStage.PLANNED, {"offer": offer.id, "owner": "acme"})
    configuration = platform.configuration
    assert configuration.tree("skid-1").parts == (), "the plan is no part of what is"
    planned = {"/".join(one.path): [side.part for side in one.planned] for one in configuration.sides("skid-1").slots}
    assert planned == {"pump": ["CP-40"], "pump/seal": ["MS-12"], "drive": ["VFD-5"], "heater": [], "guard": []}
    (plan,) = configuration.plans.of("skid-1")
    assert (plan.number, plan.work_order) == (offer.plan, offer.id)
    assert [one.since for one in platform.offers.promised(offer)] == [None] * 4


def test_a_design_model_is_called_no_twin_whoever_says_so(platform, as_):
    engineer = as_("engineer")
    assert engineer.design_models() >= {"skid-1"}
    ready = platform.offers.readiness(platform.offers.of("skid-1"))
    assert (ready.twin, ready.stage) == (False, "model")
    spec = "twins: [{id: skid-1, types: [skid], stage: in_service}]"
    for say in (
        lambda: platform.change(lambda tx: platform.registry.set_stage(tx, "skid-1", LifeStage.BUILT)),
        lambda: platform.apply(spec),
        lambda: engineer.apply(spec),
    ):
        with pytest.raises(Conflict, match=r"skid-1 is a design model still .* as-built configuration"):
            say()
    assert platform.twin("skid-1").stage is LifeStage.PLANNED
    with pytest.raises(Conflict, match=r"serial number.*when it was built is told, but not of what"):
        platform.offers.build(platform.offers.of("skid-1").id, Record())


def test_what_was_built_is_recorded_as_seen_and_held_against_the_order(platform, as_):
    offer = platform.offers.of("skid-1")
    assert platform.offers.compared(offer).built is None
    offer = platform.offers.build(offer.id, Record(pieces=BUILT, serial="T7", evidence="MES 12"))
    twin = platform.twin("skid-1")
    assert (twin.stage, twin.serial) == (LifeStage.BUILT, "T7")
    assert platform.offers.readiness(offer).twin
    assert "skid-1" not in as_("engineer").design_models()
    told = platform.offers.compared(offer)
    assert {"/".join(one.path): (one.match, one.gap) for one in told.lines} == {
        "pump": (Match.OTHER_REVISION, ""),
        "pump/seal": (Match.AS_ORDERED, "serial"),
        "drive": (Match.AS_ORDERED, ""),
    }
    assert told.share == pytest.approx(1 / 3)
    plan = platform.configuration.plans.get(offer.plan)
    assert (str(plan.state), len(plan.acts)) == ("done", 8)
    assert platform.configuration.acts("skid-1")[0].basis.work_order == offer.id


def test_promises_begin_at_delivery(platform):
    offer = platform.offers.of("skid-1")
    with pytest.raises(InvalidInput, match="after it was built"):
        platform.offers.deliver(offer.id, at=offer.built - DAY)
    looked = Observe(parent="skid-1", slot="guard", at=platform.clock.now(), saw=Saw.NOTHING)
    platform.configuration.do(looked)  # a slot of safety, of which the record of the building says nothing
    offer = platform.offers.deliver(offer.id)
    promised = platform.offers.promised(offer)
    assert {one.since for one in promised} == {offer.delivered}
    assert promised[1].standing == "kept", "Gemel watches that its configuration is confirmed"
    assert promised[2].due == offer.delivered + 90 * DAY
    assert platform.configuration.sides("skid-1").delivered == offer.delivered
    with pytest.raises(Conflict, match="delivered; what is built is delivered"):
        platform.offers.deliver(offer.id)


def test_its_history_goes_through_all_stages_of_one_twin(platform):
    for stage in (LifeStage.COMMISSIONED, LifeStage.IN_SERVICE, LifeStage.DOWN, LifeStage.RETIRED):
        platform.change(lambda tx, stage=stage: platform.registry.set_stage(tx, "skid-1", stage))
    page = platform.past().events(EventQuery(twins=("skid-1",), newest_first=False, limit=100))
    kinds = [one.change.kind for one in page.items]
    found = [kind for kind in kinds if kind.startswith("offer.")]
    assert found == ["offer.ordered", "offer.built", "offer.delivered"]
    stages = [one.change.body["twin"]["stage"] for one in page.items if one.change.kind.startswith("twin.")]
    assert list(dict.fromkeys(stages)) == ["planned", "built", "commissioned", "in_service", "down", "retired"]
    assert platform.offers.get(platform.offers.of("skid-1").id).selection, "what was ordered stays known"


def test_what_breaks_a_rule_is_not_ordered_and_a_concession_needs_a_reason(platform):
    bad = drafted(platform, Choice(path=("pump",), part="CP-60"), DRIVE)
    with pytest.raises(RuleBroken, match="CP-60 needs VFD-7") as broken:
        platform.offers.order(bad.id)
    assert broken.value.extra["findings"][0]["nearest"]
    old = drafted(platform, Choice(path=("pump",), part="CP-40", revision="A"), SEAL, DRIVE)
    with pytest.raises(RuleBroken, match="say why it is conceded"):
        platform.offers.order(old.id)
    assert platform.offers.order(old.id, concede="from stock", machine="old-1").conceded == "from stock"
    empty = drafted(platform, PUMP)
    with pytest.raises(Conflict, match="nothing is chosen yet for drive, pump / seal"):
        platform.offers.order(empty.id)


def test_the_rules_are_those_of_the_day_of_the_order(platform):
    offer = drafted(platform)
    parts = platform.configuration.parts
    before = parts.part("TP")
    rules = tuple(one for one in before.rules if one.part != "VFD-5")
    changed = type(before)(part="TP", name=before.name, end_item=True, slots=before.slots, rules=rules)
    parts.apply(parts.plan(PartsDocument(parts=(changed,))))
    try:
        with pytest.raises(RuleBroken, match="VFD-5 does not belong there"):
            platform.offers.order(offer.id)
    finally:
        parts.apply(parts.plan(PartsDocument(parts=(before,))))


def test_a_cancelled_order_retires_its_twin_and_stays_known(platform):
    offer = platform.offers.order(drafted(platform).id, machine="gone-1")
    with pytest.raises(InvalidInput, match="say why"):
        platform.offers.cancel(offer.id, " ")
    offer = platform.offers.cancel(offer.id, "customer withdrew")
    assert (offer.state, platform.twin("gone-1").stage) == ("cancelled", LifeStage.RETIRED)
    assert platform.configuration.plans.get(offer.plan).reason == "customer withdrew"
    with pytest.raises(Conflict, match="cancelled"):
        platform.offers.order(offer.id)


def test_the_machine_of_a_cancelled_order_is_no_machine_and_its_serial_number_is_free(platform):
    def ordered(name: str) -> Offer:
        asked = Asked(part="TP", plan="full", selection=(PUMP, SEAL, DRIVE), serial="T-77")
        return platform.offers.order(platform.offers.draft(Terms(asked=asked)).id, machine=name)

    def skids() -> set[str]:
        view = platform.view(Principal(id="library", kind="User", role=Role.ADMINISTRATOR))
        seen = Seen(platform.database, platform.clock, view)
        return {one.item.id for one in seen.search(ItemQuery(part="TP", limit=1000)).items}

    first = ordered("again-1")
    assert "again-1" in skids()
    first = platform.offers.cancel(first.id, "other colour")
    assert "again-1" not in skids()
    assert platform.offers.readiness(first) is None
    assert platform.offers.compared(first).built is None
    again = ordered("again-2")
    configuration, now = platform.configuration, platform.clock.now()
    configuration.create(ItemSpec(id="frame-1", part="FRAME"), now)
    configuration.install("frame-1", "again-2", "frame", now, basis=Basis(seen=True))
    with pytest.raises(Conflict, match="remove it first"):
        platform.offers.cancel(again.id, "half of it is there")
    assert (platform.offers.get(again.id).state, platform.twin("again-2").stage) == ("ordered", LifeStage.PLANNED)
    configuration.remove("frame-1", platform.clock.now(), basis=Basis(seen=True))
    platform.offers.cancel(again.id, "half of it was there")
    assert "again-2" not in skids()
    assert [one.kind for one in configuration.acts("again-2")][-1] == "retired"


def test_an_order_whose_machine_or_plan_somebody_took_back_already_is_cancelled_all_the_same(platform):
    configuration = platform.configuration
    retired = platform.offers.order(drafted(platform).id, machine="by-hand-1")
    configuration.retire("by-hand-1", platform.clock.now())
    never = platform.offers.order(drafted(platform).id, machine="by-hand-2")
    configuration.withdraw(configuration.acts("by-hand-2")[0].number, basis=Basis(reason="ordered by mistake"))
    unplanned = platform.offers.order(drafted(platform).id, machine="by-hand-3")
    configuration.plans.cancel(unplanned.plan, "not so")
    for offer in (retired, never, unplanned):
        assert platform.offers.cancel(offer.id, "customer withdrew").state == "cancelled"
        assert platform.twin(offer.item).stage is LifeStage.RETIRED
    assert configuration.plans.get(unplanned.plan).reason == "not so"


def test_an_offer_that_is_changed_while_it_is_ordered_is_not_ordered_as_it_was(platform, monkeypatch):
    offer = drafted(platform)
    revision = platform.offers._revision

    def meanwhile(read: Offer) -> str:
        platform.offers.change(offer.id, Terms(asked=offer.terms.asked, title="changed"))
        return revision(read)

    monkeypatch.setattr(platform.offers, "_revision", meanwhile)
    with pytest.raises(Conflict, match="changed meanwhile; look at it again"):
        platform.offers.order(offer.id)
    known = platform.offers.get(offer.id)
    assert (known.state, known.title) == ("draft", "changed")


def test_why_it_was_conceded_and_cancelled_is_sealed_with_the_key_of_who_said_it(platform):
    """It is in no row and no block as it was said, stays readable through later steps, and goes with the person."""
    hannah, words = platform.gate.accounts.add("hannah", "a long enough word", Role.ENGINEER).id, "as Hannah says"
    older = Choice(path=("pump",), part="CP-40", revision="A")
    draft = drafted(platform, older, SEAL, DRIVE)
    platform.offers.order(draft.id, machine="sealed-1", concede=f"{words}: stock", actor=hannah)
    done = platform.offers.cancel(draft.id, f"{words}: no stock", actor="library")
    told = platform.offers.get(draft.id)
    assert (told, told.conceded) == (done, f"{words}: stock")
    assert [one.detail for one in told.steps] == ["", f"{words}: stock", f"{words}: no stock"]
    events = platform.past().events(EventQuery(twins=("sealed-1",), kinds=("offer.",))).items
    assert len(events) == 2
    assert words not in str(events)

    def kept() -> str:
        with platform.database.read() as tx:
            return str(tx.scalar(select(offer_table.c.body).where(offer_table.c.id == draft.id)))

    assert f"{words}: stock" not in kept()
    assert f"{words}: no stock" in kept(), "a program's words are kept as they are"

    def forgotten(tx: Connection) -> list[Change]:
        destroy_key(tx, hannah)
        return []

    platform.change(forgotten)
    assert platform.offers.get(draft.id).conceded == ERASED_TEXT


def test_the_same_key_is_the_same_offer(platform):
    one, again = drafted(platform, key="k-1"), drafted(platform, key="k-1")
    assert one.id == again.id
    with pytest.raises(GemelError, match="use a new one"):
        drafted(platform, PUMP, key="k-1")


def test_a_document_with_faults_is_refused_with_their_places(as_):
    with pytest.raises(
        InvalidDocument, match=r"line 2, column \d+: models\[0\]\.prices\[0\]: 1\.001 EUR has 3 decimals"
    ):
        as_("engineer").offers.declare("models:\n  - {part: X, prices: [{amount: 1.001, currency: EUR}]}\n")
    assert as_("engineer").offers.declare("models: [{part: X}]", dry_run=True) == [
        {"id": "X", "what": "new", "fields": []}
    ]
    with pytest.raises(NotFound):
        as_("engineer").offers.withdraw("X")


def test_a_party_sees_its_machine_without_what_is_not_granted(platform, as_):
    offer = platform.offers.order(drafted(platform, party="acme").id, machine="skid-2")
    other = platform.offers.order(drafted(platform).id, machine="skid-3")
    party, viewer = as_("party"), as_("viewer")
    assert {one["machine"] for one in viewer.offers().items} >= {"skid-2", "skid-3"}
    with pytest.raises(Denied):
        party.offers()
    grant = ("party:acme", ["read"], Selector(twins=("skid-2",)))
    platform.gate.grant(*grant, groups=["identity", "condition", "process"])
    assert party.offers().items == []
    for hidden in (offer.id, other.id, drafted(platform).id):
        with pytest.raises(NotFound):
            party.offers.get(hidden)
    platform.gate.grant(*grant, groups=["configuration"])
    page = party.offers(limit=1)
    assert ([one["machine"] for one in page.items], page.next) == (["skid-2"], None), "nothing of older ones is told"
    told = party.offers.get(offer.id)
    assert (told["withheld"], len(told["selection"])) == (["prices"], 3)
    assert (told["prices"], told["totals"], told["terms"], told["conceded"]) == ([], [], None, "")
    assert told["service"]["prices"] == []
    assert all(not step["actor"] for step in told["steps"])
    platform.gate.grant(*grant, groups=["financial"])
    told = party.offers.get(offer.id)
    assert told["withheld"] == []
    assert told["totals"][0] == {"amount": "19500.10", "currency": "EUR", "per": "once"}
    for forbidden in (
        lambda: party.offers.models(),
        lambda: party.offers.configure({"part": "TP"}),
        lambda: party.offers.do(offer.id, "order"),
        lambda: party.offers.do(offer.id, "build", {}),
        lambda: party.prospects(),
        lambda: party.prospects.upgrades({"part": "CP-40", "to": "C"}),
        lambda: party.capabilities(),
        lambda: party.capabilities.grant({"capability": "boost", "twin": "skid-2"}),
    ):
        with pytest.raises(Denied):
            forbidden()


def test_a_later_owner_does_not_read_what_the_first_one_paid(platform, as_):
    offer = platform.offers.order(drafted(platform, party="acme").id, machine="skid-4")
    heir, now = as_("heir"), platform.clock.now()
    grant = ("party:heir", ["read"], Selector(twins=("skid-4",)))
    platform.gate.grant(*grant, groups=["configuration", "financial"], history_from=now)
    assert heir.offers().items == []
    with pytest.raises(NotFound):
        heir.offers.get(offer.id)
    platform.gate.grant(*grant, groups=["configuration"])
    told = heir.offers.get(offer.id)
    assert (told["withheld"], told["prices"], told["totals"], len(told["selection"])) == (["prices"], [], [], 3)


def test_no_event_tells_another_party_who_sold_what_and_why(platform, as_):
    old = drafted(platform, Choice(path=("pump",), part="CP-40", revision="A"), SEAL, DRIVE, party="acme")
    platform.offers.order(old.id, machine="skid-5", concede="the last one in stock")
    platform.gate.grant("party:heir", ["read", "query"], Selector(twins=("skid-5",)))
    platform.past()
    asked = "SELECT kind FROM history.happened WHERE twin = 'skid-5'"
    for told in (
        {who: {one["kind"] for one in as_(who).events("skid-5").items} for who in ("heir", "viewer")},
        {who: set(as_(who).query(asked)["kind"].to_pylist()) for who in ("heir", "viewer")},
    ):
        assert {"offer.ordered", "item.created"} <= told["viewer"]
        assert {one.split(".")[0] for one in told["heir"]} == {"plan", "twin"}


def test_who_may_not_configure_the_plant_sells_nothing(as_):
    for who in ("viewer", "operator"):
        with pytest.raises(Denied):
            as_(who).offers.draft({"asked": {"part": "TP"}})
    assert as_("viewer").offers.configure({"part": "TP", "fill": True})["complete"]


def test_it_outlives_a_stop(tmp_path: Path):
    with gemel.open(tmp_path / "plant") as platform:
        sell(platform)
        offer = platform.offers.order(drafted(platform).id, machine="m")
    with gemel.open(tmp_path / "plant") as platform:
        assert platform.offers.of("m") == offer
        assert platform.offers.model("TP").plans[0].months == 12


def test_an_erased_twin_leaves_no_offer(platform):
    offer = platform.offers.order(drafted(platform).id, machine="erased-1")
    platform.erasures.erase_twin("erased-1", platform.erasures.preview("erased-1").code)
    with pytest.raises(NotFound):
        platform.offers.get(offer.id)

"""The installed base is ranked for a service by what is known of it; upgrades are tried where they are worth while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.access import Principal, Role
from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.configuration import Basis, Configuration, ItemFound, ItemQuery, ItemSpec, Promise, Seen
from gemel.errors import InvalidDocument, InvalidInput, NotFound
from gemel.platform import Platform
from gemel.services.prospects import Criterion, Measure, Profile, Ranked, Scored, Upgrade
from gemel.services.prospects.scoring import bounds, by_party, ranked, scored
from tests.services.sold import sell

DAY = 86_400 * SECOND
SEEN = Basis(seen=True)
PROFILES = """
profiles:
  - id: full
    types: [skid]
    criteria:
      - {name: runs much, measure: usage, kind: hours, worst: 0, best: 4000, weight: 2}
      - {name: worn, measure: life, worst: 0, best: 1}
      - {name: older pump, measure: has, part: CP-40, versions: "<C"}
      - {name: no promise, measure: promise, want: false}
      - {name: no boost, measure: capability, capability: boost, want: false}
      - {name: age, measure: age, worst: 5, best: 0}
      - {name: wrong, measure: nonconformances, worst: 0, best: 2}
      - {name: trips, measure: events, worst: 0, best: 5}
      - {name: load, measure: property, property: load, worst: 0, best: 100}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """used: much used, pump B, of acme. new: pump C, promised, unlocked. dark: nothing is known of it but its item.
    far: only planned. spare: a pump with a twin of the same type, in a store."""
    clock = SteppedClock(parse_time("2026-05-01T08:00:00Z"))
    with Platform.open(tmp_path_factory.mktemp("base") / "plant", clock=clock) as opened:
        sell(opened)
        opened.gate.parties.add("acme", "Acme Ltd")
        opened.apply(
            """
            twins:
              - {id: used, types: [skid], stage: in_service, attributes: {owner: acme}}
              - {id: new, types: [skid], stage: in_service}
              - {id: dark, types: [skid], stage: in_service, attributes: {owner: acme}}
              - {id: far, types: [skid]}
            """
        )
        configuration, built = opened.configuration, clock.now() - 730 * DAY
        for name, revision in (("used", "B"), ("new", "C"), ("dark", "")):
            configuration.create(ItemSpec(id=f"I-{name}", part="TP", serial=f"S-{name}", twin=name), built)
            pump = ItemSpec(id=f"P-{name}", part="CP-40", revision=revision, serial=f"p-{name}")
            configuration.create(pump, built)
            configuration.install(pump.id, f"I-{name}", "pump", built, basis=SEEN)
        configuration.create(ItemSpec(id="I-far", part="TP", twin="far"), built)
        for name, hours in (("used", 900.0), ("new", 100.0)):
            configuration.use(f"I-{name}", "hours", built, clock.now(), hours)
            opened.write(name, "boost", "locked" if name == "used" else "unlocked")
            opened.write(name, "load", 60.0)
        configuration.upkeep.promise(Promise(root="I-new", within_days=3650))
        opened.prospects.profiles.apply(PROFILES)
        assert opened.software_reports.wait(opened.position, 60)
        yield opened


def told(platform: Platform, machine: str) -> dict[str, tuple[object, str]]:
    ranking = platform.prospects.rank("full")
    one = next(each for each in (*ranking.machines, *ranking.unsure) if each.twin == machine)
    return {each.criterion: (each.value, each.evidence) for each in one.criteria}


def test_machines_are_ranked_by_what_is_known_with_the_evidence(platform):
    ranking = platform.prospects.rank("full")
    assert [one.twin for one in ranking.machines] == ["used", "new"]
    assert [one.twin for one in ranking.unsure] == ["dark"], "far is only planned"
    used = told(platform, "used")
    assert used["runs much"] == (900.0, "900 hours were counted")
    assert used["worn"] == (0.9, "P-used: 900 of 1,000 hours")
    assert used["older pump"] == (True, "it has CP-40 <C")
    assert used["no boost"] == (False, "it reports that it is locked")
    assert used["load"] == (60.0, "load is 60 %")
    assert used["age"][0] == pytest.approx(2.0, abs=0.01)
    new = told(platform, "new")
    assert (new["older pump"][0], new["no promise"][0], new["no boost"][0]) == (False, True, True)


def test_what_is_unknown_is_told_as_unknown_with_the_reason_and_is_no_zero(platform):
    dark = told(platform, "dark")
    unknown = {name: why for name, (value, why) in dark.items() if value is None}
    assert unknown == {
        "runs much": "nobody ever told its hours",
        "older pump": "it is not known whether it has CP-40 <C",
        "no boost": "it does not tell whether it is unlocked",
        "trips": "it never reported anything",
        "load": "it never reported load",
    }
    (one,) = platform.prospects.rank("full").unsure
    assert one.low < (one.score or 0) < one.high
    assert one.known == pytest.approx(4 / 10)


def test_customers_are_ranked_by_their_machines(platform):
    acme, own = platform.prospects.rank("full").parties
    assert (acme.party, acme.name, acme.machines, acme.unsure) == ("acme", "Acme Ltd", 1, 1)
    assert (own.party, own.machines) == ("", 1)
    assert acme.reasons[0] == "no boost"
    assert acme.total > own.total


def test_an_upgrade_is_tried_on_each_machine_and_nothing_of_it_stays(platform):
    items = {one.item.id for one in _items(platform)}
    found = platform.prospects.upgrades(Upgrade(part="CP-40", to="C", kind="hours", at_least=500))
    assert [(one.machine, one.present, one.used, one.worth, one.possible) for one in found.candidates] == [
        ("I-used", "B", 900.0, True, True)
    ]
    assert (found.counts["offer"], found.unknown) == (1, 1), "of the pump of dark it is not known how old it is"
    assert {one.item.id for one in _items(platform)} == items
    assert platform.configuration.tree("I-used").parts[0].item.revision == "B"
    assert (
        platform.prospects.upgrades(Upgrade(part="CP-40", to="C", kind="hours", at_least=5000)).counts["not_worth"] == 1
    )


def test_what_a_rule_forbids_is_told_as_not_possible(platform):
    found = platform.prospects.upgrades(Upgrade(part="CP-40", to="C", way="modify"))  # type: ignore[arg-type]
    assert found.candidates[0].possible
    software = platform.prospects.upgrades(Upgrade(part="BOOST", to="unlocked"))
    states = {one.machine: (one.present, one.possible) for one in software.candidates}
    assert states["I-used"] == ("locked", True)
    assert software.unknown == 2, "dark does not tell, nor does far, which is planned"
    back = platform.prospects.upgrades(Upgrade(part="CP-40", to="A", below="C"))
    (blocked,) = back.candidates
    assert (blocked.possible, back.counts["blocked"]) == (False, 1)
    assert "CP-40 A may be in pump of I-used, with a concession only" in blocked.findings[0]
    with pytest.raises(InvalidInput, match="no revision 'Z'; it has A, B, C"):
        platform.prospects.upgrades(Upgrade(part="CP-40", to="Z"))


def test_of_which_part_machines_are_is_asked_of_all_at_once(platform, monkeypatch):
    trees: list[str] = []
    tree = Configuration.tree

    def counted(self, root, *given, **how):
        trees.append(root)
        return tree(self, root, *given, **how)

    monkeypatch.setattr(Configuration, "tree", counted)
    found = platform.prospects.upgrades(Upgrade(part="BOOST", to="unlocked", parts=("TP",)))
    assert found.candidates
    assert not trees
    assert not platform.prospects.upgrades(Upgrade(part="BOOST", to="unlocked", parts=("OTHER",))).candidates


def _items(platform: Platform) -> list[ItemFound]:
    view = platform.view(Principal(id="library", kind="User", role=Role.ADMINISTRATOR))
    return Seen(platform.database, platform.clock, view).search(ItemQuery(limit=1000)).items


def test_a_profile_with_faults_is_refused_with_their_places(platform):
    bad = "profiles:\n  - {id: x, types: [skid], criteria: [{name: a, measure: usage, worst: 1, best: 1}]}\n"
    with pytest.raises(InvalidDocument) as refused:
        platform.prospects.profiles.apply(bad)
    assert [one.message for one in refused.value.problems] == [
        "say which value scores 0 (worst) and which scores 1 (best)",
        "usage needs kind",
    ]
    with pytest.raises(NotFound, match="no profile 'x'; known: full"):
        platform.prospects.rank("x")


def test_what_was_declared_stays_known(platform):
    before = platform.prospects.profiles.get("full")
    changed = Profile(id="full", types=("skid",), criteria=before.criteria, title="Full service")
    assert platform.prospects.profiles.apply([changed])[0].fields == ("title",)
    assert platform.prospects.profiles.apply([changed])[0].what == "same"
    platform.prospects.profiles.withdraw("full")
    with pytest.raises(NotFound):
        platform.prospects.profiles.get("full")
    documents = [one.document for one in platform.prospects.profiles.history("full")]
    assert documents == [None, changed, before]
    platform.prospects.profiles.apply([before])


AGE = Criterion(name="age", measure=Measure.AGE, worst=10, best=2)
CRITERIA = st.lists(
    st.builds(
        Scored,
        criterion=st.uuids().map(str),
        weight=st.floats(0.1, 10),
        value=st.none(),
        unit=st.just(""),
        score=st.one_of(st.none(), st.floats(0, 1)),
        evidence=st.just(""),
    ),
    min_size=1,
    max_size=8,
)


def test_a_value_scores_linearly_between_worst_and_best_whichever_is_smaller():
    found = [scored(AGE, value, "").score for value in (12, 10, 6, 2, 0)]
    assert found == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert scored(AGE, None, "").score is None


@given(CRITERIA, st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_whatever_the_unknown_turns_out_to_be_the_score_is_within_its_bounds(criteria, later):
    score, low, high, known = bounds(criteria)
    filled = [
        one if one.score is not None else Scored(**{**_fields(one), "score": guess})
        for one, guess in zip(criteria, later, strict=False)
    ]
    final = bounds(filled)[0]
    assert final is not None
    assert low - 1e-9 <= final <= high + 1e-9
    if score is not None:
        assert low - 1e-9 <= score <= high + 1e-9
    assert (known == pytest.approx(1)) == all(one.score is not None for one in criteria)


def _fields(one: Scored) -> dict[str, object]:
    return {name: getattr(one, name) for name in Scored.__struct_fields__}


@given(st.lists(CRITERIA, max_size=6), st.floats(0, 1))
def test_every_machine_is_ranked_or_listed_apart_and_none_of_which_nothing_is_known_is_ranked(machines, least):
    told = []
    for i, criteria in enumerate(machines):
        score, low, high, known = bounds(criteria)
        names = {"machine": str(i), "twin": "", "name": "", "serial": "", "part": "", "party": str(i % 2)}
        told.append(Ranked(**names, score=score, low=low, high=high, known=known, criteria=tuple(criteria)))
    enough, unsure = ranked(told, least)
    assert {one.machine for one in (*enough, *unsure)} == {one.machine for one in told}
    assert len(enough) + len(unsure) == len(told)
    assert all(one.score is not None and one.known >= least for one in enough)
    assert [one.score for one in enough] == sorted((one.score for one in enough), reverse=True)
    parties = by_party(enough, unsure, {})
    assert sum(one.machines + one.unsure for one in parties) == len(told)

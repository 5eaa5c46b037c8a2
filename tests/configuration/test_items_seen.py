"""What a party sees of the configuration equals a plant that holds its machines alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.access import Action, Principal, Selector
from gemel.clock import SteppedClock
from gemel.configuration import ItemQuery, ItemSpec, Seen
from gemel.errors import GemelError, NotFound
from gemel.platform import Platform
from tests.configuration.conftest import day

PLANT = """
types: [{id: machine, properties: [{name: speed}]}]
twins: [{id: m1, types: [machine]}, {id: m2, types: [machine]}]
"""
MACHINES, PUMPS, SLOTS, DAYS = ("M1", "M2"), ("P1", "P2", "P3"), ("left", "right"), 60
OF_A = Principal(id="user-a", kind="User", party="a")
_example = count()


@pytest.fixture(scope="module")
def plants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Platform]]:
    """One with the machines of both parties, one with those of A alone."""
    made = []
    for name in ("whole", "alone"):
        platform = Platform.open(tmp_path_factory.mktemp(name), clock=SteppedClock(day(6, 1)), run_connectors=False)
        platform.apply(PLANT)
        platform.gate.parties.add("a", "A Ltd")
        platform.gate.grant("party:a", [Action.READ], Selector(twins=("m1",)), groups=["configuration", "usage"])
        made.append(platform)
    yield made[0], made[1]
    for platform in made:
        platform.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["install", "remove", "swap", "nest", "use"]),
        st.sampled_from(MACHINES),
        st.sampled_from(SLOTS),
        st.sampled_from(PUMPS),
        st.integers(1, 5),
    ),
    max_size=25,
)


def carry_out(platform: Platform, prefix: str, steps: list[tuple[str, str, str, str, int]], only: bool) -> None:
    """What happened, day by day; with `only`, as a plant that has M1 alone heard of it: what was not in M1 is not told.

    Which steps are possible is decided by the whole plant: so both are told of the same world.
    """
    made, now = platform.configuration, 0
    where: dict[str, tuple[str, str]] = {}
    machines = MACHINES[:1] if only else MACHINES
    for machine in machines:
        made.create(ItemSpec(id=prefix + machine, part="MILL", twin=machine.lower()), day(1, 1))
    for name in (*PUMPS, "SEAL"):
        made.create(ItemSpec(id=prefix + name, part="PUMP", serial=prefix + name), day(1, 1))
    nested = ""
    for do, machine, slot, pump, wait in steps:
        now += wait
        at, told = day(1, 1) + now * 86_400_000_000, machine in machines
        held = next((one for one, place in where.items() if place == (machine, slot)), "")
        if do == "install" and pump not in where and not held:
            where[pump] = (machine, slot)
            if told:
                made.install(prefix + pump, prefix + machine, slot, at)
        elif do == "remove" and held:
            del where[held]
            if told:
                made.remove(prefix + held, at)
        elif do == "swap" and held and pump not in where:
            del where[held]
            where[pump] = (machine, slot)
            if told:
                made.swap(prefix + machine, slot, prefix + pump, at)
        elif do == "nest" and not nested:
            nested = pump  # a seal that goes with its pump for ever
            made.install(prefix + "SEAL", prefix + pump, "seal", at)
        elif do == "use" and told and machine == "M1":
            made.use(prefix + machine, "hours", at, at + 3_600_000_000, 1.0)


def answer(ask: Any) -> Any:
    """As it would be told: without numbers of acts and moments of knowing, which count what others said, too."""
    try:
        return _plain(msgspec.to_builtins(ask()))
    except NotFound as error:
        return error.detail
    except GemelError as error:
        return f"{error.code}: {error.detail}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        hidden = {"number", "recorded", "begun_by", "ended_by", "amends", "operation"}
        return {name: _plain(one) for name, one in value.items() if name not in hidden}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def asked(platform: Platform, prefix: str) -> list[Any]:
    """Every question, of every item, at many moments."""
    seen = Seen(platform.database, platform.clock, platform.view(OF_A))
    items = [prefix + name for name in (*MACHINES, *PUMPS, "SEAL")]
    told: list[Any] = []
    moments = [day(1, 1) + days * 86_400_000_000 + 1 for days in range(0, DAYS, 15)]
    for at in moments:
        told.append(answer(lambda at=at: seen.search(ItemQuery(q=prefix), at)))
        for item in items:
            told.append(answer(lambda at=at, item=item: seen.tree(item, at)))
            told.append(answer(lambda at=at, item=item: seen.item(item, at)))
    for item in items:
        told.append((item, "stays", answer(lambda item=item: seen.stays(item, day(1, 1), day(6, 1)))))
        told.append((item, "history", answer(lambda item=item: seen.history(item))))
        told.append((item, "acts", answer(lambda item=item: seen.acts(item))))
        told.append((item, "called", answer(lambda item=item: seen.called(item))))
        told.append((item, "where", answer(lambda item=item: seen.item(item))))
    return told


def compare(plants: tuple[Platform, Platform], steps: list[tuple[str, str, str, str, int]]) -> None:
    whole, alone = plants
    prefix = f"X{next(_example)}-"
    carry_out(whole, prefix, steps, only=False)
    carry_out(alone, prefix, steps, only=True)
    assert asked(whole, prefix) == asked(alone, prefix)


@given(steps=STEPS)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_party_sees_what_a_plant_of_its_machines_would_show(
    plants: tuple[Platform, Platform], steps: list[tuple[str, str, str, str, int]]
) -> None:
    compare(plants, steps)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@given(steps=STEPS)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_party_sees_what_a_plant_of_its_machines_would_show_in_many_worlds(
    plants: tuple[Platform, Platform], steps: list[tuple[str, str, str, str, int]]
) -> None:
    compare(plants, steps)


def test_the_steps_of_the_comparison_are_seen_at_all(plants: tuple[Platform, Platform]) -> None:
    """Otherwise two plants would be equal in showing nothing."""
    steps = [("install", "M1", "left", "P1", 1), ("nest", "M1", "left", "P1", 1), ("swap", "M1", "left", "P2", 3)]
    compare(plants, steps)
    prefix = f"X{next(_example) - 1}-"
    seen = Seen(plants[0].database, plants[0].clock, plants[0].view(OF_A))
    assert [one.root for one in seen.stays(f"{prefix}SEAL", day(1, 1), day(6, 1))] == ["", f"{prefix}M1", ""]
    assert [one.item.id for one in seen.search(ItemQuery(q=prefix)).items] == [f"{prefix}M1", f"{prefix}P2"]


def test_a_grant_that_begins_late_hides_what_was_before(plants: tuple[Platform, Platform]) -> None:
    platform = plants[0]
    platform.gate.parties.add("late", "Late Ltd")
    grant = {"groups": ["configuration"], "history_from": day(3, 1)}
    platform.gate.grant("party:late", [Action.READ], Selector(twins=("m2",)), **grant)
    made = platform.configuration
    for name in ("L-M2", "L-P", "L-Q"):
        made.create(ItemSpec(id=name, part="X", twin="m2" if name == "L-M2" else ""), day(1, 1))
    made.install("L-P", "L-M2", "left", day(1, 1))
    made.swap("L-M2", "left", "L-Q", day(2, 1))
    view = platform.view(Principal(id="user-l", kind="User", party="late"))
    seen = Seen(platform.database, platform.clock, view)
    with pytest.raises(NotFound):
        seen.item("L-P")
    with pytest.raises(NotFound):
        seen.tree("L-M2", day(2, 15))
    assert [(part.item.id, part.since) for part in seen.tree("L-M2").parts] == [("L-Q", day(3, 1))]
    assert [one.valid.start for one in seen.history("L-Q")] == [day(3, 1)]
    assert seen.acts("L-Q") == []


def test_of_use_only_those_are_told_to_whom_it_is_granted(plants: tuple[Platform, Platform]) -> None:
    platform = plants[0]
    platform.gate.parties.add("plain", "Plain Ltd")
    platform.gate.grant("party:plain", [Action.READ], Selector(twins=("m1",)), groups=["configuration"])
    made = platform.configuration
    made.create(ItemSpec(id="U-M1", part="X", twin="m1"), day(1, 1))
    made.use("U-M1", "hours", day(1, 1), day(1, 2), 7.0)
    amounts = []
    for party in ("a", "plain"):
        view = platform.view(Principal(id=f"user-{party}", kind="User", party=party))
        seen = Seen(platform.database, platform.clock, view)
        try:
            amounts.append(seen.count("U-M1", "hours").amount)
        except NotFound as error:
            amounts.append(error.detail)
    assert amounts[0] == 7.0
    assert "U-M1 nothing is told" in str(amounts[1])

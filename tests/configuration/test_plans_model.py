"""Plans carried out in any order: each does all that it says or nothing, as a plain list of where things are has it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.configuration import ItemSpec
from gemel.configuration.operations import Install, Operation, Remove
from gemel.errors import GemelError
from tests.configuration.conftest import World, day, ids

step = st.tuples(st.booleans(), st.integers(0, 2), st.sampled_from(("left", "right")))
plans = st.lists(st.lists(step, min_size=1, max_size=3), min_size=1, max_size=5)
BEGIN = day(1, 1)
_RUNS = count()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'configuration.sqlite'}")
    world.clock.time = BEGIN
    yield world
    world.database.close()


def carried(state: dict[str, str], steps: list[tuple[bool, int, str]], parts: list[str]) -> dict[str, str] | None:
    """Where each part is after these steps; None: one of them cannot be done."""
    found, came = dict(state), set()
    for comes, which, slot in steps:
        part = parts[which]
        if comes:
            if part in found or slot in found.values():
                return None
            found[part] = slot
            came.add(part)
        elif part not in found or part in came:  # what came at that very moment does not go
            return None
        else:
            del found[part]
    return found


def any_order(shop: World, wanted: list[list[tuple[bool, int, str]]], shuffled: list[int]) -> None:
    conf, run = shop.configuration, next(_RUNS)
    machine, parts = f"M{run}", [f"M{run}.{n}" for n in range(3)]
    for id in (machine, *parts):
        conf.create(ItemSpec(id=id, part="P"), BEGIN)
    made = []
    for steps in wanted:
        operations: list[Operation] = [
            Install(child=parts[which], parent=machine, slot=slot, at=BEGIN + 500)
            if comes
            else Remove(child=parts[which], at=BEGIN + 500)
            for comes, which, slot in steps
        ]
        made.append(conf.plans.make(operations, at=BEGIN + 500, title="t").number)
    state: dict[str, str] = {}
    for at, place in enumerate(shuffled, 1):
        if place >= len(made):
            continue
        after = carried(state, wanted[place], parts)
        if after is None:
            with pytest.raises(GemelError):
                conf.plans.carry_out(made[place], at=BEGIN + at)
        else:
            conf.plans.carry_out(made[place], at=BEGIN + at)
            state = after
        assert {part.item.id: part.path[-1] for part in conf.tree(machine, BEGIN + at).parts} == state
        assert ids(conf.tree(machine, BEGIN + 1000)) == set(state)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans, st.permutations(range(5)))
def test_plans_in_any_order_do_all_or_nothing(
    shop: World, wanted: list[list[tuple[bool, int, str]]], shuffled: list[int]
) -> None:
    any_order(shop, wanted, shuffled)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans, st.permutations(range(5)))
def test_plans_in_very_many_orders_do_all_or_nothing(
    shop: World, wanted: list[list[tuple[bool, int, str]]], shuffled: list[int]
) -> None:
    any_order(shop, wanted, shuffled)

"""What is believed after any acts in any order, against a plain list of the acts that stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.configuration import FOREVER, Basis, ItemSpec
from gemel.errors import GemelError
from tests.configuration.conftest import World

ITEMS, SLOTS = ["a", "b", "c"], ["x", "y"]
moments = st.integers(1, 8).map(lambda n: n * 10)
PARENTS = ["M", "N", "a"]
installs = st.tuples(
    st.just("install"), st.sampled_from(ITEMS), st.sampled_from(PARENTS), st.sampled_from(SLOTS), moments
)
removes = st.tuples(st.just("remove"), st.sampled_from(ITEMS), st.just(""), st.just(""), moments)
amends = st.tuples(st.sampled_from(["correct", "withdraw"]), st.integers(0, 9), st.just(""), st.just(""), moments)


def belief_of(acts: dict[int, tuple[Any, ...]]) -> set[tuple[str, str, str, int, int]] | None:
    """Who is where from–to by these acts, in whatever order they were said; None if they contradict each other."""
    found = set()
    for item in ITEMS:
        mine = sorted((act[4], act[0] != "remove", act) for act in acts.values() if act[1] == item)
        if len({time for time, *_ in mine}) != len(mine):
            same = [time for time, *_ in mine]
            # out of one place and into another at one moment is two acts; anything else at one moment is not
            if any(same.count(time) > 2 for time in same):
                return None
        inside: tuple[str, str, int] | None = None
        for time, is_install, act in mine:
            if is_install:
                if inside is not None:
                    return None
                inside = act[2], act[3], time
            else:
                if inside is None or inside[2] >= time:
                    return None
                found.add((item, inside[0], inside[1], inside[2], time))
                inside = None
        if inside is not None:
            found.add((item, *inside, FOREVER))
    for one in found:
        for other in found:
            if one is not other and one[1:3] == other[1:3] and one[3] < other[4] and other[3] < one[4]:
                return None
    return None if _cyclic(found) else found


def _cyclic(found: set[tuple[str, str, str, int, int]]) -> bool:
    for moment in range(10, 91, 5):
        up = {child: parent for child, parent, _, start, end in found if start <= moment < end}
        for item in ITEMS:
            at, steps = item, 0
            while at in up and steps < 9:
                at, steps = up[at], steps + 1
                if at == item:
                    return True
    return False


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(installs, installs, removes, amends), max_size=14), st.data())
def test_any_order_of_entry_gives_the_belief_of_a_plain_list(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('world') / 'configuration.sqlite'}")
    conf, clock = world.configuration, world.clock
    try:
        for id in ("M", "N", *ITEMS):
            conf.create(ItemSpec(id=id, part="P"), 0)
        acts: dict[int, tuple[Any, ...]] = {}
        known: list[tuple[int, set[tuple[str, str, str, int, int]]]] = []
        for kind, what, parent, slot, time in asked:
            clock.time += 1000
            would = dict(acts)
            target = None
            if kind in ("correct", "withdraw"):
                if not acts:
                    continue
                target = list(acts)[what % len(acts)]
                if kind == "correct":
                    old = acts[target]
                    would[target] = (*old[:4], time)
                else:
                    del would[target]
            else:
                would[-1] = (kind, what, parent, slot, time)
            try:
                if kind == "install":
                    done = conf.install(what, parent, slot, time)
                elif kind == "remove":
                    done = conf.remove(what, time)
                elif kind == "correct":
                    conf.correct(target, time, basis=Basis(reason="test"))
                else:
                    conf.withdraw(target, basis=Basis(reason="test"))
                taken = True
            except GemelError:
                taken = False
            expected = belief_of(would)
            assert taken == (expected is not None), (kind, what, parent, slot, time, acts)
            if expected is None:
                continue
            if kind in ("install", "remove"):
                would[done] = would.pop(-1)
            acts = would
            known.append((clock.time, expected))
        for moment, expected in known:
            held = {
                (item, p.parent, p.slot, p.valid.start, p.valid.end)
                for item in ITEMS
                for p in conf.history(item, known=moment + 500)
            }
            assert held == expected
    finally:
        world.database.close()

"""What is believed after any acts in any order, against a plain list of the acts that stand."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.configuration import FOREVER, Basis, Configuration, ItemSpec, Placement
from gemel.configuration.operations import Merge, Split
from gemel.errors import GemelError, InvalidInput
from tests.configuration.conftest import World

ITEMS, SLOTS = ["a", "b", "c"], ["x", "y"]
moments = st.integers(1, 8).map(lambda n: n * 10)
PARENTS = ["M", "N", "a", "b"]
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


def _settled(conf: Configuration, known: int) -> set[tuple[str, str, str, int, int]]:
    return {
        (item, p.parent, p.slot, p.valid.start, p.valid.end) for item in ITEMS for p in conf.history(item, known=known)
    }


def any_order(tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]]) -> None:
    path = tmp_path_factory.mktemp("world") / "configuration.sqlite"
    world = World(f"sqlite:///{path}")
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
            assert _settled(conf, moment + 500) == expected
    finally:
        world.database.close()


def any_merge(tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]], of_one: list[bool]) -> None:
    """Some of what is said of `a` is said of somebody unknown; merged, everything is believed as said of `a`; split
    again, it is believed as before."""
    path = tmp_path_factory.mktemp("merge") / "configuration.sqlite"
    world = World(f"sqlite:///{path}")
    conf = world.configuration
    try:
        for id in ("M", "N", *ITEMS, "unknown"):
            conf.create(ItemSpec(id=id, part="P"), 0)
        acts: dict[int, tuple[Any, ...]] = {}
        for (kind, what, parent, slot, time), unknown in zip(asked, of_one, strict=False):
            world.clock.time += 1000
            if kind in ("correct", "withdraw"):
                if not acts:
                    continue
                number = list(acts)[what % len(acts)]
                with suppress(GemelError):
                    if kind == "correct":
                        conf.correct(number, time, basis=Basis(reason="test"))
                        acts[number] = (*acts[number][:4], time)
                    else:
                        conf.withdraw(number, basis=Basis(reason="test"))
                        del acts[number]
                continue
            who = "unknown" if unknown and what == "a" else what
            holder = "unknown" if unknown and parent == "a" else parent
            with suppress(GemelError):
                done = conf.install(who, holder, slot, time) if kind == "install" else conf.remove(who, time)
                acts[done] = (kind, what, parent, slot, time)
        expected = belief_of(acts)
        before = {id: conf.history(id) for id in (*ITEMS, "unknown")}
        merge = Merge(item="unknown", into="a", at=90)
        if expected is None:
            with pytest.raises(GemelError):
                conf.do(merge)
            return
        conf.do(merge)
        assert _settled(conf, FOREVER - 1) == expected
        assert conf.history("unknown") == conf.history("a")
        with suppress(InvalidInput):  # there was nothing to tell them apart by
            conf.do(Split(item="a", other="unknown", at=91))
            assert {id: [_plain(p) for p in conf.history(id)] for id in before} == {
                id: [_plain(p) for p in found] for id, found in before.items()
            }
    finally:
        world.database.close()


def _plain(placement: Placement) -> tuple[Any, ...]:
    return placement.parent, placement.slot, placement.valid, placement.begun_by, placement.ended_by


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
orders = st.lists(st.one_of(installs, installs, removes, amends), max_size=14)
merges = st.lists(st.one_of(installs, removes, amends), min_size=2, max_size=10)
which = st.lists(st.booleans(), min_size=10, max_size=10)


@QUICK
@given(orders)
def test_any_order_of_entry_gives_the_belief_of_a_plain_list(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]]
) -> None:
    any_order(tmp_path_factory, asked)


@settings(QUICK, max_examples=12)
@given(merges, which)
def test_two_that_are_merged_are_believed_as_if_all_had_been_said_of_one(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]], of_one: list[bool]
) -> None:
    any_merge(tmp_path_factory, asked, of_one)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@MANY
@given(orders)
def test_very_many_orders_of_entry_give_the_belief_of_a_plain_list(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]]
) -> None:
    any_order(tmp_path_factory, asked)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@MANY
@given(merges, which)
def test_very_many_merges_are_believed_as_if_all_had_been_said_of_one(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Any, ...]], of_one: list[bool]
) -> None:
    any_merge(tmp_path_factory, asked, of_one)

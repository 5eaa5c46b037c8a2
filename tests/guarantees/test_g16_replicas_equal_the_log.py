"""G16: a replica at a position holds what the log gives when it is replayed to that position: whatever its rate, after
cuts, after restarts from its own disk; shown by hashes at every position that it was at."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import strategies as st

import gemel
from gemel.client import Delta, Update
from gemel.platform import Platform
from gemel.replicas import Replica
from gemel.replicas.copy import Copy
from gemel.server import Server
from gemel.state import Selection, State
from gemel.twin import Quality
from gemel.twin.fingerprint import fingerprint
from tests.edge.wire import wire
from tests.guarantees.ledger import drawn, seed, tell
from tests.replicas.conftest import PLANT, work

PATIENCE_S = 90.0


def replayed(platform: Platform, wanted: set[int]) -> dict[int, str]:
    """Position → fingerprint of everything when all blocks up to it, from the first one on, are folded."""
    state = State(platform.registry.directory, platform.clock)
    found: dict[int, str] = {}
    for block in platform.journal.blocks():
        state.fold(block)
        if block.last in wanted:
            with state.subscribe(Selection(events=False)) as subscription:
                delta = subscription.get(0)
                found[block.last] = fingerprint([] if delta is None else delta.values.cells())
    state.close()
    return found


def followed(folder: Path, number: int, rounds: int) -> int:
    """Three replicas of one plant that is worked on, their wire cut at random; how many hashes were compared."""
    chance, where = random.Random(number), f"GEMEL_SEED={number}"
    passed: set[tuple[int, str]] = set()
    with ExitStack() as opened:
        platform = opened.enter_context(Platform.open(folder / "plant"))
        platform.apply(PLANT)
        server = opened.enter_context(Server(platform, port=0))
        line = opened.enter_context(wire(int(server.url.rpartition(":")[2])))
        token = platform.gate.tokens.add("replicas", "viewer")[1]
        work(platform, chance, 10)
        rates = {"each": None, "some": 20.0, "few": 4.0}

        def begin(name: str) -> Replica:
            return gemel.replica(line.url, token=token, rate=rates[name], folder=folder / name)

        replicas = {name: begin(name) for name in rates}
        for replica in replicas.values():
            opened.callback(replica.close)
        last = 0
        for _ in range(rounds):
            if chance.random() < 0.4:
                line.cut()
            last = work(platform, chance, chance.randrange(5, 40))
            line.heal()
            name = chance.choice(sorted(rates))
            if chance.random() < 0.3:
                passed |= set(replicas[name]._held.passed)
                replicas[name].close()
                last = work(platform, chance, 3)
                replicas[name] = begin(name)
                opened.callback(replicas[name].close)
            replicas[name].wait(last, PATIENCE_S)
        for replica in replicas.values():
            assert replica.wait(last, PATIENCE_S) == last, where
            replica.check(PATIENCE_S)
            assert replica.standing().mended == 0, (where, replica.standing())
            passed |= set(replica._held.passed)
        assert len({replica.hash() for replica in replicas.values()}) == 1, where
        log = replayed(platform, {position for position, _ in passed})
    for position, hash_ in passed:
        assert log[position] == hash_, f"{where}: at position {position}"
    return len(passed)


@pytest.mark.parametrize("runs", [1, pytest.param(12, marks=pytest.mark.soak)])
def test_a_replica_at_a_position_is_the_log_replayed_to_it(
    tmp_path: Path, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.housekeeping.HEALTH_EVERY_S", 36_000.0)  # the last position is that of the last work
    ok = sum(followed(tmp_path / str(number), number, 12) for number in range(seed(), seed() + runs))
    assert ok >= 20
    tell("G16", "positions of replicas, against the log", ok=ok, runs=runs)


updates = st.builds(
    Update,
    twin=st.sampled_from(["a", "b"]),
    property=st.sampled_from(["x", "y", "z"]),
    value=st.one_of(st.none(), st.integers(-5, 5), st.floats(), st.text(max_size=3)),
    time=st.integers(0, 9),
    changed=st.integers(0, 9),
    quality=st.sampled_from(Quality),
    fresh=st.booleans(),
    stale_since=st.none(),
    recorded=st.integers(0, 9),
    position=st.integers(1, 99),
)
steps = st.lists(
    st.one_of(
        st.builds(lambda values: Delta(1, values), st.lists(updates, max_size=6)),
        st.builds(lambda values: Delta(1, values, snapshot=True), st.lists(updates, max_size=6)),
        st.builds(lambda twin: Delta(1, gone=[twin]), st.sampled_from(["a", "b"])),
    ),
    max_size=20,
)


def cells(copy: Copy) -> list[tuple[object, ...]]:
    return [
        (one.twin, one.property, one.value, one.time, one.recorded, one.changed, int(one.quality), one.position)
        for one in copy.updates()
    ]


def test_the_hash_of_a_copy_is_that_of_its_cells_however_it_came_to_them() -> None:
    def held(told: list[Delta]) -> None:
        copy = Copy()
        copy.take(told, "")
        assert copy.hash == fingerprint(cells(copy))  # type: ignore[arg-type]
        assert copy.count == len(cells(copy))

    drawn(held, 100, told=steps)

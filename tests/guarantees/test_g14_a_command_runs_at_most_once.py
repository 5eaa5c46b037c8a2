"""G14: at most one command is executed per id, it expires, and its outcome is known or said to be `unknown`: tried by
kill -9 at every step of an order, and against a device that drops, doubles, delays, and answers after the end."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gemel.clock import WallClock
from gemel.commands import ENDED, Errand, Order, OrderState, Outcome, Result, Tell
from tests.commands.world import World, append_durably
from tests.guarantees.ledger import seed, tell

S = OrderState
ROOT = Path(__file__).parents[2]


def kill_everywhere(folder: Path, how: tuple[str, ...]) -> list[Path]:
    """A folder for each place where a process was killed, and one where it lived on."""
    program = [sys.executable, "-m", "tests.commands.killed", str(folder), *how]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    return sorted(folder.iterdir(), key=lambda one: int(one.name))


def told(folder: Path) -> list[str]:
    file = folder / "told.txt"
    return file.read_text().split() if file.exists() else []


def carried_out(folder: Path) -> Counter[str]:
    file = folder / "device.txt"
    return Counter(file.read_text().split()) if file.exists() else Counter()


def again(folder: Path, *, deduplicates: bool) -> list[Order]:
    """Begin again with the same device, and let everything come to its end; returns the one order, if there is one."""
    world = World(folder, clock=WallClock(), deduplicates=deduplicates)
    known = carried_out(folder)

    def act(errand: Errand, tell: Tell) -> None:
        if errand.order not in known or not deduplicates:  # that device knows an order again
            append_durably(folder / "device.txt", errand.order)
        tell(errand.order, Outcome(result=Result.DONE, output={"cycle": 1}))

    world.device.at_once = act
    world.turn(4)
    orders = list(world.commander.orders().items)
    world.close()
    return orders


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("deduplicates",)])
def test_killed_at_every_step_it_runs_at_most_once_and_its_outcome_is_known_or_unknown(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    outcomes: Counter[OrderState] = Counter()
    folders = kill_everywhere(tmp_path, how)
    assert [("survived" in told(one)) for one in folders] == [False] * (len(folders) - 1) + [True]
    for folder in folders:
        before = carried_out(folder)
        orders = again(folder, deduplicates=bool(how))
        counts = carried_out(folder)
        assert len(orders) <= 1
        if told(folder):
            assert [order.id for order in orders] == told(folder)[:1], "what was acknowledged is there"
        for order in orders:
            where = f"killed at {folder.name}"
            outcomes[order.state] += 1
            assert counts[order.id] <= 1, f"{where}: carried out {counts[order.id]} times"
            assert order.state in (S.APPLIED, S.UNKNOWN)
            if order.state is S.APPLIED:
                assert counts[order.id] == 1, f"{where}: applied, and never carried out"
            if how:
                assert order.state is S.APPLIED, "a device that knows orders again leaves nothing unknown"
            if before and not how:
                assert counts == before, "it was carried out before the kill, and not again"
    assert outcomes[S.APPLIED]
    if not how:
        assert outcomes[S.UNKNOWN], "no kill fell between sending and knowing: the test proves nothing"
    name = "killed at every step" + (", a device that knows orders again" if how else "")
    tell("G14", name, ok=outcomes[S.APPLIED], unknown=outcomes[S.UNKNOWN])


@pytest.mark.parametrize("rounds", [1, pytest.param(40, marks=pytest.mark.soak)])
def test_a_device_that_drops_doubles_and_delays_runs_each_once_and_nothing_is_believed_after_the_end(
    tmp_path: Path, rounds: int
) -> None:
    ok = unknown = 0
    for number in range(rounds):
        outcomes, where = tried(tmp_path / str(number), seed() + number), f"GEMEL_SEED={seed() + number}"
        assert outcomes[S.APPLIED], where
        ok += sum(outcomes.values()) - outcomes[S.UNKNOWN]
        unknown += outcomes[S.UNKNOWN]
    assert unknown, "no answer was ever lost: the test proves nothing"
    tell("G14", "drops, doubles, delays", ok=ok, unknown=unknown, rounds=rounds)


def tried(folder: Path, number: int) -> Counter[OrderState]:
    """Forty orders of one seed; how each ended."""
    chance = random.Random(number)
    folder.mkdir()
    world, carried, asked = World(folder), Counter[str](), dict[str, str]()
    late: list[tuple[str, Result]] = []
    try:
        for step in range(40):
            key = f"key-{chance.randrange(step + 1)}"
            order = world.command("start", {"ramp": 1}, key=key, deadline_s=20)
            assert asked.setdefault(key, order.id) == order.id, "the same id is the same order"
            world.turn()
            while world.device.errands:
                errand, say = world.device.errands.pop(0)
                what = chance.choice(["done", "done", "done", "drop", "silent", "late", "twice"])
                if what != "drop":
                    carried[errand.order] += 1
                if what in ("done", "twice"):
                    for _ in range(1 + (what == "twice")):
                        say(errand.order, Outcome(result=Result.DONE, output={"cycle": 1}))
                if what == "late":
                    late.append((errand.order, Result.DONE))
                world.turn()
            world.step(chance.choice([1, 5, 30]))
            world.turn()
        world.step(60)
        world.turn(4)
        before = {id: world.order(id).state for id in asked.values()}
        for id, _ in late:
            assert before[id] in ENDED or before[id] is S.UNKNOWN
        for id, state in before.items():
            assert carried[id] <= 1, f"GEMEL_SEED={number}: {id} ran {carried[id]} times"
            assert state is not S.APPLIED or carried[id] == 1, f"GEMEL_SEED={number}: applied, and never run"
            assert state in ENDED or state is S.UNKNOWN, f"GEMEL_SEED={number}: {id} is {state} for ever"
        return Counter(before.values())
    finally:
        world.close()

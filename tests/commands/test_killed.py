"""kill -9 at every step of an order: carried out at most once for each id, its outcome known or `unknown` (G14)."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gemel.clock import WallClock
from gemel.commands import OrderState, Outcome, Result
from tests.commands.world import World, append_durably

S = OrderState
ROOT = Path(__file__).parents[2]


def kill_everywhere(folder, how):
    """A folder for each place where a process was killed, and one where it lived on."""
    program = [sys.executable, "-m", "tests.commands.killed", str(folder), *how]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    return sorted(folder.iterdir(), key=lambda one: int(one.name))


def told(folder):
    file = folder / "told.txt"
    return file.read_text().split() if file.exists() else []


def carried_out(folder):
    file = folder / "device.txt"
    return Counter(file.read_text().split()) if file.exists() else Counter()


def again(folder, deduplicates):
    """Begin again with the same device, and let everything come to its end; returns the one order, if there is one."""
    world = World(folder, clock=WallClock(), deduplicates=deduplicates)
    known = carried_out(folder)

    def act(errand, tell):
        if errand.order not in known or not deduplicates:  # that device knows an order again
            append_durably(folder / "device.txt", errand.order)
        tell(errand.order, Outcome(result=Result.DONE, output={"cycle": 1}))

    world.device.at_once = act
    world.turn(4)
    orders = world.commander.orders().items
    world.close()
    return orders


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("deduplicates",)])
def test_at_every_step_it_is_carried_out_at_most_once_and_its_outcome_is_known_or_unknown(tmp_path, how):
    outcomes = Counter()
    folders = kill_everywhere(tmp_path, how)
    assert [("survived" in told(one)) for one in folders] == [False] * (len(folders) - 1) + [True]
    for folder in folders:
        before = carried_out(folder)
        orders = again(folder, bool(how))
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

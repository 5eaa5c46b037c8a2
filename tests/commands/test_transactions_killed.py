"""kill -9 at every step of a transaction: all of it is requested or none, and its outcome is what the devices did."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gemel.clock import WallClock
from gemel.commands import OrderState, TransactionState
from tests.commands.killed_together import device
from tests.commands.world import World

S, T = OrderState, TransactionState
ROOT = Path(__file__).parents[2]


def killed_everywhere(folder, *how):
    """A folder for each place where a process was killed, and one where it lived on."""
    program = [sys.executable, "-m", "tests.commands.killed_together", str(folder), *how]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    return sorted(folder.iterdir(), key=lambda one: int(one.name))


def lines(file):
    return file.read_text().splitlines() if file.exists() else []


def requested_alone(block):
    """A value that one machine is to have appeared, and what the other is to do did not."""
    told = [c for c in block.changes if c.kind == "command.requested"]
    undoing = any(c.kind == "transaction.compensating" for c in block.changes)
    return bool(told) and not undoing and {c.subject for c in told} != {"pump-1", "pump-2"}


def gone_on(folder, *, fails):
    """Begin again with the same devices, and let the transaction come to its end."""
    world = World(folder, clock=WallClock())
    world.device.at_once = device(world, folder, fails=fails)
    world.turn(6)
    found = world.commander.transactions.list().items
    orders = world.commander.transactions.orders(found)
    wanted = world.wanted("pump-2")[0]
    alone = [block.first for block in world.journal.blocks() if requested_alone(block)]
    world.close()
    assert alone == [], "what is requested of one machine appeared without the other"
    return found, orders, wanted


@pytest.mark.slow
@pytest.mark.parametrize("each", [3, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("fails", [False, True])
def test_at_every_step_all_are_told_or_put_back_and_the_outcome_is_the_truth(tmp_path, fails, each):
    """Of the places where it was killed, `each` third or every one."""
    outcomes = Counter()
    for folder in killed_everywhere(tmp_path, *["fails"] * fails)[::each]:
        where = f"killed at {folder.name}"
        found, orders, wanted = gone_on(folder, fails=fails)
        assert [one.id for one in found][: len(lines(folder / "told.txt")[:1])] == lines(folder / "told.txt")[:1]
        done = [line.split(" ", 1) for line in lines(folder / "device.txt")]
        assert all(count == 1 for count in Counter(order for order, _ in done).values()), f"{where}: {done}"
        did = [what for _, what in done]
        for one in found:
            outcomes[one.state] += 1
            assert one.settled, f"{where}: {one.state}"
            if one.state is T.COMMITTED:
                assert did == ["pump-1.start=None", "pump-2.speed=20.0"], where
                assert wanted == 20
            elif one.state is T.COMPENSATED:
                assert did[-1] == "pump-1.stop=None", f"{where}: it was not put back: {did}"
                assert wanted == 1, where
            elif one.state is T.REFUSED:
                assert did == [], f"{where}: refused, and something was done: {did}"
            else:
                assert one.state is T.UNKNOWN, f"{where}: {one.state}"
                assert any(order.state is S.UNKNOWN for order in orders.values()), where
    assert outcomes[T.COMPENSATED], f"no kill fell between telling and knowing: the test proves nothing: {outcomes}"
    assert bool(outcomes[T.COMMITTED]) is not fails, outcomes

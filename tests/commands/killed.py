"""Processes that give one order each, and kill themselves at the first, second, third … place where they could.

python -m tests.commands.killed FOLDER [deduplicates]: a folder for each place, FOLDER/1, FOLDER/2 … until one survives
The device is a file: what it carried out is appended and fsynced before it answers. What the caller was told is in
`told.txt`.
"""

import os
import signal
import sys
from pathlib import Path

from gemel.clock import WallClock
from gemel.commands import Outcome, Result
from tests.commands.world import World, append_durably

MOST = 30


def give_an_order(folder: Path, place: int, *, deduplicates: bool) -> None:
    passed = 0

    def here() -> None:
        nonlocal passed
        passed += 1
        if passed == place:
            os.kill(os.getpid(), signal.SIGKILL)

    world = World(folder, clock=WallClock(), deduplicates=deduplicates)
    transact = world.intake.transact

    def watched(work, **more):
        here()  # before it is on stable storage
        future = transact(work, **more)
        future.result()
        here()  # after
        return future

    def carried_out(errand, tell):
        here()
        append_durably(folder / "device.txt", errand.order)
        here()
        tell(errand.order, Outcome(result=Result.DONE, output={"cycle": 1}))
        here()

    world.intake.transact = watched
    world.device.at_once = carried_out
    order = world.command("start", {"ramp": 1}, key="the one")
    append_durably(folder / "told.txt", order.id)
    here()
    world.turn(4)
    world.intake.transact = transact
    world.close()
    append_durably(folder / "told.txt", "survived")


def main(folder: Path, *, deduplicates: bool) -> None:
    for place in range(1, MOST):
        own = folder / str(place)
        own.mkdir()
        child = os.fork()  # before there is any thread: every process begins with the modules loaded
        if child == 0:
            give_an_order(own, place, deduplicates=deduplicates)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
    sys.exit("it never came to its end: there are more places than this kills at")


if __name__ == "__main__":
    main(Path(sys.argv[1]), deduplicates=sys.argv[2:] == ["deduplicates"])

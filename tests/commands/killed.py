"""A process that gives one order and kills itself at the nth place where it could.

python -m tests.commands.killed FOLDER N [deduplicates]

The device is a file: what it carried out is appended and fsynced before it answers. Prints the order's id, then
`survived` when there was no nth place.
"""

import os
import signal
import sys
from pathlib import Path

from gemel.clock import WallClock
from gemel.commands import Outcome, Result
from tests.commands.world import World, append_durably


def main(folder: Path, place: int, deduplicates: bool) -> None:
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
    sys.stdout.write(f"{order.id}\n")
    sys.stdout.flush()
    here()
    world.turn(4)
    world.intake.transact = transact
    world.close()
    sys.stdout.write("survived\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["deduplicates"])

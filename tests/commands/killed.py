"""Processes that give one order each, and kill themselves at the first, second, third … place where they could.

python -m tests.commands.killed FOLDER [deduplicates]: a folder for each place, FOLDER/1, FOLDER/2 … until one survives
The device is a file: what it carried out is appended and fsynced before it answers. What the caller was told is in
`told.txt`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gemel.clock import WallClock
from gemel.commands import Outcome, Result
from tests.commands.world import World, append_durably

MOST = 60


class Killing:
    """Within it every transaction of the writer has a place before it and one after it; at `place` it is all over."""

    def __init__(self, world: World, place: int) -> None:
        self._world, self._place, self._passed = world, place, 0

    def here(self) -> None:
        """A place."""
        self._passed += 1
        if self._passed == self._place:
            os.kill(os.getpid(), signal.SIGKILL)

    def __enter__(self) -> "Killing":
        self._transact = self._world.intake.transact

        def watched(work: Any, **more: Any) -> Any:
            self.here()  # before it is on stable storage
            future = self._transact(work, **more)
            future.result()
            self.here()  # after
            return future

        self._world.intake.transact = watched  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self._world.intake.transact = self._transact  # type: ignore[method-assign]


def each_in_its_own_process(folder: Path, run: Callable[[Path, int], None]) -> None:
    """Run it for place 1, 2, 3 … each in a folder and a process of its own, until one lives to its end."""
    for place in range(1, MOST):
        own = folder / str(place)
        own.mkdir()
        child = os.fork()  # before there is any thread: every process begins with the modules loaded
        if child == 0:
            run(own, place)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
    sys.exit("it never came to its end: there are more places than this kills at")


def give_an_order(folder: Path, place: int, *, deduplicates: bool) -> None:
    world = World(folder, clock=WallClock(), deduplicates=deduplicates)
    with Killing(world, place) as killing:

        def carried_out(errand, tell):
            killing.here()
            append_durably(folder / "device.txt", errand.order)
            killing.here()
            tell(errand.order, Outcome(result=Result.DONE, output={"cycle": 1}))
            killing.here()

        world.device.at_once = carried_out
        order = world.command("start", {"ramp": 1}, key="the one")
        append_durably(folder / "told.txt", order.id)
        killing.here()
        world.turn(4)
    world.close()
    append_durably(folder / "told.txt", "survived")


if __name__ == "__main__":
    how = {"deduplicates": sys.argv[2:] == ["deduplicates"]}
    each_in_its_own_process(Path(sys.argv[1]), lambda own, place: give_an_order(own, place, **how))

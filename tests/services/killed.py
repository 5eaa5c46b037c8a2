"""Processes that carry a campaign on, and kill themselves at the first, second, third … place where they could.

python -m tests.services.killed FOLDER EVERY: FOLDER/1, FOLDER/1+EVERY … for each place, until one survives. The drives
are a file: what they were told to run is appended and fsynced before they answer, and what they run is its last line.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from gemel.clock import WallClock
from gemel.commands import Errand, Outcome, Result, Tell
from gemel.services.campaigns import GroupSpec
from tests.commands.killed import Killing
from tests.commands.world import append_durably
from tests.services.fleet import Fleet, draft

COUNT = 2
MOST = 120
GROUPS = (GroupSpec(name="first", share="1"), GroupSpec(name="rest"))


def drives(fleet: Fleet, folder: Path, here: Callable[[], None] = lambda: None) -> Callable[[Errand, Tell], None]:
    """They do as they are told."""

    def act(errand: Errand, tell: Tell) -> None:
        number, version = int(errand.twin.removeprefix("drive-")), str((errand.input or {})["version"])
        here()
        append_durably(folder / "drives.txt", f"{errand.order} {number} {version}")
        here()
        fleet.tells(number, version)
        here()
        tell(errand.order, Outcome(result=Result.DONE))

    return act


def campaign(own: Path, place: int) -> None:
    fleet = Fleet(own, COUNT, clock=WallClock())
    with Killing(fleet, place) as killing:
        fleet.device.at_once = drives(fleet, own, killing.here)
        one = fleet.begun(draft(groups=GROUPS, deadline_s=600.0, key="the one"))
        append_durably(own / "told.txt", one.id)
        killing.here()
        fleet.turn(6)
    fleet.close()
    append_durably(own / "told.txt", "survived")


def main(folder: Path, every: int) -> None:
    made = os.fork()  # before there is any thread
    if made == 0:
        (folder / "made").mkdir()
        Fleet(folder / "made", COUNT, clock=WallClock()).close()
        os._exit(0)
    assert os.waitpid(made, 0)[1] == 0
    for place in range(1, MOST, every):
        own = folder / str(place)
        shutil.copytree(folder / "made", own)
        child = os.fork()
        if child == 0:
            campaign(own, place)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            shutil.rmtree(folder / "made")
            sys.exit(os.waitstatus_to_exitcode(status))
    sys.exit("it never came to its end: there are more places than this kills at")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

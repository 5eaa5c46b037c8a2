"""Processes that ask for two things at once, and kill themselves at the first, second, third … place.

python -m tests.commands.killed_together FOLDER [fails]: FOLDER/1, FOLDER/2 … for each place, until one survives
The devices are a file: what they carried out is appended and fsynced before they answer. `fails`: the second refuses.
"""

import sys
from pathlib import Path

from gemel.clock import WallClock
from gemel.commands import Outcome, Result
from tests.commands.killed import Killing, each_in_its_own_process
from tests.commands.world import World, append_durably

MEMBERS = ({"twin": "pump-1", "command": "start", "input": {"ramp": 1}}, {"twin": "pump-2", "speed": 20})


def device(world: World, folder: Path, *, fails: bool, here=lambda: None):
    """What the devices do with an errand; pump-2 refuses 20, and takes anything else."""

    def act(errand, tell):
        here()
        if fails and errand.value == 20:
            tell(errand.order, Outcome(result=Result.REFUSED, detail="too fast"))
            here()
            return
        append_durably(folder / "device.txt", f"{errand.order} {errand.twin}.{errand.name}={errand.value}")
        here()
        if errand.input is None:
            world.report(errand.name, errand.value, twin=errand.twin)
        tell(errand.order, Outcome(result=Result.DONE if errand.input is not None else Result.ACKNOWLEDGED))
        here()

    return act


def ask_for_two(folder: Path, place: int, *, fails: bool) -> None:
    world = World(folder, clock=WallClock())
    world.report("speed", 1, twin="pump-2")
    with Killing(world, place) as killing:
        world.device.at_once = device(world, folder, fails=fails, here=killing.here)
        made = world.together(*MEMBERS, key="the one", deadline_s=600)
        append_durably(folder / "told.txt", made.id)
        killing.here()
        world.turn(6)
    world.close()
    append_durably(folder / "told.txt", "survived")


if __name__ == "__main__":
    how = {"fails": sys.argv[2:] == ["fails"]}
    each_in_its_own_process(Path(sys.argv[1]), lambda own, place: ask_for_two(own, place, **how))

"""kill -9 at the steps of a campaign: no machine is told twice, and what became of each is what it reports."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gemel.clock import WallClock
from gemel.services.campaigns import TargetState
from tests.services.fleet import Fleet
from tests.services.killed import COUNT, drives

T = TargetState
ROOT = Path(__file__).parents[2]


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def gone_on(folder: Path) -> str:
    """Begin again with the same drives; what the campaign comes to, once it holds what it promised."""
    fleet = Fleet(folder, COUNT, clock=WallClock())
    fleet.device.at_once = drives(fleet, folder)
    runs = dict.fromkeys(range(COUNT), "1.0.0") | {
        int(number): version for _, number, version in (line.split() for line in lines(folder / "drives.txt"))
    }
    for number, version in runs.items():  # they report again, as devices do when a line is there again
        fleet.tells(number, version)
    fleet.turn(6)
    found = fleet.campaigns.all().items
    told = lines(folder / "told.txt")
    assert [one.campaign.id for one in found][: len(told[:1])] == told[:1], "what was told to be begun, is"
    orders = Counter(line.split()[0] for line in lines(folder / "drives.txt"))
    updates = Counter(line.split()[1] for line in lines(folder / "drives.txt"))
    assert set(orders.values()) <= {1}, f"{folder.name}: an order was sent twice"
    assert set(updates.values()) <= {1}, f"{folder.name}: a machine was told twice"
    state = ""
    for one in found:
        state = one.campaign.state
        if state == "draft":
            continue
        ran = {int(line.split()[1]) for line in lines(folder / "drives.txt")}
        for number, target in fleet.targets(one.campaign.id).items():
            if target.state is T.SUCCEEDED:
                assert number in ran
            elif number in ran:
                assert target.state in (T.UPDATING, T.UNKNOWN), f"{folder.name}: {target}"
    fleet.close()
    return state


def killed_everywhere(folder: Path, every: int) -> Counter[str]:
    program = [sys.executable, "-m", "tests.services.killed", str(folder), str(every)]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert ran.returncode == 0, ran.stderr
    found = sorted(folder.iterdir(), key=lambda one: int(one.name))
    assert lines(found[-1] / "told.txt")[-1] == "survived"
    return Counter(gone_on(one) for one in found)


@pytest.mark.slow
def test_a_campaign_that_is_killed_goes_on_and_tells_nobody_twice(tmp_path):
    became = killed_everywhere(tmp_path, 9)
    assert became["finished"] >= 2, became


@pytest.mark.soak
def test_at_every_step_a_campaign_that_is_killed_goes_on_and_tells_nobody_twice(tmp_path):
    became = killed_everywhere(tmp_path, 1)
    assert became["finished"] >= 20, became

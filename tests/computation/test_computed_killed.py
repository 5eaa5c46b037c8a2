"""A platform is killed while it computes: afterwards nothing is missing, and nothing is reported twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import gemel
from tests.computation.computing import TWINS
from tests.computation.plants import PLANT, cell, settled

ROOT = Path(__file__).parent.parent.parent


def run_and_kill(folder, start, lines):
    command = [sys.executable, "-m", "tests.computation.computing", str(folder), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        for _ in range(lines):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)


def expected(values):
    """What must be computed of a mill's inputs."""
    feed, speed = values["feed"].value, values["speed"].value
    return {"per_turn": feed / speed, "twice": 2 * (feed / speed)}


@pytest.mark.slow
def test_after_kills_everything_is_computed_of_what_was_taken_in(tmp_path):
    with gemel.open(tmp_path) as plant:
        plant.apply(PLANT + cell("line-1", TWINS).removeprefix("gemel: 1\n"))
    for turn in range(2):
        run_and_kill(tmp_path, turn * 10_000, 40 + 17 * turn)
    with gemel.open(tmp_path) as plant:
        settled(plant)
        power = 0.0
        for number in range(TWINS):
            twin = f"line-1-mill-{number}"
            values, spindle = plant.now(twin), plant.now(f"{twin}-spindle")
            for name, value in expected(values).items():
                assert values[name].value == value, (twin, name)
                assert values[name].time >= max(values["feed"].time, values["speed"].time)
            assert values["power"].value == spindle["power"].value * 1000
            power += spindle["power"].value
        assert plant.now("line-1")["power"].value == pytest.approx(power)
        assert plant.now("line-1")["deep"].value == pytest.approx(power)
        for number in range(TWINS):  # no value stands twice in the history
            twin = f"line-1-mill-{number}"
            told = plant.range(twin, "per_turn", 0, plant.clock.now(), method="raw").columns
            pairs = list(zip(told["time"].tolist(), told["value"].tolist(), strict=True))
            assert len(pairs) == len(set(pairs))
        position = plant.position
    with gemel.open(tmp_path) as plant:
        settled(plant)
        assert plant.computation.standing().computed == 0
        assert plant.position == position

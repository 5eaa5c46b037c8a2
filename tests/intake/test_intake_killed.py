"""A process is killed while it takes in: nothing that was acknowledged is lost, nothing is there twice."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from gemel.clock import WallClock
from tests.intake.plant import World

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def nursery():
    command = [sys.executable, "-m", "tests.intake.ingesting"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        yield process
        process.stdin.close()


def killed_round(nursery, path, start, base, lines):
    """Run until `lines` acknowledgements were read, kill; the acknowledged numbers by stream."""
    nursery.stdin.write(f"{path} {start} {base}\n")
    nursery.stdin.flush()
    child = int(nursery.stdout.readline())
    acknowledged = defaultdict(set)
    for _ in range(lines):
        stream, number = nursery.stdout.readline().split()
        acknowledged[stream].add(int(number))
    os.kill(child, signal.SIGKILL)
    rest = []
    while (line := nursery.stdout.readline()) != "gone\n":
        rest.append(line)
    for line in rest[:-1]:  # said before it died; the last line may be cut
        stream, number = line.split()
        acknowledged[stream].add(int(number))
    return acknowledged


def present(path):
    """How often each number is in the journal, by stream."""
    world = World(path, clock=WallClock())
    try:
        assert world.journal.verify().ok
        found = defaultdict(Counter)
        stream = {"press-1": "ids", "press-2": "numbers", "press-3": "plain"}
        for twin, name, _, value, _ in world.readings():
            if name == "count":
                found[stream[twin]][value] += 1
        assert Counter(change.time for change in world.changes("event.happened")).most_common(1)[0][1] == 1
        return found
    finally:
        world.close()


def run(nursery, tmp_path, rounds, seed):
    path, chance = tmp_path / "gemel.sqlite", random.Random(seed)
    base = WallClock().now()
    acknowledged, start = defaultdict(set), 0
    for _ in range(rounds):
        for stream, numbers in killed_round(nursery, path, start, base, chance.randrange(1, 400)).items():
            acknowledged[stream] |= numbers
        # begin again with the first one whose receipt is not here, as a source does that keeps what it sent
        start = min(max(numbers, default=-1) + 1 for numbers in (acknowledged[s] for s in ("ids", "numbers", "plain")))
    found = present(path)
    for stream in ("ids", "numbers", "plain"):
        lost = acknowledged[stream] - set(found[stream])
        doubled = [number for number, times in found[stream].items() if times > 1]
        assert (lost, doubled) == (set(), []), stream
        assert len(acknowledged[stream]) > rounds


def test_twenty_kills_lose_nothing_and_double_nothing(nursery, tmp_path):
    run(nursery, tmp_path, 20, seed=20)


@pytest.mark.soak
@pytest.mark.slow
def test_two_hundred_kills_lose_nothing_and_double_nothing(nursery, tmp_path):
    run(nursery, tmp_path, 200, seed=200)

"""kill -9 at any moment: what the journal holds is in history exactly once afterwards."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.history.conftest import PROPERTIES
from tests.history.world import Cast, World

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from gemel.history import Pace, Settings, Upkeep
from tests.history.conftest import PROPERTIES
from tests.history.world import SECOND, T0, World, Cast
settings = Settings(pace=Pace(commit_s=0.0, commit_rows=1), upkeep=Upkeep(merge_files=3, keyframe_rows=1, keep_s=0.0))
world = World(Path(sys.argv[1]), Cast(PROPERTIES, ["mill-1"]), settings=settings)
print("ready", flush=True)
n = world.journal.head().position
while True:
    n = world.put([("mill-1", "parts", T0 + (n * 7919 % 200_000) * SECOND, n + 1)])
    print(n, flush=True)
"""


def killed(folder: Path, after: int) -> int:
    """Run the writer, kill it after so many acknowledged blocks; the last one acknowledged."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    run = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        acknowledged = 0
        for count, line in enumerate(process.stdout):
            acknowledged = int(line) if line != "ready\n" else acknowledged
            if count == after:
                process.send_signal(signal.SIGKILL)
    return acknowledged


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.soak)])
def test_no_reading_is_lost_or_doubled(tmp_path: Path, rounds: int) -> None:
    dice = random.Random(5)
    for _ in range(rounds):
        acknowledged = killed(tmp_path, dice.randint(5, 60))
        world = World(tmp_path, Cast(PROPERTIES, ["mill-1"]))
        try:
            head = world.journal.head().position
            assert head >= acknowledged
            assert world.history.position <= head
            assert world.history.flush() == head
            values = world.history.range("mill-1", "parts", 0, 2**60, method="raw").columns["value"].to_pylist()
            assert sorted(values) == list(range(1, head + 1))
            lying = {str(p) for p in (tmp_path / "history" / "data").rglob("*.parquet")}
            assert {str(tmp_path / "history" / f.path) for f in world.history.files()} <= lying
        finally:
            world.close()


def test_a_full_disk_is_told_and_got_over(tmp_path: Path) -> None:
    """A limit on file size makes real writes fail, as a full disk does; then it is lifted."""
    script = """
import resource, signal, sys, threading
from pathlib import Path
from gemel.history import Pace, Settings, Stage
from tests.history.conftest import PROPERTIES
from tests.history.world import SECOND, T0, World, Cast
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
settings = Settings(pace=Pace(commit_s=3600, retry_s=0.05, retry_most_s=0.1))
world = World(Path(sys.argv[1]), Cast(PROPERTIES, ["mill-1"]), settings=settings)
rows = [("mill-1", "temperature", T0 + i * SECOND, i * 0.7) for i in range(40_000)]
world.put(rows)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
while world.history.status().stage is not Stage.FAILED:
    assert world.history.flush(0.1) == 0
assert world.history.status().waiting == 40_000
assert world.history.value(("mill-1", "temperature"), T0 + SECOND).value == 0.7
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert world.history.flush() == 40_000
assert sum(f.rows for f in world.history.files()) == 40_000
assert world.history.status().stage is Stage.RUNNING
world.close()
"""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]


def test_files_of_an_unfinished_commit_are_removed_at_the_next_opening(tmp_path: Path) -> None:
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1"]))
    try:
        world.put([("mill-1", "parts", 0, 1)])
        world.history.flush()
        stored = tmp_path / "history" / world.history.files()[0].path
        world.history.close()
        stray = stored.with_name("ducklake-unfinished.parquet")
        shutil.copy(stored, stray)
        (tmp_path / "history" / "open").touch()  # as a crash leaves it
        world.history = world._open()
        assert stored.exists()
        assert not stray.exists()
        assert sum(f.rows for f in world.history.files()) == 1
    finally:
        world.close()

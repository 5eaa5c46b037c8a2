"""G10: what an edge node took in comes upstream once and in order, though the wire is cut in the middle of requests and
of answers, and though either side is killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import msgspec
import pytest

from gemel.platform import Platform
from tests.disorder.house import Caller
from tests.edge.conftest import PLANT, counted, edge_folder, level
from tests.edge.wire import Wire, wire
from tests.guarantees.ledger import Ledger, seed, tell

ROOT = Path(__file__).parents[2]
GONE = (OSError, HTTPException)


class Side:
    """One of the two, in a process that can be killed and begun again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tests.disorder.serving"]
        log = (folder.parent / f"{folder.name}.log").open("w")
        self._nursery = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        self._child, self.url, self.kills = 0, "", 0

    def start(self) -> None:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(f"{self.folder}\n")
        self._nursery.stdin.flush()
        self._child, self.url = int(self._line()), self._line()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)
        assert self._line() == "gone"
        self.kills += 1

    def _line(self) -> str:
        assert self._nursery.stdout is not None
        return self._nursery.stdout.readline().strip()

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        self._nursery.communicate()


@contextmanager
def sides(folder: Path) -> Iterator[tuple[Side, Side, Wire]]:
    """The edge, what is upstream of it, and the wire in between."""
    with Platform.open(folder / "upstream") as platform:
        token = platform.gate.tokens.add("hall 3", "engineer")[1]
    upstream = Side(folder / "upstream")
    upstream.start()
    with wire(upstream.port) as line:
        with Platform.open(folder / "edge") as platform:
            platform.apply(PLANT)
        edge = Side(edge_folder(folder / "edge", line.url, token))
        edge.start()
        try:
            yield edge, upstream, line
        finally:
            edge.close()
            upstream.close()


def send(edge: Side, books: Ledger, numbers: list[int]) -> None:
    """Hand counts to the edge, each as a message with an id; who hears no answer sends them again after the restart."""
    messages = [{"id": f"m-{n}", "readings": [{"twin": "press-1", "property": "count", "value": n}]} for n in numbers]
    books.sent |= set(numbers)
    caller = Caller(edge.url)
    try:
        status, _ = caller.ask("POST", "/ingest", msgspec.json.encode({"messages": messages, "source": "plc"}))
        assert status == 200
        books.acknowledged |= set(numbers)
    finally:
        caller.close()


def troubled(folder: Path, number: int, rounds: int) -> tuple[int, int, int]:
    """(counts that came upstream, kills, cuts) of one run."""
    folder.mkdir()
    chance, books, where = random.Random(number), Ledger(), f"GEMEL_SEED={number}"
    done, cuts = 0, 0
    with sides(folder) as (edge, upstream, line):
        for _ in range(rounds):
            trouble = chance.choice(["edge", "upstream", "wire", "both"])
            if trouble == "wire":
                line.cut_after(chance.randrange(1, 20_000))
            for _ in range(chance.randrange(1, 6)):
                numbers = list(range(done, done + chance.randrange(1, 60)))
                done = numbers[-1] + 1
                send(edge, books, numbers)
            if trouble in ("edge", "both"):
                edge.kill()
            if trouble in ("upstream", "both"):
                upstream.kill()
                upstream.start()
                line.target(upstream.port)
            if trouble in ("edge", "both"):
                edge.start()
        cuts, kills = line.cuts, edge.kills + upstream.kills
        edge.close()
        with Platform.open(folder / "edge") as platform:
            level(platform, platform.journal.head().position)
            here = counted(platform)
        upstream.close()
    with Platform.open(folder / "upstream") as platform:
        there = counted(platform)
        assert platform.intake.missed() == [], where
    verdict = books.check(there, where)
    assert there == here == list(range(done)), where
    return verdict.ok, kills, cuts


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_kills_and_cuts_on_the_way_upstream_lose_and_double_nothing(tmp_path: Path, runs: int) -> None:
    rounds = 2 if runs == 1 else 12
    found = [troubled(tmp_path / str(number), number, rounds) for number in range(seed(), seed() + runs)]
    ok, kills, cuts = (sum(one) for one in zip(*found, strict=True))
    assert ok
    assert kills
    tell("G10", "readings of an edge node", ok=ok, kills=kills, cuts=cuts)

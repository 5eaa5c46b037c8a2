"""G1: what was acknowledged is on stable storage. The power is cut at every step of what was written.

Each operation on files is recorded below the product, with each acknowledgement in its place. Then, for each step, the
disk is laid out as a power cut could leave it: only what was synced, everything, or each unsynced part by the throw of
a coin, torn into sectors. The product opens it; every number that was ever sent is ok, lost or unknown (sent, and not
acknowledged: it may be there or not). GEMEL_SEED repeats a run.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarantees.faults.disk import Disk, Tree, digest, lay_out, records
from tests.guarantees.faults.preload import run
from tests.guarantees.faults.results import seed, tell
from tests.guarantees.faults.work import WORK

KEPT = (0.0, 0.0, 0.5, 0.9, 1.0)
"""How much of what was not synced is there all the same."""


class Cut:
    """One power cut: the disk it leaves, and what had been sent and acknowledged."""

    def __init__(self, step: int, how: str, tree: Tree, sent: frozenset[int], acknowledged: frozenset[int]) -> None:
        self.step, self.how, self.tree, self.sent, self.acknowledged = step, how, tree, sent, acknowledged

    def check(self, name: str, folder: Path) -> tuple[int, int]:
        """How many numbers are ok, and unknown; nothing may be lost or doubled."""
        lay_out(self.tree, folder)
        there = WORK[name].found(folder)
        doubled = {number for number, count in there.items() if count > 1}
        assert not doubled, f"doubled: {doubled}"
        assert set(there) <= self.sent, f"never sent: {set(there) - self.sent}"
        lost = self.acknowledged - set(there)
        assert not lost, f"lost: {sorted(lost)}"
        return len(self.acknowledged), len(self.sent - self.acknowledged)


def cuts(log: Path, disk: Disk, chance: random.Random, sample: int | None) -> Iterator[Cut]:
    """Two cuts after every step, each disk once: only what was synced, and some of the rest (another seed leaves other
    parts of it); or about `sample` cuts, and always the last step.

    An acknowledgement is a step too: more must be there than before it.
    """
    steps = list(records(log))
    first = next(step for step, record in enumerate(steps) if record.note.startswith("ok"))
    spread = [*range(0, first, 5), *range(first, len(steps))]  # what comes before anything is acknowledged tells little
    chosen = set(spread if sample is None else chance.sample(spread, min(sample, len(spread)))) | {len(steps) - 1}
    sent: set[int] = set()
    done: set[int] = set()
    known: set[tuple[bytes, int]] = set()
    for step, record in enumerate(steps):
        word, _, number = record.note.partition(" ")
        if word in ("sent", "ok"):
            (sent if word == "sent" else done).add(int(number))
        disk.apply(record)
        if step in chosen:
            hows = [0.0, chance.choice(KEPT[2:])] if sample is None else [chance.choice(KEPT)]
            for keep in hows:
                tree = disk.crash(chance, keep)
                key = digest(tree), len(done)
                if key not in known:
                    known.add(key)
                    yield Cut(step, f"{keep:.0%} of what was not synced", tree, frozenset(sent), frozenset(done))


def recorded(name: str, tmp_path: Path, number: int) -> tuple[Disk, Path]:
    """(the disk as it was before, the log of what was done to it)."""
    folder, log = tmp_path / "disk", tmp_path / "log"
    folder.mkdir()
    disk = Disk(folder)
    run("tests.guarantees.faults.work", name, folder, number, disk=folder, log=log)
    return disk, log


def check(name: str, tmp_path: Path, *, sample: int | None) -> None:
    number = seed()
    chance = random.Random(number)
    disk, log = recorded(name, tmp_path, number)
    points = ok = unknown = 0
    place = tmp_path / "laid-out"
    for cut in cuts(log, disk, chance, sample):
        try:
            good, open_ = cut.check(name, place)
        except BaseException as error:
            shutil.rmtree(place)
            lay_out(cut.tree, place)
            error.add_note(f"GEMEL_SEED={number}: {name}, cut after step {cut.step}, {cut.how}; it lies in {place}")
            raise
        points, ok, unknown = points + 1, ok + good, unknown + open_
        shutil.rmtree(place)
    assert ok > points, "the cuts came before anything was acknowledged"
    tell("G1", name, ok=ok, unknown=unknown, doubled=0, cuts=points)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sample"), [("journal", 40), ("history", 12), ("platform", 8)])
def test_a_power_cut_at_any_step_loses_nothing_that_was_acknowledged(name: str, sample: int, tmp_path: Path) -> None:
    check(name, tmp_path, sample=sample)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "sample"), [("journal", None), ("history", 600), ("platform", 400)])
def test_a_power_cut_at_every_step_loses_nothing_that_was_acknowledged(
    name: str, sample: int | None, tmp_path: Path
) -> None:
    """Of the journal really every step; history and platform have thousands, of which each seed draws others."""
    check(name, tmp_path, sample=sample)

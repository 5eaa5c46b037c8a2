"""What waits for a historian that does not get on: bounded memory, answers up to a position, and nothing lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import SECOND
from gemel.history import EventQuery, Pace, Settings
from gemel.history.tail import Tail
from gemel.twin import Block, Change, Form
from tests.history.conftest import PROPERTIES
from tests.history.world import T0, Cast, World, frame_of

TEXT = "x" * 50_000
MOST, PORTION = 2_000_000, 500_000
ROWS = 10
"""Of a block: half a megabyte of texts."""


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[World]:
    """A plant whose history may keep four blocks waiting in memory."""
    pace = Pace(commit_s=3600, commit_bytes=PORTION, tail_bytes=MOST, retry_s=0.01, retry_most_s=0.01)
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1"]), settings=Settings(pace=pace))
    yield world
    world.close()


@contextmanager
def held_still(world: World) -> Iterator[None]:
    """The historian stands still, as in a merge that takes minutes."""
    stands, go = threading.Event(), threading.Event()
    done: Future[bool] = world.history._historian.between_commits(lambda _: stands.set() or go.wait())
    assert stands.wait(60)
    try:
        yield
    finally:
        go.set()
        assert done.result(60)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds it: within one process, locks of two copies of SQLite do not keep each other out."""
    code = (
        "import sqlite3, sys; held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60); "
        "held.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    with Popen([sys.executable, "-c", code, str(database)], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate()


def texts(world: World, number: int) -> int:
    return world.put([("mill-1", "execution", T0 + (number + i) * SECOND, f"{number + i} {TEXT}") for i in range(ROWS)])


def answered(world: World) -> list[int]:
    """The numbers of the texts that the history answers, in its order."""
    found = world.history.readings("mill-1", "execution", 0, 2**60).value.to_pylist()
    return [int(value.split()[0]) for value in found]


def kept(world: World) -> int:
    """Bytes of the texts that wait in memory."""
    with world.history.view() as view:
        return sum(part.rows[Form.TEXT].value.nbytes for part in view.tail if part.rows)


def test_what_waits_while_the_historian_stands_still_takes_bounded_memory(tight: World) -> None:
    with held_still(tight):
        for number in range(40):
            texts(tight, number * ROWS)
        assert tight.history.wait(4 * ROWS)
        status = tight.history.status()
        assert status.full
        assert (status.followed, status.stored, status.waiting) == (4 * ROWS, 0, 40 * ROWS)
        assert kept(tight) < MOST * 1.3
    assert tight.history.flush() == 40 * ROWS
    assert not tight.history.status().full


def test_answers_end_at_a_position_and_are_whole_when_the_historian_got_on(tight: World) -> None:
    with held_still(tight):
        for number in range(12):
            texts(tight, number * ROWS)
        assert tight.history.wait(4 * ROWS)
        found = tight.history.range("mill-1", "execution", 0, 2**60, method="raw")
        assert (found.position, len(found.columns["value"])) == (4 * ROWS, 4 * ROWS)
    assert tight.history.wait(12 * ROWS), "it goes on by itself: no clock moved, and nobody asked"
    assert answered(tight) == list(range(12 * ROWS))


def test_what_waited_is_written_in_portions(tight: World) -> None:
    with held_still(tight):
        for number in range(12):
            texts(tight, number * ROWS)
    assert tight.history.flush() == 12 * ROWS
    assert tight.history.status().commits == 12, "two blocks are more than a portion"


def test_large_details_of_changes_count(tight: World) -> None:
    with held_still(tight):
        for number in range(60):
            body = {"note": f"{number} {TEXT}"}
            tight.put(changes=[Change(kind="event.happened", subject="mill-1", time=T0 + number, body=body)])
        full_at = MOST // (3 * len(TEXT)) + 1
        assert tight.history.wait(full_at)
        assert tight.history.status().full
        assert tight.history.status().followed == full_at
    tight.history.flush()
    page = tight.history.events(EventQuery(kinds=("event.happened",), newest_first=False, limit=100))
    assert [fact.position for fact in page.items] == list(range(1, 61))


def test_a_locked_catalogue_is_told_with_how_long_the_oldest_waits(tight: World) -> None:
    with locked(tight.folder / "history" / "catalogue.sqlite"):
        for number in range(12):
            texts(tight, number * ROWS)
        assert tight.history.wait(4 * ROWS)
        tight.clock.step(500)
        status = tight.history.status()
        assert (status.full, status.followed, status.stored, status.lag_s) == (True, 4 * ROWS, 0, 500)
    assert tight.history.flush() == 12 * ROWS
    assert answered(tight) == list(range(12 * ROWS))
    assert tight.history.status().lag_s == 0


steps = st.lists(st.one_of(st.integers(1, 40), st.sampled_from(["freeze", "drop"])), max_size=80)


@given(steps)
def test_the_tail_holds_every_block_once_in_portions(steps: list[int | str]) -> None:
    portion, tail, last, dropped = 1000, Tail(0, 1000), 0, 0
    frozen: tuple[object, ...] = ()
    for moment, step in enumerate(steps):
        if step == "freeze":
            frozen = tail.freeze()
            assert len(frozen) <= 1 or sum(part.size for part in frozen) <= portion
            assert frozen == tail.parts[: len(frozen)]
            assert bool(frozen) == bool(tail.count)
        elif step == "drop":
            dropped = frozen[-1].last if frozen else dropped
            tail.drop_frozen()
            frozen = ()
        else:
            rows = [(7, last + i, float(last + i), 0, i) for i in range(step)]
            block = Block(moment + 1, last + 1, 0, {Form.NUMBER: frame_of(Form.NUMBER, rows)})
            tail.append(block, float(moment))
            last = block.last
            assert frozen == tail.parts[: len(frozen)], "what is frozen stays as it is"
        parts = tail.parts
        assert [p for part in parts for p in part.rows[Form.NUMBER].position] == list(range(dropped + 1, last + 1))
        assert (tail.count, tail.size) == (last - dropped, 41 * (last - dropped))
        assert [part.size for part in parts] == [41 * part.count for part in parts]
        assert tail.oldest == (min(part.since for part in parts) if parts else None)
        assert len(parts) - len(frozen) <= 7 + 6 * tail.size / portion

"""What is erased leaves its hash and nothing else; what expires goes in the writer's own transactions."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from gemel.database import Database
from gemel.errors import NotFound
from gemel.journal import SqlJournal
from gemel.journal.tables import block_table
from gemel.twin import Change, Form
from tests.history.conftest import PROPERTIES
from tests.history.world import T0, Cast, World


@pytest.fixture
def world(tmp_path: Path):
    world = World(tmp_path, Cast(PROPERTIES, ["mill-1", "mill-2"]))
    yield world
    world.close()


def fill(world: World, blocks: int = 4) -> None:
    for step in range(blocks):
        world.put(
            [(twin, "temperature", T0 + step, 20.0 + step) for twin in ("mill-1", "mill-2")]
            + [("mill-1", "execution", T0 + step, f"SECRET-{step}"), ("mill-2", "execution", T0 + step, "ACTIVE")],
            [
                Change(kind="event.happened", subject=twin, time=T0, body={"note": f"{twin} SECRET"})
                for twin in ("mill-1", "mill-2")
            ],
        )


def number(world: World, twin: str) -> int:
    entry = world.directory.twin(twin)
    assert entry is not None
    return entry.number


def bodies(database: Database) -> bytes:
    with database.read() as connection:
        return b"".join(connection.execute(sa.select(block_table.c.body)).scalars())


@pytest.mark.parametrize("expired", [False, True])
def test_an_erased_twin_leaves_hashes_and_the_chain_holds(world: World, expired: bool) -> None:
    fill(world)
    if expired:
        world.journal.expire(world.journal.head().position // 2 + 1)
    head = world.journal.head()
    gone = world.journal.erase(number(world, "mill-1"), "mill-1")
    assert gone == (4 * 3 - 2 * 2 if expired else 4 * 3)
    again = SqlJournal(world.database)
    try:
        assert again.head().hash == head.hash
        found = again.verify()
        assert (found.ok, found.position) == (True, head.position)
        for block in again.blocks():
            assert all(series >> 20 != number(world, "mill-1") for f in block.frames.values() for series in f.series)
            assert [change.subject for change in block.changes] == ["mill-2"]
    finally:
        again.close()
    with world.database.read() as connection:
        assert set(connection.execute(sa.select(block_table.c.salts)).scalars()) == {bytes(32)}
    assert world.journal.erase(number(world, "mill-1"), "mill-1") == 0


def test_what_was_not_erased_is_still_proven(world: World) -> None:
    fill(world, 1)
    head = world.journal.head()
    world.journal.erase(number(world, "mill-1"), "mill-1")
    assert world.journal.prove(2).holds(head.hash)
    assert world.journal.prove(6).holds(head.hash)
    with pytest.raises(NotFound, match="erased"):
        world.journal.prove(5)


def test_a_block_that_was_erased_from_expires_later_and_is_verified(world: World) -> None:
    fill(world, 2)
    world.journal.erase(number(world, "mill-1"), "mill-1")
    assert world.journal.expire(world.journal.head().position + 1) == 2
    assert world.journal.verify().ok
    assert [change.subject for block in world.journal.blocks() for change in block.changes] == ["mill-2"] * 2


def test_a_changed_value_in_an_erased_block_is_still_found(world: World) -> None:
    fill(world, 1)
    world.journal.erase(number(world, "mill-1"), "mill-1")
    from hashlib import sha256

    from gemel.journal.codec import Envelope, _pack, _unpack

    with world.database.write() as tx:
        body = tx.execute(sa.select(block_table.c.body)).scalar_one()
        told = _unpack.decode(body)
        forged = _pack.encode(
            Envelope(told.v, told.frames, [told.changes[0].replace(b"SECRET", b"FORGED")], told.salts, told.erased)
        )
        tx.execute(sa.update(block_table).values(body=forged, checksum=sha256(forged).digest()))
    assert not world.journal.verify().ok


def test_expiry_keeps_the_window_and_runs_where_it_is_told(world: World) -> None:
    fill(world, 4)
    ran: list[int] = []

    def run(work) -> None:
        with world.database.write() as connection:
            work(connection)
        ran.append(1)

    assert world.journal.expire(10**9, recorded=world.clock.now()) == 0
    world.clock.step(1)
    assert world.journal.expire(10**9, recorded=world.clock.now(), run=run, at_most=3) == 4
    assert ran == [1]
    assert not world.journal.whole_after(0)
    assert world.journal.whole_after(world.journal.head().position)
    assert [
        form for block in world.journal.blocks(after=world.journal.head().position - 1) for form in block.frames
    ] in ([], [Form.NUMBER, Form.TEXT])

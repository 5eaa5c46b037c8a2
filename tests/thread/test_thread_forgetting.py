"""What the thread holds of a twin that is erased, in a plant with very many other records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, event, insert, select

from gemel.configuration import FOREVER
from gemel.thread import NodeKind, forget_twin_records, only_about, tables

BELIEVED = {"valid_from": 0, "valid_to": FOREVER, "recorded_from": 0, "recorded_to": FOREVER, "act": 1, "place": ""}
RECORD = {"kind": "work-order", "phase": "service", "revision": "", "system": "", "url": "", "attributes": "{}"}


@pytest.fixture
def tx() -> Iterator[Connection]:
    """The tables of the thread alone."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.record.metadata.create_all(
            connection, [one for name, one in tables.record.metadata.tables.items() if name.startswith("thread_")]
        )
        yield connection
    engine.dispose()


def know(tx: Connection, links: list[tuple[str, str, str]]) -> None:
    """Records, each linked to (kind, id)."""
    made = [{"source_kind": "record", "source_id": id, "target_kind": kind, "target_id": of} for id, kind, of in links]
    both = {"kind": "concerns", "source_sub": "", "target_sub": ""} | BELIEVED
    tx.execute(insert(tables.link), [one | both for one in made])
    told = [{"id": id, "title": "words", "external": ""} | RECORD | BELIEVED for id in {id for id, _, _ in links}]
    tx.execute(insert(tables.record), told)


def steps(tx: Connection) -> int:
    """Of SQLite's machine, to find what is about one twin alone."""
    count = 0

    def one() -> int:
        nonlocal count
        count += 1
        return 0

    driver = tx.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(one, 10)
    only_about(tx, "mill-1", NodeKind.RECORD)
    driver.set_progress_handler(None, 0)
    return count


def test_only_what_is_linked_to_nothing_else_is_about_a_twin_alone(tx: Connection) -> None:
    own = [("A", "twin", "mill-1"), ("B", "twin", "mill-1"), ("B", "part", "PUMP")]
    shared = [(id, "twin", "mill-1") for id in "CD"] + [("C", "twin", "mill-2"), ("D", "item", "pump-7")]
    know(tx, [*own, *shared, ("E", "item", "pump-7"), ("F", "record", "A")])
    assert only_about(tx, "mill-1", NodeKind.RECORD) == ["A", "B"]
    assert only_about(tx, "mill-1", NodeKind.DOCUMENT) == []


def test_the_records_of_other_machines_are_not_gone_through(tx: Connection) -> None:
    """A plant keeps a million work orders: the writer must not read them all to erase one twin."""
    know(tx, [(f"mine-{i}", "twin", "mill-1") for i in range(20)])
    before = steps(tx)
    know(tx, [(f"theirs-{i}", "twin", f"mill-{2 + i % 50}") for i in range(2000)])
    assert steps(tx) <= 2 * before


def test_very_many_records_of_one_twin_are_forgotten_in_pieces(tx: Connection) -> None:
    given = []
    event.listen(tx, "before_cursor_execute", lambda *told: given.append(len(told[3])))
    know(tx, [(f"mine-{i}", "twin", "mill-1") for i in range(1200)])
    given.clear()
    assert forget_twin_records(tx, "mill-1") == 2400
    assert max(given) < 1000
    assert set(tx.scalars(select(tables.record.c.title))) == {""}

"""The audit log is a chain: what was changed or taken out of it is found."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update

from gemel.access import Gate, Principal, Resource, ResourceKind, Role, Told
from gemel.access.audit import SEALED, SEALED_EVERY
from gemel.access.tables import audit
from gemel.database import Database
from tests.access.conftest import Writer

ENGINEER = Principal(id="user-1", kind="User", role=Role.ENGINEER)


def entries(gate: Gate, count: int) -> None:
    for number in range(count):
        gate.require(ENGINEER, "configure", Resource(ResourceKind.TWIN, f"t{number}"))
    gate.audit.flush()


def test_a_whole_chain_is_whole(gate: Gate) -> None:
    entries(gate, 5)
    assert gate.audit.verify() == gate.audit.verify([])
    assert (gate.audit.verify().ok, gate.audit.verify().entries) == (True, 5)


@pytest.mark.parametrize("number", [1, 3, 4])
@pytest.mark.parametrize("what", ["changed", "missing", "replaced"])
def test_a_changed_or_missing_entry_is_found(gate: Gate, database: Database, number: int, what: str) -> None:
    entries(gate, 5)
    one = audit.c.id == number
    with database.write() as tx:
        if what == "changed":
            tx.execute(update(audit).where(one).values(resource="t9"))
        elif what == "missing":
            tx.execute(delete(audit).where(one))
        else:
            tx.execute(update(audit).where(one).values(hash=b"x" * 32))
    found = gate.audit.verify()
    assert not found.ok
    assert found.damaged in {number, number + 1}


def test_what_was_cut_off_at_the_end_is_found_by_what_the_journal_knows(
    gate: Gate, database: Database, writer: Writer
) -> None:
    entries(gate, SEALED_EVERY + 3)
    sealed = [(one.body["id"], one.body["hash"]) for one in writer.changes if one.kind == SEALED]
    assert sealed
    assert gate.audit.verify(sealed).ok
    with database.write() as tx:
        tx.execute(delete(audit).where(audit.c.id >= sealed[-1][0]))
    assert gate.audit.verify().ok
    assert not gate.audit.verify(sealed).ok


def test_entries_from_before_there_was_a_chain_are_counted_apart(gate: Gate, database: Database) -> None:
    entries(gate, 2)
    with database.write() as tx:
        tx.execute(update(audit).values(hash=None))
    entries(gate, 2)
    found = gate.audit.verify()
    assert (found.ok, found.unchained, found.entries) == (True, 2, 4)


def test_use_is_counted_by_twin_principal_action_and_right(gate: Gate) -> None:
    partner = Principal(id="user-2", kind="User", party="acme")
    for rows in (3, 4):
        gate.usage.count(partner, "read", "press-7", "grant-1", rows=rows)
    gate.usage.count(ENGINEER, "write", "press-7", "operators-operate")
    now = gate.now()
    first, second = gate.usage.used((now - 10**9, now + 1), only={"twin": "press-7"})
    assert (first.principal, first.party, first.action, first.requests, first.rows) == (
        "user-2",
        "acme",
        "read",
        2,
        7,
    )
    assert (second.principal, second.policy) == ("user-1", "operators-operate")
    gate.usage.count(partner, "read", "press-7", "grant-1")
    gate.usage.flush()  # by the housekeeping, which does not wait
    assert gate.usage.used((now - 10**9, now + 1), only={"party": "acme"})[0].requests == 3


def test_what_another_party_was_told_is_in_the_log(gate: Gate) -> None:
    partner = Principal(id="user-2", kind="User", party="acme")
    decision = gate.decide(partner, "read", Resource(ResourceKind.TWIN, "press-7"))
    told = Told(rows=120, since=1_000_000, until=2_000_000)
    gate.audit.record(partner, "read", Resource(ResourceKind.TWIN, "press-7"), decision=decision, told=told)
    entry = gate.audit.entries(only={"party": "acme"})[0]
    assert (entry.resource, entry.rows, entry.since, entry.until) == ("press-7", 120, 1_000_000, 2_000_000)

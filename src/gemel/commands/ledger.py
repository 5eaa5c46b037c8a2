"""The rows of transactions: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from gemel.commands.book import order_of
from gemel.commands.missing import no_transaction
from gemel.commands.order import Order
from gemel.commands.tables import order_table, transaction_table
from gemel.commands.transaction import SETTLED, Member, Transaction, TransactionState, TransactionStep
from gemel.twin import Change, OnFailure

__all__ = [
    "brought",
    "find_transaction",
    "has_member",
    "open_transactions",
    "orders_in",
    "put_transaction",
    "rewritten",
    "transaction_by_key",
    "transaction_of",
]

MAX_STEPS = 50
_json = msgspec.json.Encoder(enc_hook=str)


def transaction_of(row: Row[Any]) -> Transaction:
    """The transaction that a row holds."""
    told = dict(row._mapping)
    told |= {"state": TransactionState(row.state), "on_failure": OnFailure(row.on_failure)}
    told["members"] = msgspec.json.decode(row.members, type=tuple[Member, ...])
    told["steps"] = msgspec.json.decode(row.steps, type=tuple[TransactionStep, ...])
    return Transaction(**told)


def _row(transaction: Transaction) -> dict[str, Any]:
    told = msgspec.structs.asdict(transaction)
    told |= {name: _json.encode(told[name]).decode() for name in ("members", "steps")}
    return told | {"state": str(transaction.state), "on_failure": str(transaction.on_failure)}


def put_transaction(tx: Connection, transaction: Transaction) -> tuple[Transaction, Sequence[Change]]:
    """Write a new one; it gets its id and number."""
    step = TransactionStep(state=transaction.state, time=transaction.created)
    made = replace(transaction, id=f"transaction-{secrets.token_hex(8)}", steps=(step,))
    row = _row(made)
    del row["number"]
    number = tx.execute(insert(transaction_table).values(**row).returning(transaction_table.c.number)).scalar_one()
    made = replace(made, number=number)
    return made, _changes(made, made.created)


def brought(
    tx: Connection, transaction: Transaction, state: TransactionState, now: int, **facts: Any
) -> tuple[Transaction, Sequence[Change]]:
    """Bring it into its next state; returns it and what is to be journaled."""
    step = TransactionStep(state=state, time=now, detail=str(facts.get("detail", ""))[:500])
    after = replace(transaction, state=state, steps=(*transaction.steps, step)[:MAX_STEPS], **facts)
    rewritten(tx, after)
    return after, _changes(after, now)


def rewritten(tx: Connection, transaction: Transaction) -> None:
    """Write it again, in the state that it is in."""
    c = transaction_table.c
    tx.execute(update(transaction_table).where(c.number == transaction.number).values(**_row(transaction)))


def _changes(transaction: Transaction, now: int) -> list[Change]:
    """One for each twin: who may see one machine hears of it, and not of the others."""
    body = {"transaction": transaction.id}
    body |= {name: told for name in ("title", "goal", "reason") if (told := getattr(transaction, name))}
    kind = f"transaction.{transaction.state}"
    return [
        Change(kind=kind, subject=twin, time=now, actor=transaction.actor, body=dict(body))
        for twin in transaction.twins
    ]


def find_transaction(tx: Connection, id: str) -> Transaction:
    """Raises NotFound."""
    row = tx.execute(select(transaction_table).where(transaction_table.c.id == id)).one_or_none()
    if row is None:
        raise no_transaction(id)
    return transaction_of(row)


def transaction_by_key(tx: Connection, actor: str, key: str) -> Transaction | None:
    """The one that this person asked for under this key."""
    c = transaction_table.c
    row = tx.execute(select(transaction_table).where(c.actor == actor, c.key == key)).one_or_none()
    return None if row is None else transaction_of(row)


def has_member(twin: str) -> ColumnElement[bool]:
    """Of rows: one of their members is of this twin."""
    return transaction_table.c.members.contains(f'"twin":{_json.encode(twin).decode()}', autoescape=True)


def open_transactions(tx: Connection) -> list[Transaction]:
    """Those that have not ended, by number."""
    c = transaction_table.c
    settled = [str(state) for state in SETTLED]
    query = select(transaction_table).where(c.state.not_in(settled)).order_by(c.number)
    return [transaction_of(row) for row in tx.execute(query)]


def orders_in(tx: Connection, transactions: Iterable[Transaction]) -> dict[str, Order]:
    """The orders that came of them, by id; those of erased twins are not there."""
    ids = [id for one in transactions for id in one.orders()]
    found: dict[str, Order] = {}
    for start in range(0, len(ids), 500):
        query = select(order_table).where(order_table.c.id.in_(ids[start : start + 500]))
        found |= {row.id: order_of(row) for row in tx.execute(query)}
    return found

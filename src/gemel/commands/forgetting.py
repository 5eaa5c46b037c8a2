"""What goes of orders when a twin is erased."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, select, update

from gemel.commands.ledger import has_member
from gemel.commands.tables import control_table, desired_table, goal_table, order_table, transaction_table

__all__ = ["forget_twin"]


def forget_twin(tx: Connection, twin: str) -> int:
    """Drop all orders to a twin, what is desired of it, its goals, and control of it; how many orders."""
    for table in (desired_table, control_table, goal_table):
        tx.execute(delete(table).where(table.c.twin == twin))
    c = transaction_table.c
    for row in tx.execute(select(transaction_table).where(has_member(twin))).all():
        left = [one for one in msgspec.json.decode(row.members) if one["twin"] != twin]
        if left:  # words of people and of rules may name it
            told = {"members": msgspec.json.encode(left).decode(), "title": "", "detail": "", "steps": "[]"}
            tx.execute(update(transaction_table).where(c.number == row.number).values(**told))
        else:
            tx.execute(delete(transaction_table).where(c.number == row.number))
    return int(tx.execute(delete(order_table).where(order_table.c.twin == twin)).rowcount)

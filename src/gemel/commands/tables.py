"""Tables of orders. Their shape is made by migrations 0008 and 0010."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text, text

from gemel.database import metadata

__all__ = ["control_table", "desired_table", "goal_table", "order_table", "transaction_table"]


def _once(name: str) -> Index:
    """The same key of the same person is there once."""
    keyed = text("key <> ''")
    return Index(name, "actor", "key", unique=True, sqlite_where=keyed, postgresql_where=keyed)


order_table = Table(
    "command_order",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("twin", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("input", Text, nullable=False),  # JSON
    Column("state", String(16), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("created", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("approval", String(80), nullable=False),
    Column("connector", String(128), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_after", BigInteger, nullable=False),
    Column("reason", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Column("output", Text, nullable=False),  # JSON
    Column("steps", Text, nullable=False),  # JSON
    Column("late", Text, nullable=False),  # JSON
    Column("transaction", String(40), nullable=False),
    Column("role", String(16), nullable=False),
    Column("expects", Text, nullable=False, server_default="[]"),  # JSON
    Column("note", LargeBinary),  # what whoever settled it said, sealed with that person's key
    Index("ix_command_order_twin_number", "twin", "number"),
    Index("ix_command_order_state_number", "state", "number"),
    _once("uq_command_order_actor_key"),
    sqlite_autoincrement=True,
)

desired_table = Table(
    "command_desired",
    metadata,
    Column("twin", String(128), primary_key=True),
    Column("property", String(64), primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("revision", BigInteger, nullable=False),
    Column("order", String(40), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
)

control_table = Table(
    "command_control",
    metadata,
    Column("twin", String(128), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("reason", LargeBinary),  # of control taken by force, sealed with the holder's key
)

transaction_table = Table(
    "command_transaction",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("created", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("deadline_s", Float, nullable=False),
    Column("on_failure", String(16), nullable=False),
    Column("in_order", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("approval", String(80), nullable=False),
    Column("goal", String(40), nullable=False),
    Column("members", Text, nullable=False),  # JSON
    Column("reason", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Column("steps", Text, nullable=False),  # JSON
    Index("ix_command_transaction_state_number", "state", "number"),
    _once("uq_command_transaction_actor_key"),
    sqlite_autoincrement=True,
)

goal_table = Table(
    "command_goal",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("twin", String(128), nullable=False),
    Column("name", String(64), nullable=False),
    Column("value", Float, nullable=False),
    Column("start", Float),
    Column("at", Float),
    Column("aim", Float),
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("created", BigInteger, nullable=False),
    Column("deadline_s", Float),
    Column("state", String(16), nullable=False),
    Column("transaction", String(40), nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("reason", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Column("steps", Text, nullable=False),  # JSON
    Column("expects", Text, nullable=False, server_default="[]"),  # JSON
    Index("ix_command_goal_twin_number", "twin", "number"),
    Index("ix_command_goal_state_number", "state", "number"),
    _once("uq_command_goal_actor_key"),
    sqlite_autoincrement=True,
)

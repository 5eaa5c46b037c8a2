"""Transactions over several machines, runs towards goals, late answers."""

import sqlalchemy as sa
from alembic import op

revision = "0011_transactions"
down_revision = "0010_witness"
branch_labels = None
depends_on = None

_MORE = (
    sa.Column("late", sa.Text, nullable=False, server_default="[]"),
    sa.Column("transaction", sa.String(40), nullable=False, server_default=""),
    sa.Column("role", sa.String(16), nullable=False, server_default=""),
)


def _number() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("number", kind, primary_key=True, autoincrement=True)


def _once(table: str) -> None:
    keyed = sa.text("key <> ''")
    op.create_index(
        f"uq_{table}_actor_key", table, ["actor", "key"], unique=True, sqlite_where=keyed, postgresql_where=keyed
    )


def upgrade() -> None:
    """Make the tables and columns."""
    for column in _MORE:
        op.add_column("command_order", column)
    op.create_table(
        "command_transaction",
        _number(),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("deadline_s", sa.Float, nullable=False),
        sa.Column("on_failure", sa.String(16), nullable=False),
        sa.Column("in_order", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("approval", sa.String(80), nullable=False),
        sa.Column("goal", sa.String(40), nullable=False),
        sa.Column("members", sa.Text, nullable=False),
        sa.Column("reason", sa.String(128), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_command_transaction_state_number", "command_transaction", ["state", "number"])
    _once("command_transaction")
    op.create_table(
        "command_goal",
        _number(),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("start", sa.Float),
        sa.Column("at", sa.Float),
        sa.Column("aim", sa.Float),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deadline_s", sa.Float),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("transaction", sa.String(40), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(128), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_command_goal_twin_number", "command_goal", ["twin", "number"])
    op.create_index("ix_command_goal_state_number", "command_goal", ["state", "number"])
    _once("command_goal")


def downgrade() -> None:
    """Drop them."""
    for name in ("command_goal", "command_transaction"):
        op.drop_table(name)
    for column in _MORE:
        op.drop_column("command_order", column.name)

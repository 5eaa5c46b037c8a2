"""Orders, what is desired, and who has control."""

import sqlalchemy as sa
from alembic import op

revision = "0008_orders"
down_revision = "0007_erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "command_order",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("approval", sa.String(80), nullable=False),
        sa.Column("connector", sa.String(128), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_after", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(128), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
        sa.Column("note", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_command_order_twin_number", "command_order", ["twin", "number"])
    op.create_index("ix_command_order_state_number", "command_order", ["state", "number"])
    keyed = sa.text("key <> ''")
    op.create_index(
        "uq_command_order_actor_key",
        "command_order",
        ["actor", "key"],
        unique=True,
        sqlite_where=keyed,
        postgresql_where=keyed,
    )
    op.create_table(
        "command_desired",
        sa.Column("twin", sa.String(128), primary_key=True),
        sa.Column("property", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("order", sa.String(40), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
    )
    op.create_table(
        "command_control",
        sa.Column("twin", sa.String(128), primary_key=True),
        sa.Column("holder", sa.String(80), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.LargeBinary),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("command_control", "command_desired", "command_order"):
        op.drop_table(name)

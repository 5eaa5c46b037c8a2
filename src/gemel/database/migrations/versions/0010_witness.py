"""Heads that two parties countersign, and kept hashes of the trees over journal and audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0010_witness"
down_revision = "0009_parties"


def upgrade() -> None:
    """Create the tables of the witness room."""
    op.create_table(
        "witness_note",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("log", sa.String(16), nullable=False),
        sa.Column("signer", sa.String(100), nullable=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("accepted", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_witness_note_owner", "witness_note", ["owner", "log", "signer", "size"])
    op.create_table(
        "witness_node",
        sa.Column("log", sa.String(16), primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("witness_node")
    op.drop_table("witness_note")

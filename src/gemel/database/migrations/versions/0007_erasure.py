"""Holds, keys of what people write, and the ledger of erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0007_erasure"
down_revision = "0006_quarantine_counts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "person_key",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("key", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "retention_hold",
        sa.Column("twin", sa.String(128), primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(40), nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "erasure",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(128), primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(40), nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("erasure", "retention_hold", "person_key"):
        op.drop_table(name)

"""First tables of the intake: identity of messages, watermarks of numbered sources, quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0003_intake"
down_revision = "0002_registry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "intake_identity",
        sa.Column("source", sa.String(128), primary_key=True),
        sa.Column("id", sa.String(256), primary_key=True),
        sa.Column("content", sa.LargeBinary(16), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "intake_watermark",
        sa.Column("source", sa.String(128), primary_key=True),
        sa.Column("epoch", sa.String(128), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("gaps", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "intake_quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("property", sa.String(128), nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_intake_quarantine_state_id", "intake_quarantine", ["state", "id"])
    op.create_index("ix_intake_quarantine_source_id", "intake_quarantine", ["source", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("intake_quarantine")
    op.drop_table("intake_watermark")
    op.drop_table("intake_identity")

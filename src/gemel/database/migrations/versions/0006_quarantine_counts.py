"""One row of the quarantine may hold many readings of one reason."""

import sqlalchemy as sa
from alembic import op

revision = "0006_quarantine_counts"
down_revision = "0005_devices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is there holds one each."""
    op.add_column("intake_quarantine", sa.Column("readings", sa.BigInteger, nullable=False, server_default="1"))


def downgrade() -> None:
    """Rows of many readings stay, and cannot be read by what was before."""
    op.drop_column("intake_quarantine", "readings")

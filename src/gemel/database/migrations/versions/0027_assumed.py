"""What orders to machines and work orders assume of a configuration."""

import sqlalchemy as sa
from alembic import op

revision = "0027_assumed"
down_revision = "0026_ended_beliefs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is assumed by those that are there."""
    for table in ("command_order", "service_work"):
        op.add_column(table, sa.Column("expects", sa.Text, nullable=False, server_default="[]"))

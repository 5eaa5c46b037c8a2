"""What goals assume of a configuration."""

import sqlalchemy as sa
from alembic import op

revision = "0030_goals_assume"
down_revision = "0029_filled"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is assumed by those that are there."""
    op.add_column("command_goal", sa.Column("expects", sa.Text, nullable=False, server_default="[]"))

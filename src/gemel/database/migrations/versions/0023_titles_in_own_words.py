"""Titles of plans and snapshots are sealed with the key of who wrote them, which takes more than 200 characters."""

import sqlalchemy as sa
from alembic import op

revision = "0023_titles_in_own_words"
down_revision = "0022_acts_of_work"
branch_labels = None
depends_on = None

_PLAN = ("number", "title", "time", "work_order", "operations", "actor", "recorded")


def upgrade() -> None:
    """Let them be of any length."""
    if op.get_bind().dialect.name == "sqlite":  # which does not hold texts to their length
        return
    op.alter_column("configuration_snapshot", "title", type_=sa.Text, existing_nullable=False)
    op.execute("DROP TRIGGER configuration_plan_fixed ON configuration_plan")  # it names the column
    op.alter_column("configuration_plan", "title", type_=sa.Text, existing_nullable=False)
    planned = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _PLAN)
    op.execute(
        "CREATE TRIGGER configuration_plan_fixed BEFORE UPDATE ON configuration_plan FOR EACH ROW "
        f"WHEN (OLD.state <> 'planned' OR {planned}) EXECUTE FUNCTION configuration_refuse()"
    )

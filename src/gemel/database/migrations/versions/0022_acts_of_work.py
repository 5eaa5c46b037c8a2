"""What was done under a work order is found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0022_acts_of_work"
down_revision = "0021_item_search"
branch_labels = None
depends_on = None

_UNDER = sa.text("work_order <> ''")


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "ix_configuration_act_work_order",
        "configuration_act",
        ["work_order"],
        sqlite_where=_UNDER,
        postgresql_where=_UNDER,
    )

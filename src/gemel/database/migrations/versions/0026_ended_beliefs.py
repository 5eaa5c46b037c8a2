"""What is not believed any more is found by when it ended to be: by columns in memory that catch up, and by what an act
changed. What was merged into an item is found by that item: each act asks what must not be used."""

import sqlalchemy as sa
from alembic import op

revision = "0026_ended_beliefs"
down_revision = "0025_acts_by_evidence"
branch_labels = None
depends_on = None

_WHERE = f"recorded_to < {1 << 62}"


def upgrade() -> None:
    """Of those few that ended."""
    for table in ("placement", "trait", "usage", "software"):
        op.create_index(
            f"ix_configuration_{table}_recorded_to",
            f"configuration_{table}",
            ["recorded_to"],
            sqlite_where=sa.text(_WHERE),
            postgresql_where=sa.text(_WHERE),
        )
    merged = sa.text("merged IS NOT NULL")
    op.create_index(
        "ix_configuration_item_merged",
        "configuration_item",
        ["merged"],
        sqlite_where=merged,
        postgresql_where=merged,
    )

"""Grants of a view of the configuration: of which items, what of each, and the key that makes names for the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0017_item_views"
down_revision = "0016_campaigns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("access_grant", sa.Column("items", sa.Text))
    op.add_column("access_grant", sa.Column("naming", sa.LargeBinary(16)))

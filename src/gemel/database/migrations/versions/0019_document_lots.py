"""Versions of documents that apply to lots of machines."""

import sqlalchemy as sa
from alembic import op

revision = "0019_document_lots"
down_revision = "0018_work"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: what was there before applies to all lots."""
    op.add_column("thread_document_effectivity", sa.Column("lots", sa.Text, nullable=False, server_default="[]"))

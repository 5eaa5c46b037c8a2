"""What a machine has to which a bulletin applies."""

import sqlalchemy as sa
from alembic import op

revision = "0024_bulletins"
down_revision = "0023_titles_in_own_words"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "thread_document_having",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("of", _NUMBER, sa.ForeignKey("thread_document_version.number"), nullable=False),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("below", sa.String(128), nullable=False),
        sa.Column("above", sa.String(128), nullable=False),
        sa.Column("revisions", sa.Text, nullable=False),
        sa.Column("unknown", sa.Boolean, nullable=False),
    )
    for column in ("of", "part"):
        op.create_index(f"ix_thread_document_having_{column}", "thread_document_having", [column])

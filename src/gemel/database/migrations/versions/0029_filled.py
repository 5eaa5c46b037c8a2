"""Forms that were filled in."""

import sqlalchemy as sa
from alembic import op

revision = "0029_filled"
down_revision = "0028_search_pages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "service_filled",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("form", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("work_order", sa.String(128), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("telling", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    for name in ("item", "twin", "form", "work_order"):
        op.create_index(f"ix_service_filled_{name}", "service_filled", [name, "number"])
    telling, keyed = sa.text("telling <> ''"), sa.text("key <> ''")
    op.create_index(
        "ix_service_filled_telling", "service_filled", ["number"], sqlite_where=telling, postgresql_where=telling
    )
    op.create_index(
        "uq_service_filled_actor_key",
        "service_filled",
        ["actor", "key"],
        unique=True,
        sqlite_where=keyed,
        postgresql_where=keyed,
    )

"""Models of lifetimes, and what they expected of items."""

import sqlalchemy as sa
from alembic import op

revision = "0020_lifetimes"
down_revision = "0019_document_lots"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lifetime_model",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("trained", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
    )
    op.create_table(
        "lifetime_prediction",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("life", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("age", sa.Float, nullable=False),
        sa.Column("more", sa.Float, nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("low", sa.Float, nullable=False),
        sa.Column("high", sa.Float, nullable=False),
        sa.Column("left", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lifetime_prediction_item", "lifetime_prediction", ["item"])
    op.create_index("ix_lifetime_prediction_model", "lifetime_prediction", ["model", "item"])

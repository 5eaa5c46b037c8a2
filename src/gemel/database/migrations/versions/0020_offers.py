"""What is sold: models, profiles and capabilities as they are declared, offers of machines, licences."""

import sqlalchemy as sa
from alembic import op

revision = "0020_offers"
down_revision = "0020_lifetimes"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEYED = sa.text("key <> ''")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "service_declared",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_declared_kind_id", "service_declared", ["kind", "id", "number"])
    op.create_table(
        "service_offer",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("party", sa.String(64), nullable=False),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_offer_state_number", "service_offer", ["state", "number"])
    op.create_index("ix_service_offer_item", "service_offer", ["item"])
    _keyed("service_offer")
    op.create_table(
        "service_licence",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("capability", sa.String(128), nullable=False),
        sa.Column("machine", sa.String(128), nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_licence_state", "service_licence", ["state", "number"])
    op.create_index("ix_service_licence_twin", "service_licence", ["twin"])
    op.create_index("ix_service_licence_machine", "service_licence", ["machine"])
    _keyed("service_licence")


def _keyed(table: str) -> None:
    op.create_index(
        f"uq_{table}_actor_key", table, ["actor", "key"], unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED
    )

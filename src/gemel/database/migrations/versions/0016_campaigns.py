"""Software as it is declared, its files, and update campaigns with their targets."""

import sqlalchemy as sa
from alembic import op

revision = "0016_campaigns"
down_revision = "0015_thread"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEYED = sa.text("key <> ''")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "configuration_module",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_configuration_module_part_number", "configuration_module", ["part", "number"])
    op.create_table(
        "service_artifact",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
    )
    op.create_table(
        "service_campaign",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        sa.Column("selection", sa.Text, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("at_once", sa.Integer, nullable=False),
        sa.Column("deadline_s", sa.Float, nullable=False),
        sa.Column("settle_s", sa.Float, nullable=False),
        sa.Column("start", sa.BigInteger),
        sa.Column("approval", sa.String(80), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("group", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(128), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
        sa.Column("signed", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_campaign_state_number", "service_campaign", ["state", "number"])
    op.create_index(
        "uq_service_campaign_actor_key",
        "service_campaign",
        ["actor", "key"],
        unique=True,
        sqlite_where=_KEYED,
        postgresql_where=_KEYED,
    )
    op.create_table(
        "service_campaign_target",
        sa.Column("campaign", _NUMBER, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("group", sa.Integer, nullable=False),
        sa.Column("machine", sa.String(128), nullable=False),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("slot", sa.String(128), nullable=False),
        sa.Column("before", sa.String(128), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("order", sa.String(40), nullable=False),
        sa.Column("sent_after", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(128), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("proof", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
    )
    op.create_index("ix_service_campaign_target_twin", "service_campaign_target", ["twin"])
    op.create_index("ix_service_campaign_target_item", "service_campaign_target", ["item"])

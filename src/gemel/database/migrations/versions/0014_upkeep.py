"""How a configuration is kept up: snapshots, promises, translated events, attached sources; what is not believed any
more is found by when it ceased to be."""

import sqlalchemy as sa
from alembic import op

revision = "0014_upkeep"
down_revision = "0013_parts_and_plans"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FOREVER = 1 << 62
_FOLLOWED = ("placement", "trait", "usage", "software")


def upgrade() -> None:
    """Make the tables, and the indices by which columns in memory catch up."""
    closed = sa.text(f"recorded_to < {_FOREVER}")
    for name in _FOLLOWED:
        op.create_index(
            f"ix_configuration_{name}_closed",
            f"configuration_{name}",
            ["recorded_to"],
            sqlite_where=closed,
            postgresql_where=closed,
        )
    op.create_table(
        "configuration_snapshot",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("root", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("valid", sa.BigInteger, nullable=False),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("every", sa.String(8), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
    )
    op.create_index("ix_configuration_snapshot_root_valid", "configuration_snapshot", ["root", "valid"])
    op.create_table(
        "configuration_upkeep",
        sa.Column("root", _NUMBER, sa.ForeignKey("configuration_item.number"), primary_key=True),
        sa.Column("within", sa.BigInteger, nullable=False),
        sa.Column("every", sa.String(8), nullable=False),
        sa.Column("next", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("broken", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
    )
    op.create_index("ix_configuration_upkeep_next", "configuration_upkeep", ["next"])
    op.create_index("ix_configuration_upkeep_due", "configuration_upkeep", ["due"])
    for table, width in (("translation", 128), ("source", 64)):
        op.create_table(
            f"configuration_{table}",
            sa.Column("id", sa.String(width), primary_key=True),
            sa.Column("body", sa.Text, nullable=False),
            sa.Column("actor", sa.String(80), nullable=False),
        )
    op.create_table(
        "configuration_refusal",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("translation", sa.String(128), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
    )
    op.create_index(
        "uq_configuration_refusal_translation_position",
        "configuration_refusal",
        ["translation", "position"],
        unique=True,
    )
    op.create_index("ix_configuration_refusal_state", "configuration_refusal", ["state"])
    op.create_table(
        "configuration_followed",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "configuration_reliance",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("root", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("valid", sa.BigInteger, nullable=False),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
    )
    op.create_index("ix_configuration_reliance_root", "configuration_reliance", ["root"])
    op.create_index(
        "uq_configuration_reliance_kind_reference_root",
        "configuration_reliance",
        ["kind", "reference", "root"],
        unique=True,
    )

"""First tables of the registry."""

import sqlalchemy as sa
from alembic import op

revision = "0002_registry"
down_revision = "0001_journal"
branch_labels = None
depends_on = None

ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "registry_type",
        sa.Column("id", ID, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "registry_property",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", ID, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
    )
    op.create_index(
        "uq_registry_property_type_place_generation",
        "registry_property",
        ["type", "place", "generation"],
        unique=True,
    )
    op.create_table(
        "registry_shape",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("types", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "registry_batch",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "registry_twin",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("shape", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("aliases", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("declared", sa.Boolean, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
    )
    op.create_index("ix_registry_twin_serial", "registry_twin", ["serial"])
    op.create_index("ix_registry_twin_shape_id", "registry_twin", ["shape", "id"])
    op.create_index("ix_registry_twin_stage_id", "registry_twin", ["stage", "id"])
    op.create_index("ix_registry_twin_batch", "registry_twin", ["batch"])
    op.create_table(
        "registry_alias",
        sa.Column("alias", ID, primary_key=True),
        sa.Column("twin", NUMBER, sa.ForeignKey("registry_twin.number"), nullable=False, index=True),
    )
    op.create_table(
        "registry_attribute",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("twin", NUMBER, sa.ForeignKey("registry_twin.number"), primary_key=True, index=True),
    )
    op.create_table(
        "registry_link",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("kind", ID, nullable=False),
        sa.Column("source", NUMBER, sa.ForeignKey("registry_twin.number"), nullable=False),
        sa.Column("target", NUMBER, sa.ForeignKey("registry_twin.number"), nullable=False),
        sa.Column("slot", sa.String(64), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("declared", sa.Boolean, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
    )
    op.create_index("ix_registry_link_source_kind", "registry_link", ["source", "kind"])
    op.create_index("ix_registry_link_target_kind", "registry_link", ["target", "kind"])
    op.create_index("ix_registry_link_batch", "registry_link", ["batch"])
    op.create_index(
        "uq_registry_link_open",
        "registry_link",
        ["kind", "source", "target", "slot"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "registry_connector",
        sa.Column("id", ID, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("declared", sa.Boolean, nullable=False),
    )
    op.create_table(
        "registry_setting",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in (
        "setting",
        "connector",
        "link",
        "attribute",
        "alias",
        "twin",
        "batch",
        "shape",
        "property",
        "type",
    ):
        op.drop_table(f"registry_{name}")

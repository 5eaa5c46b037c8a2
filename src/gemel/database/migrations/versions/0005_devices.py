"""Tables of devices: who they are, whom they speak for, and what they show to prove it."""

import sqlalchemy as sa
from alembic import op

revision = "0005_devices"
down_revision = "0004_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; a device's name is longer than a random id, so who did something may be longer, too."""
    op.create_table(
        "device",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("revoked", sa.BigInteger),
        sa.Column("seen", sa.BigInteger),
        sa.Column("claim", sa.LargeBinary(32), unique=True),
        sa.Column("claim_ends", sa.BigInteger),
    )
    op.create_table(
        "device_twin",
        sa.Column("device", sa.String(64), primary_key=True),
        sa.Column("twin", sa.String(128), primary_key=True),
    )
    op.create_table(
        "device_credential",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("serial", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger),
        sa.Column("used", sa.BigInteger),
        sa.Column("warned", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
    )
    op.create_index("ix_device_credential_device", "device_credential", ["device"])
    if op.get_bind().dialect.name != "sqlite":  # which does not hold texts to their length
        for table in ("audit", "remembered_answer"):
            op.alter_column(table, "principal", type_=sa.String(80), existing_nullable=False)


def downgrade() -> None:
    """Drop them."""
    for name in ("device_credential", "device_twin", "device"):
        op.drop_table(name)

"""Parties, grants, one-time links, second factors, identities from elsewhere, chained audit, use."""

import sqlalchemy as sa
from alembic import op

revision = "0009_parties"
down_revision = "0008_orders"
branch_labels = None
depends_on = None

_MORE = {
    "account": (
        sa.Column("party", sa.String(64), nullable=False, server_default=""),
        sa.Column("kind", sa.String(16), nullable=False, server_default="person"),
    ),
    "token": (
        sa.Column("actions", sa.Text, nullable=False, server_default="[]"),
        sa.Column("selector", sa.Text, nullable=False, server_default=""),
    ),
    "audit": (
        sa.Column("party", sa.String(64), nullable=False, server_default=""),
        sa.Column("rows", sa.BigInteger),
        sa.Column("since", sa.BigInteger),
        sa.Column("until", sa.BigInteger),
        sa.Column("hash", sa.LargeBinary(32)),
    ),
}


def upgrade() -> None:
    """Make the tables and columns."""
    for table, columns in _MORE.items():
        for column in columns:
            op.add_column(table, column)
    op.create_index("ix_audit_resource", "audit", ["resource", "id"])
    op.create_table(
        "party",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "access_grant",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("grantee", sa.String(80), nullable=False),
        sa.Column("actions", sa.Text, nullable=False),
        sa.Column("selector", sa.Text, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("starts", sa.BigInteger),
        sa.Column("ends", sa.BigInteger),
        sa.Column("history_from", sa.BigInteger),
        sa.Column("history_s", sa.BigInteger),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(40), nullable=False),
        sa.Column("revoked", sa.BigInteger),
    )
    op.create_table(
        "one_time_link",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("account", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "second_factor",
        sa.Column("account", sa.String(40), primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("confirmed", sa.BigInteger),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("recovery", sa.Text, nullable=False),
    )
    op.create_table(
        "federated",
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("account", sa.String(40), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage",
        sa.Column("hour", sa.BigInteger, primary_key=True),
        sa.Column("principal", sa.String(80), primary_key=True),
        sa.Column("twin", sa.String(128), primary_key=True),
        sa.Column("action", sa.String(16), primary_key=True),
        sa.Column("policy", sa.String(64), primary_key=True),
        sa.Column("party", sa.String(64), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_usage_twin_hour", "usage", ["twin", "hour"])


def downgrade() -> None:
    """Drop them."""
    for name in ("usage", "federated", "second_factor", "one_time_link", "access_grant", "party"):
        op.drop_table(name)
    op.drop_index("ix_audit_resource", "audit")
    for table, columns in _MORE.items():
        for column in columns:
            op.drop_column(table, column.name)

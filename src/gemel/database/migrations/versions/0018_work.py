"""Work orders with their visits, stops of machines and what they cost, and exchanges with other systems."""

import sqlalchemy as sa
from alembic import op

revision = "0018_work"
down_revision = "0017_item_views"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "service_work",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(128), nullable=False, unique=True),
        sa.Column("system", sa.String(128), nullable=False),
        sa.Column("external", sa.String(200), nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("job", sa.String(200), nullable=False),
        sa.Column("maintenance", sa.String(20), nullable=False),
        sa.Column("start", sa.BigInteger),
        sa.Column("end", sa.BigInteger),
        sa.Column("party", sa.String(80), nullable=False),
        sa.Column("skills", sa.Text, nullable=False),
        sa.Column("tools", sa.Text, nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("repairs", sa.String(128), nullable=False),
        sa.Column("rework", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_work_item", "service_work", ["item"])
    op.create_index("ix_service_work_state_number", "service_work", ["state", "number"])
    op.create_index("ix_service_work_twin", "service_work", ["twin"])
    op.create_index(
        "uq_service_work_system_external",
        "service_work",
        ["system", "external"],
        unique=True,
        sqlite_where=sa.text("external <> ''"),
        postgresql_where=sa.text("external <> ''"),
    )
    op.create_table(
        "service_work_step",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("order", _NUMBER, sa.ForeignKey("service_work.number"), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_work_step_order", "service_work_step", ["order"])
    op.create_table(
        "service_visit",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("order", _NUMBER, sa.ForeignKey("service_work.number"), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("time_from", sa.String(128), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_visit_order", "service_visit", ["order"])
    op.create_table(
        "service_work_person",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("system", sa.String(128), nullable=False),
        sa.Column("external", sa.String(200), nullable=False),
    )
    op.create_index(
        "uq_service_work_person_system_external", "service_work_person", ["system", "external"], unique=True
    )
    op.create_table(
        "service_stop",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger),
        sa.Column("seen", sa.String(200), nullable=False),
        sa.Column("order", sa.String(128), nullable=False),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_stop_twin_start", "service_stop", ["twin", "start"])
    op.create_index(
        "uq_service_stop_key",
        "service_stop",
        ["key"],
        unique=True,
        sqlite_where=sa.text("key <> ''"),
        postgresql_where=sa.text("key <> ''"),
    )
    op.create_table(
        "service_stop_class",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("stop", _NUMBER, sa.ForeignKey("service_stop.number"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_stop_class_stop", "service_stop_class", ["stop"])
    op.create_table(
        "service_price",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("per_hour", sa.String(40), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("rests_on", sa.Text, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "service_exchange",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_exchange_id_number", "service_exchange", ["id", "number"])
    op.create_table(
        "service_exchange_item",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("exchange", sa.String(128), nullable=False),
        sa.Column("external", sa.String(200), nullable=False),
        sa.Column("ours", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("theirs", sa.Text, nullable=False),
        sa.Column("mark", sa.String(200), nullable=False),
        sa.Column("sent", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_service_exchange_item_external",
        "service_exchange_item",
        ["exchange", "external"],
        unique=True,
        sqlite_where=sa.text("external <> ''"),
        postgresql_where=sa.text("external <> ''"),
    )
    op.create_index(
        "uq_service_exchange_item_ours",
        "service_exchange_item",
        ["exchange", "ours"],
        unique=True,
        sqlite_where=sa.text("ours <> ''"),
        postgresql_where=sa.text("ours <> ''"),
    )
    op.create_table(
        "service_exchange_run",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("exchange", sa.String(128), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("faults", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_service_exchange_run_exchange_number", "service_exchange_run", ["exchange", "number"])
    op.create_table(
        "service_exchange_place",
        sa.Column("exchange", sa.String(128), primary_key=True),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("pulled", sa.BigInteger, nullable=False),
    )

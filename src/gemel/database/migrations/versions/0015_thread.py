"""Records, links, measurements and documents of the digital thread; the database itself refuses to forget them."""

import sqlalchemy as sa
from alembic import op

revision = "0015_thread"
down_revision = "0014_upkeep"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FOREVER = 1 << 62
_KEPT = ("thread_act", "thread_record", "thread_link", "thread_measurement", "thread_document_version")
_END = ("kind", "id", "sub", "start", "end")
_BELIEVED = {
    "thread_record": ("id", "kind", "phase", "title", "revision", "system", "external", "url", "attributes"),
    "thread_link": ("kind", *(f"{side}_{name}" for side in ("source", "target") for name in _END)),
    "thread_measurement": ("inspection", "item", "characteristic", "nominal", "lower", "upper", "value", "status"),
    "thread_document_version": ("document", "version", "language", "name", "sha256", "size", "media_type"),
}


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "thread_source",
        _numbered(),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.Column("reader", sa.String(32), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_thread_source_sha256", "thread_source", ["sha256"])
    op.create_table(
        "thread_act",
        _numbered(),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False, unique=True),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("work_order", sa.String(128), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_thread_act_source_key", "thread_act", ["source", "key"])
    op.create_table(
        "thread_record",
        _numbered(),
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("system", sa.String(64), nullable=False),
        sa.Column("external", sa.String(200), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        *_origin(),
        *_believed(),
    )
    op.create_index("ix_thread_record_id", "thread_record", ["id"])
    op.create_index("ix_thread_record_system_external", "thread_record", ["system", "external"])
    op.create_index("ix_thread_record_kind", "thread_record", ["kind"])
    op.create_table(
        "thread_link",
        _numbered(),
        sa.Column("kind", sa.String(64), nullable=False),
        *_end("source"),
        *_end("target"),
        *_origin(),
        *_believed(),
    )
    for side in ("source", "target"):
        op.create_index(f"ix_thread_link_{side}", "thread_link", [f"{side}_kind", f"{side}_id"])
    op.create_table(
        "thread_measurement",
        _numbered(),
        sa.Column("inspection", sa.String(200), nullable=False),
        sa.Column("item", sa.String(128), nullable=False),
        sa.Column("characteristic", sa.String(200), nullable=False),
        sa.Column("quantity", sa.String(64), nullable=False),
        sa.Column("nominal", sa.Float),
        sa.Column("lower", sa.Float),
        sa.Column("upper", sa.Float),
        sa.Column("value", sa.Float),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("time", sa.BigInteger),
        *_origin(),
        sa.Column("recorded_from", sa.BigInteger, nullable=False),
        sa.Column("recorded_to", sa.BigInteger, nullable=False),
        _act(),
    )
    op.create_index("ix_thread_measurement_inspection", "thread_measurement", ["inspection", "item"])
    op.create_index("ix_thread_measurement_item", "thread_measurement", ["item", "status"])
    op.create_table(
        "thread_document",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        _act(),
    )
    op.create_table(
        "thread_document_version",
        _numbered(),
        sa.Column("document", sa.String(200), sa.ForeignKey("thread_document.id"), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        *_believed(),
    )
    op.create_index("ix_thread_document_version_document", "thread_document_version", ["document"])
    op.create_index("ix_thread_document_version_sha256", "thread_document_version", ["sha256"])
    op.create_table(
        "thread_document_effectivity",
        _numbered(),
        sa.Column("of", _NUMBER, sa.ForeignKey("thread_document_version.number"), nullable=False),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("revisions", sa.Text, nullable=False),
        sa.Column("serials", sa.Text, nullable=False),
    )
    for column in ("of", "part"):
        op.create_index(f"ix_thread_document_effectivity_{column}", "thread_document_effectivity", [column])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _numbered() -> sa.Column[int]:
    return sa.Column("number", _NUMBER, primary_key=True, autoincrement=True)


def _act() -> sa.Column[int]:
    return sa.Column("act", _NUMBER, sa.ForeignKey("thread_act.number"), nullable=False)


def _origin() -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("origin", _NUMBER, sa.ForeignKey("thread_source.number")),
        sa.Column("place", sa.String(400), nullable=False),
    )


def _end(side: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column(f"{side}_kind", sa.String(16), nullable=False),
        sa.Column(f"{side}_id", sa.String(200), nullable=False),
        sa.Column(f"{side}_sub", sa.String(200), nullable=False),
        sa.Column(f"{side}_start", sa.BigInteger),
        sa.Column(f"{side}_end", sa.BigInteger),
    )


def _believed() -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger, nullable=False),
        sa.Column("recorded_from", sa.BigInteger, nullable=False),
        sa.Column("recorded_to", sa.BigInteger, nullable=False),
        _act(),
        sa.CheckConstraint("valid_from < valid_to", name="valid"),
        sa.CheckConstraint("recorded_from <= recorded_to", name="recorded"),
    )


def _guard_sqlite() -> None:
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is never deleted from'); END"
        )
    op.execute(
        "CREATE TRIGGER thread_act_fixed BEFORE UPDATE ON thread_act "
        "BEGIN SELECT RAISE(ABORT, 'an act is never changed'); END"
    )
    for table, columns in _BELIEVED.items():
        changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in (*columns, "number", "recorded_from", "act"))
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} "
            f"WHEN OLD.recorded_to <> {_FOREVER} OR {changed} "
            f"BEGIN SELECT RAISE(ABORT, 'what was believed is never changed, only closed once'); END"
        )


def _guard_postgres() -> None:
    op.execute(
        "CREATE FUNCTION thread_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is never deleted from, and only closed once', TG_TABLE_NAME; END $$"
    )
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION thread_refuse()"
        )
    op.execute(
        "CREATE TRIGGER thread_act_fixed BEFORE UPDATE ON thread_act FOR EACH ROW EXECUTE FUNCTION thread_refuse()"
    )
    for table, columns in _BELIEVED.items():
        changed = " OR ".join(
            f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in (*columns, "number", "recorded_from", "act")
        )
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} FOR EACH ROW "
            f"WHEN (OLD.recorded_to <> {_FOREVER} OR {changed}) EXECUTE FUNCTION thread_refuse()"
        )

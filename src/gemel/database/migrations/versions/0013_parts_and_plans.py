"""Parts, what was seen, what devices report, nonconformances and plans of the configuration."""

import sqlalchemy as sa
from alembic import op

revision = "0013_parts_and_plans"
down_revision = "0012_configuration"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FOREVER = 1 << 62
_BELIEVED = {
    "configuration_observation": ("place", "saw", "item", "part", "maker", "serial", "revision"),
    "configuration_software": ("item", "slot", "part", "version"),
    "configuration_standing": ("nonconformance", "state", "party", "until", "reason"),
}
_TIMES = ("valid_from", "valid_to", "recorded_from", "begun_by", "ended_by")
_FIXED = ("configuration_nonconformance", "configuration_revision")
_ALONE = (
    (
        "configuration_software",
        "o.item = NEW.item AND o.slot = NEW.slot",
        "a slot has one version at a time",
    ),
    ("configuration_standing", "o.nonconformance = NEW.nonconformance", "a nonconformance has one state at a time"),
)


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.add_column("configuration_act", sa.Column("seen", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("configuration_act", sa.Column("operation", sa.Text, nullable=False, server_default=""))
    _observations()
    _software()
    _nonconformances()
    _parts()
    _plans()
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _observations() -> None:
    op.create_table(
        "configuration_observation",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("place", _NUMBER, sa.ForeignKey("configuration_place.number"), nullable=False),
        sa.Column("saw", sa.String(8), nullable=False),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number")),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("maker", sa.String(128), nullable=False),
        sa.Column("serial", sa.String(128), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        *_believed(),
    )
    _indices("configuration_observation", "place", "item")


def _software() -> None:
    op.create_table(
        "configuration_software",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("slot", sa.String(128), nullable=False),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        *_believed(),
    )
    _indices("configuration_software", ("item", "slot"), ("part", "version"))


def _nonconformances() -> None:
    op.create_table(
        "configuration_nonconformance",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number")),
        sa.Column("parent", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("slot", sa.String(128), nullable=False),
        sa.Column("rule", sa.String(16), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("act", _NUMBER, sa.ForeignKey("configuration_act.number"), nullable=False),
    )
    for column in ("item", "parent", "act"):
        op.create_index(f"ix_configuration_nonconformance_{column}", "configuration_nonconformance", [column])
    op.create_table(
        "configuration_standing",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("nonconformance", _NUMBER, sa.ForeignKey("configuration_nonconformance.number"), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("party", sa.String(128), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *_believed(),
    )
    _indices("configuration_standing", "nonconformance")


def _parts() -> None:
    op.create_table(
        "configuration_part",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("maker", sa.String(128), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("recorded_from", sa.BigInteger, nullable=False),
        sa.Column("recorded_to", sa.BigInteger, nullable=False),
        sa.CheckConstraint("recorded_from <= recorded_to", name="recorded"),
    )
    current = sa.text(f"recorded_to = {_FOREVER}")
    op.create_index(
        "uq_configuration_part_identity",
        "configuration_part",
        ["part", "maker"],
        unique=True,
        sqlite_where=current,
        postgresql_where=current,
    )
    op.create_index("ix_configuration_part_recorded_to", "configuration_part", ["recorded_to"])
    op.create_table(
        "configuration_revision",
        sa.Column("definition", _NUMBER, sa.ForeignKey("configuration_part.number"), primary_key=True),
        sa.Column("revision", sa.String(64), primary_key=True),
        sa.Column("ordinal", sa.Integer, nullable=False),
    )


def _plans() -> None:
    op.create_table(
        "configuration_plan",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("work_order", sa.String(128), nullable=False),
        sa.Column("operations", sa.Text, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("acts", sa.Text, nullable=False),
    )
    op.create_index("ix_configuration_plan_ended", "configuration_plan", ["ended"])
    op.create_table(
        "configuration_planned",
        sa.Column("plan", _NUMBER, sa.ForeignKey("configuration_plan.number"), primary_key=True),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number"), primary_key=True),
    )
    op.create_index("ix_configuration_planned_item", "configuration_planned", ["item"])


def _believed() -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger, nullable=False),
        sa.Column("recorded_from", sa.BigInteger, nullable=False),
        sa.Column("recorded_to", sa.BigInteger, nullable=False),
        sa.Column("begun_by", _NUMBER, sa.ForeignKey("configuration_act.number"), nullable=False),
        sa.Column("ended_by", _NUMBER, sa.ForeignKey("configuration_act.number")),
        sa.CheckConstraint("valid_from < valid_to", name="valid"),
        sa.CheckConstraint("recorded_from <= recorded_to", name="recorded"),
    )


def _indices(table: str, *columns: str | tuple[str, ...]) -> None:
    for column in (*columns, "begun_by", "ended_by"):
        names = (column,) if isinstance(column, str) else column
        op.create_index(f"ix_{table}_{'_'.join(names)}", table, list(names))


def _guard_sqlite() -> None:
    for table in (*_BELIEVED, *_FIXED, "configuration_part", "configuration_plan", "configuration_item"):
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is never deleted from'); END"
        )
    for table in _FIXED:
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is never changed'); END"
        )
    for table, columns in (*_BELIEVED.items(), ("configuration_part", None)):
        changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _kept_columns(columns))
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} "
            f"WHEN OLD.recorded_to <> {_FOREVER} OR {changed} "
            f"BEGIN SELECT RAISE(ABORT, 'what was believed is never changed, only closed once'); END"
        )
    planned = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _PLAN)
    op.execute(
        "CREATE TRIGGER configuration_plan_fixed BEFORE UPDATE ON configuration_plan "
        f"WHEN OLD.state <> 'planned' OR {planned} "
        "BEGIN SELECT RAISE(ABORT, 'a plan is never changed, only ended once'); END"
    )
    for table, same, what in _ALONE:
        op.execute(
            f"CREATE TRIGGER {table}_alone BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} o "
            f"WHERE {same} AND o.recorded_to = {_FOREVER} AND NEW.recorded_to = {_FOREVER} "
            "AND o.valid_from < NEW.valid_to AND NEW.valid_from < o.valid_to) "
            f"BEGIN SELECT RAISE(ABORT, '{what}'); END"
        )


_PLAN = ("number", "title", "time", "work_order", "operations", "actor", "recorded")


def _kept_columns(columns: tuple[str, ...] | None) -> tuple[str, ...]:
    if columns is None:
        return ("number", "part", "maker", "body", "actor", "recorded_from")
    return ("number", *columns, *_TIMES)


def _guard_postgres() -> None:
    refuse = "FOR EACH ROW EXECUTE FUNCTION configuration_refuse()"
    for table in (*_BELIEVED, *_FIXED, "configuration_part", "configuration_plan", "configuration_item"):
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} {refuse}")
    for table in _FIXED:
        op.execute(f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} {refuse}")
    for table, columns in (*_BELIEVED.items(), ("configuration_part", None)):
        changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _kept_columns(columns))
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} FOR EACH ROW "
            f"WHEN (OLD.recorded_to <> {_FOREVER} OR {changed}) EXECUTE FUNCTION configuration_refuse()"
        )
    planned = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _PLAN)
    op.execute(
        "CREATE TRIGGER configuration_plan_fixed BEFORE UPDATE ON configuration_plan FOR EACH ROW "
        f"WHEN (OLD.state <> 'planned' OR {planned}) EXECUTE FUNCTION configuration_refuse()"
    )
    for table, same, what in _ALONE:
        op.execute(
            f"CREATE FUNCTION {table}_alone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF EXISTS (SELECT 1 FROM {table} o WHERE {same} "
            f"AND o.recorded_to = {_FOREVER} AND NEW.recorded_to = {_FOREVER} "
            "AND o.valid_from < NEW.valid_to AND NEW.valid_from < o.valid_to) "
            f"THEN RAISE EXCEPTION '{what}'; END IF; RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_alone BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_alone()"
        )

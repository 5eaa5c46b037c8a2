"""Items, acts and what is believed of where items were; the database itself refuses to forget or to contradict."""

import sqlalchemy as sa
from alembic import op

revision = "0012_configuration"
down_revision = "0011_transactions"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_FOREVER = 1 << 62
_KEPT = ("configuration_act", "configuration_placement", "configuration_trait", "configuration_usage")
_BELIEVED = {
    "configuration_placement": ("child", "parent", "place", "single"),
    "configuration_trait": ("item", "name", "value"),
    "configuration_usage": ("item", "kind", "amount", "own"),
}
_TIMES = ("valid_from", "valid_to", "recorded_from", "begun_by", "ended_by")


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "configuration_item",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(128), nullable=False, unique=True),
        sa.Column("part", sa.String(128), nullable=False),
        sa.Column("maker", sa.String(128), nullable=False),
        sa.Column("serial", sa.String(128), nullable=False),
        sa.Column("lot", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("twin", sa.String(128), nullable=False),
        sa.Column("born", sa.BigInteger, nullable=False),
        sa.Column("merged", _NUMBER),
    )
    alone = sa.text("serial <> '' AND merged IS NULL")
    op.create_index(
        "uq_configuration_item_identity",
        "configuration_item",
        ["part", "serial", "maker"],
        unique=True,
        sqlite_where=alone,
        postgresql_where=alone,
    )
    op.create_index("ix_configuration_item_serial", "configuration_item", ["serial"])
    op.create_index("ix_configuration_item_twin", "configuration_item", ["twin"])
    op.create_table(
        "configuration_alias",
        sa.Column("scheme", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(128), primary_key=True),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
    )
    op.create_table(
        "configuration_act",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("recorded", sa.BigInteger, nullable=False, unique=True),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("work_order", sa.String(128), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("uncertainty", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("amends", _NUMBER),
        sqlite_autoincrement=True,
    )
    keyed = sa.text("key <> ''")
    op.create_index(
        "uq_configuration_act_source_key",
        "configuration_act",
        ["source", "key"],
        unique=True,
        sqlite_where=keyed,
        postgresql_where=keyed,
    )
    op.create_table(
        "configuration_place",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("parent", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("slot", sa.String(128), nullable=False),
    )
    op.create_index("uq_configuration_place_parent_slot", "configuration_place", ["parent", "slot"], unique=True)
    op.create_table(
        "configuration_placement",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("child", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("parent", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("place", _NUMBER, sa.ForeignKey("configuration_place.number"), nullable=False),
        sa.Column("single", sa.Boolean, nullable=False),
        *_believed(),
    )
    for column in ("child", "parent", "place", "begun_by", "ended_by"):
        op.create_index(f"ix_configuration_placement_{column}", "configuration_placement", [column])
    op.create_table(
        "configuration_trait",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        *_believed(),
    )
    op.create_index("ix_configuration_trait_item_name", "configuration_trait", ["item", "name"])
    op.create_index("ix_configuration_trait_name_value", "configuration_trait", ["name", "value"])
    for column in ("begun_by", "ended_by"):
        op.create_index(f"ix_configuration_trait_{column}", "configuration_trait", [column])
    op.create_table(
        "configuration_usage",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("item", _NUMBER, sa.ForeignKey("configuration_item.number"), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("amount", sa.Float, nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        *_believed(),
    )
    op.create_index("ix_configuration_usage_item_kind", "configuration_usage", ["item", "kind"])
    for column in ("begun_by", "ended_by"):
        op.create_index(f"ix_configuration_usage_{column}", "configuration_usage", [column])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


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


def _guard_sqlite() -> None:
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is never deleted from'); END"
        )
    op.execute(
        "CREATE TRIGGER configuration_act_fixed BEFORE UPDATE ON configuration_act "
        "BEGIN SELECT RAISE(ABORT, 'an act is never changed'); END"
    )
    for table, columns in _BELIEVED.items():
        changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in ("number", *columns, *_TIMES))
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} "
            f"WHEN OLD.recorded_to <> {_FOREVER} OR {changed} "
            f"BEGIN SELECT RAISE(ABORT, 'what was believed is never changed, only closed once'); END"
        )
    meets = (
        f"o.recorded_to = {_FOREVER} AND NEW.recorded_to = {_FOREVER} "
        "AND o.valid_from < NEW.valid_to AND NEW.valid_from < o.valid_to"
    )
    for table, same, what in (
        ("configuration_placement", "o.child = NEW.child", "an item is in one place at a time"),
        ("configuration_placement", "o.place = NEW.place AND NEW.single", "a slot holds one item at a time"),
        ("configuration_trait", "o.item = NEW.item AND o.name = NEW.name", "a trait has one value at a time"),
        (
            "configuration_usage",
            "o.item = NEW.item AND o.kind = NEW.kind AND NOT o.own AND NOT NEW.own",
            "one use of a kind is told of an item at a time",
        ),
    ):
        name = f"{table}_{'place' if 'place =' in same else 'alone'}"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} o WHERE {same} AND {meets}) "
            f"BEGIN SELECT RAISE(ABORT, '{what}'); END"
        )


def _guard_postgres() -> None:
    op.execute(
        "CREATE FUNCTION configuration_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is never deleted from, and only closed once', TG_TABLE_NAME; END $$"
    )
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION configuration_refuse()"
        )
    op.execute(
        "CREATE TRIGGER configuration_act_fixed BEFORE UPDATE ON configuration_act "
        "FOR EACH ROW EXECUTE FUNCTION configuration_refuse()"
    )
    for table, columns in _BELIEVED.items():
        changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in ("number", *columns, *_TIMES))
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} FOR EACH ROW "
            f"WHEN (OLD.recorded_to <> {_FOREVER} OR {changed}) EXECUTE FUNCTION configuration_refuse()"
        )
    # Ranges of one number stand for equality: plain ones would need the extension btree_gist.
    during = "int8range(valid_from, valid_to) WITH &&"
    for table, name, same, where in (
        ("configuration_placement", "alone", "int8range(child, child, '[]') WITH &&", ""),
        ("configuration_placement", "place", "int8range(place, place, '[]') WITH &&", " AND single"),
    ):
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT ex_{table}_{name} EXCLUDE USING gist ({same}, {during}) "
            f"WHERE (recorded_to = {_FOREVER}{where})"
        )
    for table, same, what in (
        ("configuration_trait", "o.item = NEW.item AND o.name = NEW.name", "a trait has one value at a time"),
        (
            "configuration_usage",
            "o.item = NEW.item AND o.kind = NEW.kind AND NOT o.own AND NOT NEW.own",
            "one use of a kind is told of an item at a time",
        ),
    ):
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

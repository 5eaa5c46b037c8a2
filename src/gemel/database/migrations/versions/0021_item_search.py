"""Items are found by any part of what is written on them, by an index; and no index holds acts that ended nothing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0021_item_search"
down_revision = "0020_offers"
branch_labels = None
depends_on = None

_BELIEVED = ("placement", "trait", "usage", "observation", "software", "standing")
_TOLD = "id || {sep} || part || {sep} || serial || {sep} || maker || {sep} || lot"
_FOUND = "configuration_item_search"


def upgrade() -> None:
    """Make the indexes: of three letters each, by FTS5 on SQLite, by pg_trgm on PostgreSQL."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in _BELIEVED:
        table, ended = f"configuration_{name}", sa.text("ended_by IS NOT NULL")
        op.drop_index(f"ix_{table}_ended_by", table)
        op.create_index(f"ix_{table}_ended_by", table, ["ended_by"], sqlite_where=ended, postgresql_where=ended)
    op.create_index("ix_configuration_alias_item", "configuration_alias", ["item"])
    (_search_sqlite if sqlite else _search_postgres)()


def _search_sqlite() -> None:
    told = _TOLD.format(sep="char(31)")
    others = "SELECT char(31) || group_concat(value, char(31)) FROM configuration_alias a WHERE a.item = i.number"
    op.execute(
        f"CREATE VIEW configuration_item_text AS SELECT number, lower({told} || coalesce(({others}), '')) AS text "
        "FROM configuration_item i"
    )
    op.execute(
        f"CREATE VIRTUAL TABLE {_FOUND} USING fts5(text, content='configuration_item_text', content_rowid='number', "
        "tokenize='trigram', columnsize=0)"
    )
    op.execute(f"INSERT INTO {_FOUND}({_FOUND}) VALUES('rebuild')")
    for table, number, columns in (
        ("configuration_item", "number", "id, part, serial, maker, lot"),
        ("configuration_alias", "item", "value, item"),
    ):
        old, new = f"OLD.{number}", f"NEW.{number}"
        for when, of, numbers in (
            ("INSERT", "INSERT", new),
            ("UPDATE", f"UPDATE OF {columns}", f"{old}, {new}"),
            ("DELETE", "DELETE", old),
        ):
            among = f"FROM configuration_item_text WHERE number IN ({numbers})"
            if (table, when) != ("configuration_item", "INSERT"):
                op.execute(
                    f"CREATE TRIGGER {table}_unfound_{when.lower()} BEFORE {of} ON {table} BEGIN "
                    f"INSERT INTO {_FOUND}({_FOUND}, rowid, text) SELECT 'delete', number, text {among}; END"
                )
            if (table, when) != ("configuration_item", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_found_{when.lower()} AFTER {of} ON {table} BEGIN "
                    f"INSERT INTO {_FOUND}(rowid, text) SELECT number, text {among}; END"
                )


def _search_postgres() -> None:
    """Without the right to make the extension there is no index: the same is found, by looking at all."""
    told = _TOLD.format(sep="chr(31)")
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for table, text in (("configuration_item", told), ("configuration_alias", "value")):
                op.execute(
                    f'CREATE INDEX ix_{table}_text ON {table} USING gin ((lower(({text}) COLLATE "C")) gin_trgm_ops)'
                )
    except DBAPIError:
        return

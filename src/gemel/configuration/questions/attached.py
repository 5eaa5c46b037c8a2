"""Configurations of others, asked where they lie: Parquet files and SQL databases with a line for each part.

Nothing is copied. A source says where it is and which of its columns mean what. From then on a fleet question or a
tree is asked of it as of our own: the same SQL, over views of its lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import duckdb
import msgspec
import structlog
from sqlalchemy import Connection, delete, insert, select

from gemel import history
from gemel.clock import Clock
from gemel.configuration.acts.acting import REVISION
from gemel.configuration.upkeep.tables import source as sources_table
from gemel.configuration.values import FOREVER, Item, ItemKind, Node
from gemel.database import Database
from gemel.errors import GemelError, InvalidInput, NotFound
from gemel.twin import Change, check_id

__all__ = ["OURS", "SCHEMA", "Engines", "Lines", "Reach", "Source", "SourceStatus", "Sources"]

_log = structlog.get_logger("gemel.configuration")
Run = Callable[..., object]
SCHEMA = "attached"
"""Of the views of a source; of several that are asked as one, with their places behind it: attached0 …"""
OURS = "own"
"""Names what is believed here, beside sources."""
_EXTENSIONS = {"parquet": (), "csv": (), "sqlite": ("sqlite",), "postgres": ("postgres",)}
_DEEPEST = 64
_MOST_NODES = 50_000
_CONNECT_S = 10
_LONGEST = 16_384
_MOST_JOINED = 8
"""Engines over several sources that stay open; of each source alone there is one."""


class Lines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which column of the source means what; a line is an item, and where it was from–to."""

    item: str
    """Its id, unique in the source."""
    part: str
    parent: str = ""
    """Id of what it is in; empty in a line: it is a machine itself. No column: there are only loose items."""
    slot: str = ""
    revision: str = ""
    maker: str = ""
    serial: str = ""
    lot: str = ""
    kind: str = ""
    since: str = ""
    """A date, a time with zone, or microseconds; none: from ever."""
    until: str = ""
    recorded: str = ""
    """When the source learnt of it; none: as of any knowing it tells what it tells today."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A source of configurations, outside."""

    id: str
    kind: Literal["parquet", "csv", "sqlite", "postgres"]
    columns: Lines
    path: str = ""
    """Of files: below the platform's inbox/, with * for several: inbox/fleet/*.parquet."""
    table: str = ""
    """Of a database: the table or view, with its schema: public.asbuilt."""
    secret: str = ""
    """Of PostgreSQL: the file below the secrets that holds its address, postgresql://…"""
    moves: bool = False
    """An item has a line for each place that it was in; else it has one."""
    machines: Literal["lines", "parents"] = "lines"
    """Whether machines have lines of their own, or are only named as parents."""
    part_of_machines: str = "machine"
    """The part number of machines that are only named."""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A source, and whether it answers."""

    source: Source
    lines: int = 0
    error: str = ""


class Reach(Protocol):
    """What of this machine a source may name. Both refuse what is not below their folder."""

    def inbox(self, name: str) -> Path: ...

    def file(self, name: str) -> Path: ...


class Engines:
    """The sources that are open, each in an engine that reaches nothing else. Any thread."""

    def __init__(self, own: Database) -> None:
        self._own = own
        self.reach: Reach | None = None
        """None: nothing can be attached."""
        self._open: dict[str, tuple[tuple[Source, ...], duckdb.DuckDBPyConnection]] = {}
        """By their ids, those that were asked last at the end."""
        self._lock = Lock()

    @contextmanager
    def cursor(self, *sources: Source, whole: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Raises InvalidInput when a source does not answer as it is declared. `whole`: why, with what that tells of
        files and servers, for whoever attaches it; raises InvalidDocument and MissingExtra then, too."""
        try:
            cursor = self._cursor(sources)
        except GemelError as error:
            if whole:
                raise
            raise _silent(sources, error) from None
        try:
            yield cursor
        except duckdb.Error as error:
            refused = _refused(sources, error)
            raise (refused if whole else _silent(sources, refused)) from None
        finally:
            cursor.close()

    def _cursor(self, sources: tuple[Source, ...]) -> duckdb.DuckDBPyConnection:
        key = _ids(sources)
        with self._lock:
            known, engine = self._open.get(key, (None, None))
            if engine is not None and known == sources:
                self._open[key] = self._open.pop(key)
                return engine.cursor()
        fresh = _opened(sources, self.reach, self._own)  # a server that does not answer holds up nobody else
        cursor = fresh.cursor()
        with self._lock:
            self._open.pop(key, None)
            self._open[key] = sources, fresh
            joined = [one for one, (several, _) in self._open.items() if len(several) > 1]
            for one in joined[:-_MOST_JOINED]:
                del self._open[one]  # not closed, for that would cut off who asks it: it ends with the last of these
        return cursor

    def let_go(self, id: str) -> None:
        """Close a source."""
        with self._lock:
            keys = [key for key, (sources, _) in self._open.items() if id in {source.id for source in sources}]
            engines = [self._open.pop(key)[1] for key in keys]
        for engine in engines:
            engine.close()

    def close(self) -> None:
        with self._lock:
            engines = [engine for _, engine in self._open.values()]
            self._open.clear()
        for engine in engines:
            engine.close()


class Sources:
    """The sources of one configuration."""

    def __init__(self, database: Database, clock: Clock, run: Run, engines: Engines, *, actor: str = "") -> None:
        self._database, self._clock, self._run = database, clock, run
        self._engines, self._actor = engines, actor

    def declare(self, source: Source) -> SourceStatus:
        """Attach a source from now on, or tell one otherwise. Raises InvalidInput when it does not answer as told,
        InvalidDocument for what may not be reached, MissingExtra."""
        check_id(source.id)
        if source.id == OURS:
            raise InvalidInput(f"{OURS} names what is believed here; call the source otherwise")
        if len(msgspec.json.encode(source)) > _LONGEST:
            raise InvalidInput(f"a source is declared in at most {_LONGEST} characters as JSON")
        with self._engines.cursor(source, whole=True) as cursor:
            lines = cursor.execute(_LOOKED_THROUGH).fetchone()
            several = None if source.moves else cursor.execute(_SEVERAL).fetchone()
        assert lines is not None
        if several is not None:
            raise InvalidInput(
                f"the id {several[0]!r:.120} has {several[1]} lines; say `moves` if an item has a line for each place "
                "that it was in"
            )
        told = {"kind": source.kind, "path": source.path, "table": source.table, "lines": lines[0]}

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(delete(sources_table).where(sources_table.c.id == source.id))
            body = msgspec.json.encode(source).decode()
            tx.execute(insert(sources_table).values(id=source.id, body=body, actor=self._actor))
            return [self._change("configuration.source_attached", source.id, told)]

        self._run(work, actor=self._actor)
        return SourceStatus(source=source, lines=lines[0])

    def remove(self, id: str) -> None:
        """Attach it no more. Raises NotFound."""
        self.get(id)

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(delete(sources_table).where(sources_table.c.id == id))
            return [self._change("configuration.source_removed", id, {})]

        self._run(work, actor=self._actor)
        self._engines.let_go(id)

    def get(self, id: str) -> Source:
        """Raises NotFound."""
        known = {source.id: source for source in self.all()}
        if id not in known:
            raise NotFound(f"no source {id!r:.160} is attached; there are {', '.join(sorted(known)) or 'none'}")
        return known[id]

    def all(self) -> list[Source]:
        with self._database.read() as tx:
            bodies = tx.scalars(select(sources_table.c.body).order_by(sources_table.c.id))
            return [msgspec.json.decode(body, type=Source) for body in bodies]

    def status(self) -> list[SourceStatus]:
        """Every source, and whether it answers."""
        return [self.look(source) for source in self.all()]

    def look(self, source: Source) -> SourceStatus:
        """Whether a source answers."""
        try:
            with self._engines.cursor(source, whole=True) as cursor:
                row = cursor.execute(f"SELECT count(*) FROM {SCHEMA}.line").fetchone()
            return SourceStatus(source=source, lines=row[0] if row else 0)
        except GemelError as error:
            return SourceStatus(source=source, error=error.detail)

    def cursor(self, *sources: Source) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Over the views of sources: of each the relations of `Columns`, in a schema of its own (SCHEMA)."""
        return self._engines.cursor(*sources)

    def machines(self, source: Source, *, q: str = "", limit: int = 20) -> list[Item]:
        """The first that are in nothing, in order of their ids; `q`: with this in their id, part or serial number."""
        with self._engines.cursor(source) as cursor:
            rows = cursor.execute(_MACHINES, [f"%{_plain(q)}%", limit]).fetchall()
        return [_item(row) for row in rows]

    def tree(self, source: Source, root: str, valid: int, known: int) -> Node:
        """An item with all that it consists of, as `Configuration.tree`. Raises NotFound, InvalidInput (too much)."""
        with self._engines.cursor(source) as cursor:
            moments = {"{valid}": str(int(valid)), "{known}": str(int(known))}
            sql = _TREE
            for name, value in moments.items():
                sql = sql.replace(name, value)
            rows = cursor.execute(sql, [root, root]).fetchall()
        if not rows:
            raise NotFound(f"{source.id} tells of no item {root!r:.160}")
        below: dict[str, dict[tuple[str, str, int], Item]] = {}
        top: Item | None = None
        for parent, slot, since, *told in rows:
            item = _item(told)
            if not parent:
                top = item
            else:
                below.setdefault(parent, {})[slot, item.id, since] = item
        assert top is not None
        nodes = count(1)

        def node(item: Item, path: tuple[str, ...], since: int, within: tuple[str, ...]) -> Node:
            if item.id in within:
                raise InvalidInput(f"{item.id:.120} is in itself, as {source.id} tells it; mend its lines")
            if next(nodes) > _MOST_NODES or len(path) > _DEEPEST:
                raise InvalidInput(
                    f"{top.id:.120} consists of more than {_MOST_NODES:,} items or is deeper than {_DEEPEST}, as "
                    f"{source.id} tells it; ask for a part of it"
                )
            inner = sorted(below.get(item.id, {}).items())
            held = (*within, item.id)
            parts = tuple(node(part, (*path, slot), begun, held) for (slot, _, begun), part in inner)
            return Node(item=item, path=path, since=since, parts=parts)

        return node(top, (), top.born, ())

    def _change(self, kind: str, id: str, body: dict[str, Any]) -> Change:
        return Change(kind=kind, subject=id, time=self._clock.now(), actor=self._actor, body=body)


def _ids(sources: Sequence[Source]) -> str:
    return ",".join(source.id for source in sources)


def _opened(sources: Sequence[Source], reach: Reach | None, own: Database) -> duckdb.DuckDBPyConnection:
    """An engine that reaches these sources and nothing else."""
    if reach is None:
        raise InvalidInput("sources are attached to a platform that has a folder: they lie below its inbox/")
    engine = history.engine(extensions=tuple({one: None for source in sources for one in _EXTENSIONS[source.kind]}))
    try:
        folders: list[str] = []
        for at, source in enumerate(sources):
            schema = SCHEMA if len(sources) == 1 else f"{SCHEMA}{at}"
            folders += _found(engine, source, reach, at, own)
            _views(engine, source, schema, f"raw{at}")
        if folders:
            engine.execute(f"SET allowed_directories = [{', '.join(_text(one) for one in folders)}]")
        engine.execute("SET enable_external_access = false")
        engine.execute("SET lock_configuration = true")
        engine.execute(f"SELECT * FROM {schema}.line LIMIT 0")
    except duckdb.Error as error:
        engine.close()
        raise _refused(sources, error) from None
    except BaseException:
        engine.close()
        raise
    return engine


def _found(engine: duckdb.DuckDBPyConnection, source: Source, reach: Reach, at: int, own: Database) -> list[str]:
    """Make the view `raw` of the source as it is; returns the folders that it reads from."""
    folders = []
    if source.kind == "postgres":
        address = _address(reach.file(source.secret), source.secret)
        engine.execute(f"ATTACH {_text(address)} AS outside{at} (TYPE postgres, READ_ONLY)")
        if not own.is_sqlite:
            _not_our_own(engine, source, at, own)
        rows = f"outside{at}.{_name(source.table)}"
    else:
        path = reach.inbox(source.path)
        if source.kind == "sqlite":
            if not path.is_file():
                raise InvalidInput(f"{source.path} is no file; put the database there")
            engine.execute(f"ATTACH {_text(str(path))} AS outside{at} (TYPE sqlite, READ_ONLY)")
            rows = f"outside{at}.{_name(source.table)}"
        else:
            base = path.parent if "*" in path.name else path
            folders.append(str(base.resolve() if base.is_dir() else base.parent.resolve()))
            reader = "read_parquet" if source.kind == "parquet" else "read_csv"
            rows = f"{reader}({_text(str(path.parent.resolve() / path.name))})"
    engine.execute(f"CREATE VIEW raw{at} AS SELECT * FROM {rows}")
    return folders


def _not_our_own(engine: duckdb.DuckDBPyConnection, source: Source, at: int, own: Database) -> None:
    """Raises InvalidInput where a source lies in the platform's own database: accounts and journal are there."""
    outside = engine.execute(f"SELECT which FROM postgres_query({_text(f'outside{at}')}, {_text(_WHICH)})").fetchone()
    with own.read() as tx:
        ours = tx.exec_driver_sql(_WHICH).scalar()
    if outside is not None and outside[0] == ours:
        raise InvalidInput(f"{source.id} is in the database of this platform; attach a table of another database")


def _address(path: Path, name: str) -> str:
    """Of a server. What is none is not handed to the engine, which would tell parts of it."""
    try:
        told = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        told = ""
    if not re.fullmatch(r"postgres(ql)?://\S+", told):
        raise InvalidInput(f"the file {name:.160} of the secrets holds no address; write it as postgresql://…")
    return told if "connect_timeout=" in told else f"{told}{'&' if '?' in told else '?'}connect_timeout={_CONNECT_S}"


def _views(engine: duckdb.DuckDBPyConnection, source: Source, schema: str, raw: str) -> None:
    """The relations of the columns, over `raw`."""
    types = {name: kind for name, kind, *_ in engine.execute(f"DESCRIBE {raw}").fetchall()}
    of = source.columns
    missing = [told for told in msgspec.structs.astuple(of) if told and told not in types]
    if missing:
        listed = ", ".join(sorted(types))
        raise InvalidInput(f"{source.id} has no column {missing[0]!r:.160}; it has {listed:.600}")

    def text(name: str) -> str:
        return f"coalesce(CAST({_quoted(name)} AS VARCHAR), '')" if name else "''"

    def moment(name: str, otherwise: int) -> str:
        if not name:
            return f"{otherwise}::BIGINT"
        told = _quoted(name)
        if types[name] == "BLOB":  # columns of SQLite that were declared without a type
            told = f"CAST({told} AS VARCHAR)"
        if types[name] not in ("BIGINT", "INTEGER", "HUGEINT"):
            told = f"epoch_us(CAST({told} AS TIMESTAMPTZ))"
        return f"coalesce({told}, {otherwise})::BIGINT"

    engine.execute(f"CREATE SCHEMA {schema}")
    engine.execute(
        f"CREATE VIEW {schema}.line AS SELECT {text(of.item)} AS id, {text(of.part)} AS part, {text(of.parent)} AS "
        f"parent, {text(of.slot)} AS slot, {text(of.revision)} AS revision, {text(of.maker)} AS maker, "
        f"{text(of.serial)} AS serial, {text(of.lot)} AS lot, {text(of.kind)} AS kind, "
        f"{moment(of.since, -FOREVER)} AS valid_from, {moment(of.until, FOREVER)} AS valid_to, "
        f"{moment(of.recorded, -FOREVER)} AS recorded_from, {FOREVER}::BIGINT AS recorded_to FROM {raw}"
    )
    told = "id, part, revision, maker, serial, lot, kind"
    one = ", ".join(f"any_value({name}) AS {name}" for name in told.split(", ")[1:])
    items = (
        f"SELECT id AS number, id, {one}, min(valid_from) AS born FROM {schema}.line GROUP BY id"
        if source.moves
        else f"SELECT id AS number, {told}, valid_from AS born FROM {schema}.line"
    )
    if source.machines == "parents":
        items += (
            f" UNION ALL SELECT parent, parent, {_text(source.part_of_machines)}, '', '', '', '', '', {-FOREVER} FROM "
            f"(SELECT DISTINCT parent FROM {schema}.line WHERE parent <> '' AND parent NOT IN "
            f"(SELECT id FROM {schema}.line))"
        )
    times = "valid_from, valid_to, recorded_from, recorded_to"
    engine.execute(f"CREATE VIEW {schema}.item AS {items}")
    engine.execute(
        f"CREATE VIEW {schema}.placement AS SELECT id AS child, parent, slot, {times} FROM {schema}.line "
        "WHERE parent <> ''"
    )
    engine.execute(f"CREATE VIEW {schema}.held AS SELECT * FROM {schema}.placement")
    engine.execute(
        f"CREATE VIEW {schema}.trait AS SELECT id AS item, '{REVISION}' AS name, revision AS value, {times} "
        f"FROM {schema}.line"
    )
    engine.execute(
        f"CREATE VIEW {schema}.software AS SELECT id AS item, slot, part, revision AS version, {times} "
        f"FROM {schema}.line WHERE false"
    )


_LOOKED_THROUGH = f"SELECT count(*), min(valid_from), max(valid_to), max(recorded_from) FROM {SCHEMA}.line"
"""Also reads every moment, so that one that is none is told at once."""
_SEVERAL = f"SELECT id, count(*) FROM {SCHEMA}.line GROUP BY id HAVING count(*) > 1 LIMIT 1"

_TREE = f"""
WITH RECURSIVE p AS MATERIALIZED (
  SELECT child, parent, slot, valid_from FROM {SCHEMA}.placement
  WHERE valid_from <= {{valid}} AND valid_to > {{valid}} AND recorded_from <= {{known}} AND recorded_to > {{known}}
),
found(child, parent, slot, since) AS (
  SELECT ?, '', '', 0::BIGINT
  UNION
  SELECT p.child, p.parent, p.slot, p.valid_from FROM p JOIN found ON p.parent = found.child
)
SELECT f.parent, f.slot, f.since, i.id, i.part, i.revision, i.maker, i.serial, i.lot, i.kind, i.born
FROM found f JOIN {SCHEMA}.item i ON i.number = f.child
WHERE EXISTS (SELECT 1 FROM {SCHEMA}.item WHERE number = ?)
"""


_MACHINES = f"""
SELECT i.id, i.part, i.revision, i.maker, i.serial, i.lot, i.kind, i.born FROM {SCHEMA}.item i
WHERE concat_ws(chr(10), i.id, i.part, i.serial) ILIKE ? ESCAPE '\\'
  AND NOT EXISTS (SELECT 1 FROM {SCHEMA}.placement p WHERE p.child = i.id)
ORDER BY i.id LIMIT ?
"""

_WHICH = (
    "SELECT CAST(oid AS text) || '@' || CAST(extract(epoch FROM pg_postmaster_start_time()) AS text) AS which "
    "FROM pg_database WHERE datname = current_database()"
)
"""Which database of which server it is, by whatever address."""
_ADDRESS = re.compile(r""" at ".*"(?=:)|\w+://[^@\s]*@|password\s*=\s*('[^']*'|\S+)""", re.IGNORECASE)
"""What an engine tells of a database's address, with the password in it."""


def _refused(sources: Sequence[Source], error: duckdb.Error) -> GemelError:
    told = _ADDRESS.sub("", str(error).partition("\n")[0])
    return InvalidInput(f"the source {_ids(sources)} does not answer as it is declared: {told:.300}")


def _silent(sources: Sequence[Source], why: GemelError) -> GemelError:
    """What is told to whoever may not know of files and servers."""
    _log.warning("a source did not answer", source=_ids(sources), error=why.detail)
    return InvalidInput(f"the source {_ids(sources):.300} does not answer as it is declared; an engineer sees why")


def _item(told: Sequence[Any]) -> Item:
    id, part, revision, maker, serial, lot, kind, born = told
    return Item(
        id=id,
        part=part,
        revision=revision or "",
        maker=maker or "",
        serial=serial or "",
        lot=lot or "",
        kind=_kind(kind),
        twin="",
        born=born,
    )


def _plain(text: str) -> str:
    """Of a pattern: without what means any text."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _kind(told: str) -> ItemKind:
    try:
        return ItemKind(told.lower())
    except ValueError:
        return ItemKind.HARDWARE


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _name(table: str) -> str:
    if not table:
        raise InvalidInput("say which table of the database it is")
    return ".".join(_quoted(part) for part in table.split("."))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

"""Staging: a bulk load's source is checked against the properties and becomes Parquet of our own shape."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gemel.clock import MAX_TIME, MIN_TIME
from gemel.disk import make_folder, sync
from gemel.errors import InvalidInput, Problem
from gemel.history import extensions
from gemel.history.load import Progress, Staged, file_digest, load_hash, staged_folder, text
from gemel.history.mapping import Mapping, Target, targets_of
from gemel.history.reader import moment
from gemel.history.tables import READINGS, SQL_TYPES
from gemel.registry import Directory
from gemel.twin import Form, Kind

__all__ = ["stage"]

_EXAMPLES = 100
_TIME_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


def stage(
    source: Path | pa.Table, mapping: Mapping, directory: Directory, folder: Path, *, progress: Progress | None = None
) -> Staged:
    """Check the source and write its rows to `loads/<hash>` on disk. Raises InvalidInput, InvalidDocument, NotFound."""
    told = progress or (lambda _: None)
    if mapping.time_unit not in _TIME_UNITS:
        raise InvalidInput(f"time_unit {mapping.time_unit!r:.20} is not one of {', '.join(_TIME_UNITS)}")
    digest = load_hash(source, mapping)
    told(0.1)
    target = staged_folder(folder, digest)
    shutil.rmtree(target, ignore_errors=True)
    make_folder(target)
    try:
        with extensions.connect() as connection:
            held = _Staging(connection, mapping, directory, target).run(source, digest, told)
    except duckdb.Error as error:
        shutil.rmtree(target, ignore_errors=True)
        raise InvalidInput(f"the source cannot be read: {error!s:.400}") from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    (target / "staged.json").write_bytes(msgspec.json.encode(held))
    for path in (*target.iterdir(), target, target.parent):
        sync(path)
    return held


class _Staging:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, mapping: Mapping, directory: Directory, folder: Path
    ) -> None:
        self._db = connection
        self._mapping = mapping
        self._directory = directory
        self._folder = folder
        self._first_line = 1

    def run(self, source: Path | pa.Table, digest: str, told: Progress) -> Staged:
        self._open(source)
        told(0.3)
        self._check_columns()
        targets = targets_of(self._mapping, self._directory, self._names())
        tables: dict[str, int] = {}
        given = 0
        for done, form in enumerate(Form):
            mine = [target for target in targets if target.property.form is form]
            if mine:
                path = self._folder / f"{READINGS[form]}.parquet"
                query = f"SELECT series, time, value FROM ({self._values(mine, form)}) WHERE ok"
                (count,) = self._one(f"COPY ({query}) TO {text(path)} (FORMAT parquet, COMPRESSION lz4)")
                given += self._given(mine)
                if count:
                    tables[READINGS[form]] = count
                else:
                    path.unlink()
            told(0.3 + 0.6 * (done + 1) / len(Form))
        rows = sum(tables.values())
        unknown = self._unknown()
        rejected = given - rows + unknown
        problems = self._problems(targets) if rejected else ()
        digests = {table: file_digest(self._folder / f"{table}.parquet") for table in tables}
        start, end = self._bounds(tables)
        (self._folder / "source.parquet.tmp").unlink(missing_ok=True)
        return Staged(digest, rows, start, end, tables, digests, rejected, problems)

    def _one(self, query: str) -> tuple[int, ...]:
        row = self._db.execute(query).fetchone()
        assert row is not None
        return row

    def _open(self, source: Path | pa.Table) -> None:
        """Make the view `source`: the source's columns and `_line`."""
        if isinstance(source, pa.Table):
            path = self._folder / "source.parquet.tmp"
            pq.write_table(source, path, compression="lz4")
        elif source.suffix.lower() in (".parquet", ".pq"):
            path = source
        else:
            # Once through the CSV reader, line by line; every later question goes to columns.
            path = self._folder / "source.parquet.tmp"
            self._first_line = 2
            self._db.execute(
                f"COPY (FROM read_csv({text(source)}, all_varchar = true, header = true, null_padding = true)) "
                f"TO {text(path)} (FORMAT parquet, COMPRESSION lz4)"
            )
        rows = f"read_parquet({text(path)}, file_row_number = true, hive_partitioning = false)"
        self._source = f"(SELECT *, file_row_number + {self._first_line} AS _line FROM {rows})"

    def _check_columns(self) -> None:
        self._types = {
            name: kind for name, kind, *_ in self._db.execute(f"DESCRIBE SELECT * FROM {self._source}").fetchall()
        }
        mapping = self._mapping
        wanted = [mapping.time, mapping.twin_column, mapping.property_column, mapping.value_column]
        wanted += [column.column for column in mapping.columns]
        missing = [name for name in wanted if name and name not in self._types]
        if missing:
            known = ", ".join(name for name in self._types if name not in ("_line", "file_row_number"))
            raise InvalidInput(f"the source has no column {missing[0]!r:.80}; it has {known}")

    def _names(self) -> list[tuple[str, str]]:
        if not self._mapping.is_long:
            return []
        twin, name = self._name_columns()
        return self._db.execute(f"SELECT DISTINCT {twin}, {name} FROM {self._source}").fetchall()

    def _name_columns(self) -> tuple[str, str]:
        mapping = self._mapping
        twin = f"CAST({_name(mapping.twin_column)} AS VARCHAR)" if mapping.twin_column else text(mapping.twin)
        return twin, f"CAST({_name(mapping.property_column)} AS VARCHAR)" if mapping.property_column else "''"

    def _time(self) -> str:
        """An expression for the source time in UTC; null where it cannot be read."""
        column, kind = _name(self._mapping.time), self._types[self._mapping.time]
        zone = self._mapping.time_zone  # conversions between zones cost ten times as much as reading the file
        local = "" if zone == "UTC" else f" AT TIME ZONE {text(zone)} AT TIME ZONE 'UTC'"
        if kind == "TIMESTAMP WITH TIME ZONE":
            found = f"make_timestamp(epoch_us({column}))"
        elif kind.startswith("TIMESTAMP"):
            found = f"CAST({column} AS TIMESTAMP){local}"
        elif kind == "VARCHAR":
            scale = _TIME_UNITS[self._mapping.time_unit]
            number = f"make_timestamp(CAST(round(TRY_CAST({column} AS DOUBLE) * {scale}) AS BIGINT))"
            has_offset = f"regexp_matches({column}, '(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$') AND contains({column}, ':')"
            found = (
                f"CASE WHEN TRY_CAST({column} AS DOUBLE) IS NOT NULL THEN {number} "
                f"WHEN {has_offset} THEN make_timestamp(epoch_us(TRY_CAST({column} AS TIMESTAMPTZ))) "
                f"ELSE TRY_CAST({column} AS TIMESTAMP){local} END"
            )
        else:
            micros = self._micros(column, kind)
            return f"CASE WHEN {micros} >= {MIN_TIME} AND {micros} < {MAX_TIME} THEN make_timestamp({micros}) END"
        return f"CASE WHEN {found} >= {moment(MIN_TIME)} AND {found} < {moment(MAX_TIME)} THEN {found} END"

    def _micros(self, column: str, kind: str) -> str:
        """An expression for a time that is a number; 1e3 is a DOUBLE, where 1000.0 would be a DECIMAL and slow."""
        if kind == "BIGINT" and self._mapping.time_unit == "us":
            return column
        return f"TRY_CAST(round(CAST({column} AS DOUBLE) * {_TIME_UNITS[self._mapping.time_unit]:e}) AS BIGINT)"

    def _values(self, targets: list[Target], form: Form) -> str:
        """A query of (line, series, time, value, ok, column, given) over all of these targets' values."""
        parts = []
        for alike in self._alike(targets):
            target = alike[0]
            column = _name(target.column)
            value = _value(column, target, form)
            good = [f"{value} IS NOT NULL", f"{self._time()} IS NOT NULL", *_limits(value, target)]
            source, series = self._source, str(target.series)
            if self._mapping.is_long:
                twin, name = self._name_columns()
                known = ", ".join(f"({text(one.twin)}, {text(one.name)}, {one.series})" for one in alike)
                source += (
                    f" JOIN (VALUES {known}) AS _known(_twin, _name, _series) ON {twin} = _twin AND {name} = _name"
                )
                series = "_series"
            parts.append(
                f"SELECT _line AS line, CAST({series} AS BIGINT) AS series, {self._time()} AS time, "
                f"CAST({value} AS {SQL_TYPES[form]}) AS value, coalesce({' AND '.join(good)}, false) AS ok, "
                f"{text(target.column)} AS field, {column} AS given FROM {source} WHERE {self._filled(target.column)}"
            )
        return " UNION ALL ".join(parts)

    def _alike(self, targets: list[Target]) -> list[list[Target]]:
        """Those of a long file that are read in the same way go together: one pass for a thousand twins of a type."""
        if not self._mapping.is_long:
            return [[target] for target in targets]
        found: dict[object, list[Target]] = {}
        for target in targets:
            told = target.property
            key = (told.kind, told.minimum, told.maximum, told.values, target.factor, target.offset)
            found.setdefault(key, []).append(target)
        return list(found.values())

    def _filled(self, column: str) -> str:
        """A condition: the cell holds something."""
        return f"{_name(column)} <> ''" if self._types[column] == "VARCHAR" else f"{_name(column)} IS NOT NULL"

    def _given(self, targets: list[Target]) -> int:
        """How many values there are to take in: those that are not empty."""
        if self._mapping.is_long:
            twin, name = self._name_columns()
            pairs = ", ".join(f"({text(t.twin)}, {text(t.name)})" for t in targets)
            return self._one(
                f"SELECT count(*) FROM {self._source} WHERE ({twin}, {name}) IN ({pairs}) "
                f"AND {self._filled(self._mapping.value_column)}"
            )[0]
        counts = (f"count(*) FILTER ({self._filled(t.column)})" for t in targets)
        return sum(self._one(f"SELECT {', '.join(counts)} FROM {self._source}"))

    def _unknown(self) -> int:
        """Rows of a long file whose twin or property is not known."""
        if not self._mapping.is_long:
            return 0
        return self._one(f"SELECT count(*) FROM ({self._unknown_rows()})")[0]

    def _unknown_rows(self) -> str:
        twin, name = self._name_columns()
        known = targets_of(self._mapping, self._directory, self._names())
        pairs = ", ".join(f"({text(t.twin)}, {text(t.name)})" for t in known) or "('', '')"
        return (
            f"SELECT _line, {twin} AS twin, {name} AS name FROM {self._source} WHERE ({twin}, {name}) NOT IN ({pairs})"
        )

    def _problems(self, targets: list[Target]) -> tuple[Problem, ...]:
        found = []
        for form in Form:
            mine = [target for target in targets if target.property.form is form]
            if mine:
                bad = f"SELECT line, field, CAST(given AS VARCHAR), time FROM ({self._values(mine, form)}) WHERE NOT ok"
                for line, column, given, time in self._db.execute(f"{bad} ORDER BY line LIMIT {_EXAMPLES}").fetchall():
                    why = f"{given!r:.60} does not fit the property" if time else "the time cannot be read"
                    found.append(Problem(why, field=column, line=line))
        if self._mapping.is_long:
            rows = self._db.execute(f"{self._unknown_rows()} ORDER BY _line LIMIT {_EXAMPLES}").fetchall()
            found += [Problem(f"there is no {twin}.{name}", line=line) for line, twin, name in rows]
        return tuple(sorted(found, key=lambda problem: (problem.line, problem.field))[:_EXAMPLES])

    def _bounds(self, tables: dict[str, int]) -> tuple[int | None, int | None]:
        if not tables:
            return None, None
        files = [self._folder / f"{table}.parquet" for table in tables]
        each = " UNION ALL ".join(f"SELECT min(time) AS least, max(time) AS most FROM {text(file)}" for file in files)
        start, end = self._one(f"SELECT epoch_us(min(least)), epoch_us(max(most)) FROM ({each})")
        return start, end


def _value(column: str, target: Target, form: Form) -> str:
    kind = target.property.kind
    if form is Form.NUMBER:
        value = f"TRY_CAST({column} AS DOUBLE)"
        if (target.factor, target.offset) != (1.0, 0.0):
            value = f"({value} * {target.factor!r} + {target.offset!r})"
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    if kind is Kind.BOOLEAN:
        return f"CAST(TRY_CAST({column} AS BOOLEAN) AS BIGINT)"
    return f"TRY_CAST({column} AS {SQL_TYPES[form]})"


def _limits(value: str, target: Target) -> list[str]:
    property = target.property
    terms = []
    if property.form in (Form.NUMBER, Form.INTEGER):
        if property.minimum is not None:
            terms.append(f"{value} >= {float(property.minimum)!r}")
        if property.maximum is not None:
            terms.append(f"{value} <= {float(property.maximum)!r}")
    if property.kind is Kind.ENUMERATION and property.values:
        terms.append(f"{value} IN ({', '.join(text(v) for v in property.values)})")
    return terms


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""The tables of users' SQL, cut down to what somebody sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gemel.access.projection import GROUP_OF_AREA, UNTOLD, Projection
from gemel.state import Files, Relation
from gemel.twin import PropertyGroup

__all__ = ["projected"]

_MOMENT = pa.timestamp("us")
_NAMES = ("name", "serial", "attributes")
_PROPERTY = "json_extract_string(body, '$.property')"
_GROUP = (
    "CASE "
    + f"WHEN {_PROPERTY} IS NOT NULL THEN 'property ' || {_PROPERTY} "
    + " ".join(f"WHEN starts_with(kind, '{area}') THEN '{group}'" for area, group in GROUP_OF_AREA.items())
    + f" WHEN starts_with(kind, 'twin.') THEN '{PropertyGroup.IDENTITY}' ELSE '{PropertyGroup.CONFIGURATION}' END"
)
_ENDS = " AND ".join(
    f"json_extract_string(body, '$.{end}') IN (SELECT twin FROM {{seen}})" for end in ("source", "target")
)
_TOLD = " AND ".join(f"NOT starts_with(kind, '{area}')" for area in UNTOLD)
_HAPPENED = (
    f"SELECT r.* EXCLUDE (told) FROM (SELECT *, {_GROUP} AS told FROM {{rows}}) r "
    "SEMI JOIN {seen} s ON r.twin = s.twin AND r.told = s.told AND r.time >= s.since "
    f"WHERE {_TOLD} AND (NOT starts_with(kind, 'link.') OR ({_ENDS}))"
)
_READINGS = "SELECT r.* FROM {rows} r SEMI JOIN {seen} s ON r.series = s.series AND r.time >= s.since"


def projected(known: Mapping[str, Relation], seen: Projection) -> dict[str, Relation]:
    """The same tables with the rows and columns that are seen; a table that nobody has looked at here is left out."""
    made: dict[str, Relation] = {}
    for name, relation in known.items():
        cut = _cut(name)
        if cut is not None:
            made[name] = _later(relation, cut, seen)
    return made


_Cut = Callable[[pa.Table | Files, Projection], pa.Table | Files]


def _later(relation: Relation, cut: _Cut, seen: Projection) -> Relation:
    return lambda: cut(relation() if callable(relation) else relation, seen)


def _cut(name: str) -> _Cut | None:
    if name.startswith("history.reading"):
        return _readings
    return {
        "twins": _twins,
        "links": _links,
        "entanglement": _ties,
        "history.series": _series,
        "history.happened": _happened,
    }.get(name)


def _ids(seen: Projection, *, group: str = "") -> pa.Array:
    held = np.array([not group or group in one.groups for one in seen.seen], np.bool_)
    numbers = seen.numbers[held[seen.kinds]] if len(seen.numbers) else seen.numbers
    return pa.array(seen.directory.ids(numbers.tolist()), pa.string())


def _twins(table: pa.Table | Files, seen: Projection) -> pa.Table:
    assert isinstance(table, pa.Table)
    table = table.filter(pc.is_in(table["twin"], _ids(seen)))
    named = pc.is_in(table["twin"], _ids(seen, group=PropertyGroup.IDENTITY))
    for column in _NAMES:
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), pc.if_else(named, table[column], pa.scalar("")))
    return table


def _links(table: pa.Table | Files, seen: Projection) -> pa.Table:
    assert isinstance(table, pa.Table)
    ids = _ids(seen)
    return table.filter(pc.and_(pc.is_in(table["source"], ids), pc.is_in(table["target"], ids)))


def _ties(table: pa.Table | Files, seen: Projection) -> pa.Table:
    assert isinstance(table, pa.Table)
    rows = [
        (entry := seen.directory.twin(twin)) is not None and name in seen.names(entry)
        for twin, name in zip(table["twin"].to_pylist(), table["property"].to_pylist(), strict=True)
    ]
    return table.filter(pa.array(rows, pa.bool_()))


def _series(table: pa.Table | Files, seen: Projection) -> pa.Table:
    assert isinstance(table, pa.Table)
    return table.filter(pc.is_in(table["series"], pa.array(seen.series()[0])))


def _readings(files: pa.Table | Files, seen: Projection) -> Files:
    assert isinstance(files, Files)
    series, since = seen.series()
    told = pa.table({"series": series, "since": pa.array(since).cast(_MOMENT)})
    return msgspec.structs.replace(files, seen=told, through=_READINGS)


def _happened(files: pa.Table | Files, seen: Projection) -> Files:
    assert isinstance(files, Files)
    rows: list[tuple[str, str, int]] = []
    for number, kind in zip(seen.numbers.tolist(), seen.kinds.tolist(), strict=True):
        entry, groups = seen.directory.entry(number), seen.seen[kind].groups
        if entry is None:
            continue
        rows += [(entry.id, group, since) for group, since in groups.items()]
        told = {name: groups.get(ref.property.shared_as) for name, ref in entry.properties.items()}
        rows += [(entry.id, f"property {name}", since) for name, since in told.items() if since is not None]
    twins, names, since_of = zip(*rows, strict=True) if rows else ((), (), ())
    told = pa.table(
        {
            "twin": pa.array(twins, pa.string()),
            "told": pa.array(names, pa.string()),
            "since": pa.array(since_of, pa.int64()).cast(_MOMENT),
        }
    )
    return msgspec.structs.replace(files, seen=told, through=_HAPPENED)

"""Taking one file in: its items, its readings, and what it tells, as acts of the thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import Connection, select

from gemel.configuration import FOREVER, Basis, ItemSpec
from gemel.configuration.tables import item as item_table
from gemel.history import History
from gemel.history import Mapping as LoadMapping
from gemel.thread import tables
from gemel.thread.documents import add
from gemel.thread.importing.found import Found, Given, Sure
from gemel.thread.importing.mapping import Mapping
from gemel.thread.importing.raising import raise_failed
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.store import Content
from gemel.thread.thread import Thread
from gemel.thread.values import Measurement, Origin, RecordSpec
from gemel.thread.writing import Entry, LinkSpec
from gemel.twin import Position

__all__ = ["Taking", "last_key_of", "source_of"]


class Taking:
    """By one mapping, on behalf of somebody."""

    def __init__(
        self, thread: Thread, history: History, change: Callable[..., Position], mapping: Mapping, *, actor: str
    ) -> None:
        self._thread, self._history, self._change = thread.as_(actor), history, change
        self._mapping, self._actor = mapping, actor

    def take_in(self, given: Given) -> list[int]:
        found, thread, mapping = given.found, self._thread, self._mapping
        content = (
            thread.store.keep_file(given.path)
            if given.source.keep
            else Content(sha256=found.sha256, size=found.size, media_type="")
        )
        papers = [
            (spec, thread.store.keep(given.data()) if given.path.suffix == ".gz" else content)
            for spec in found.documents
        ]
        names = self._items(found.items)
        if found.readings:
            table = pa.table(
                {
                    "twin": [row[0] for row in found.readings],
                    "property": [row[1] for row in found.readings],
                    "time": pa.array([row[2] for row in found.readings], pa.timestamp("us")),
                    "value": [row[3] for row in found.readings],
                }
            )
            how = LoadMapping(twin_column="twin", property_column="property", value_column="value")
            self._history.load(table, how, lambda change: self._change(lambda _: [change], actor=self._actor))
        acts, twins = [], sorted({row[0] for row in found.readings})
        for number, sure in enumerate(_sures(found)):
            confidence, reason = sure
            basis = Basis(
                source=source_of(mapping), key=key_of(found, mapping, number), confidence=confidence, reason=reason
            )

            def work(entry: Entry, sure: Sure = sure, first: bool = number == 0) -> dict[str, int]:
                origin = thread.source(
                    entry.tx, name=found.name, content=content, kept=given.source.keep, reader=found.reader
                )
                counts = {"records": 0, "links": 0, "measurements": 0}
                if first:
                    counts["records"] = sum(
                        entry.record(spec, Origin(source=origin, place=place))
                        for spec, place in found.records
                        if not self._said_more(entry.tx, spec)
                    )
                    counts["links"] += _structure(entry, found, origin)
                    for spec, kept in papers:
                        add(entry, spec, kept)
                        counts["links"] += bool(_of_record(entry, spec.id, found, origin))
                    counts["measurements"] = entry.measure(
                        _new(entry, [(_named(one, names), place) for one, place in found.measurements], origin)
                    )
                for link, place, how_sure in found.links:
                    if how_sure == sure:
                        there = Origin(source=origin, place=place)
                        counts["links"] += bool(entry.link(_renamed(link, names), there))
                return counts

            woven = thread.say(
                "imported", found.name, basis, work, sha256=found.sha256, mapping=mapping.name, twins=twins
            )
            acts.append(woven.act)
        self._raise(given, names)
        return acts

    def raise_again(self, given: Given) -> None:
        """Of a file that was taken in before: what could not be raised then, or was not for a stop in between."""
        names: dict[str, str] = {}
        with self._thread.reading() as tx:
            for spec in {spec.id: spec for spec, _ in given.found.items}.values():
                if known := _same(tx, spec):
                    names[spec.id] = known
        self._raise(given, names)

    def _raise(self, given: Given, names: dict[str, str]) -> None:
        with self._thread.reading() as tx:
            measured = [(_named(one, names), place) for one, place in given.found.measurements]
            raise_failed(self._thread.configuration, tx, given, measured, source_of(self._mapping))

    def _said_more(self, tx: Connection, spec: RecordSpec) -> bool:
        """Whether the record of a program that a log names is known already, from its file."""
        c = tables.record.c
        if spec.kind != "nc-program" or "tools" in spec.attributes:
            return False
        return tx.scalar(select(c.number).where(c.id == spec.id, c.recorded_to == FOREVER)) is not None

    def _items(self, items: Sequence[tuple[ItemSpec, int]]) -> dict[str, str]:
        """Make known who is not; returns the ids by which those are known that go by another one."""
        names: dict[str, str] = {}
        configuration = self._thread.configuration
        for spec, born in {spec.id: (spec, born) for spec, born in items}.values():
            with self._thread.reading() as tx:
                known = _same(tx, spec)
            if not known:
                configuration.create(spec, born, Basis(source=source_of(self._mapping), key=f"item {spec.id}"))
            elif known != spec.id:
                names[spec.id] = known
        return names


def _same(tx: Connection, spec: ItemSpec) -> str:
    """The id of the item with this part, maker and serial number; empty: of none."""
    c = item_table.c
    same = (c.part == spec.part, c.maker == spec.maker, c.serial == spec.serial, c.merged.is_(None))
    return str(tx.scalar(select(c.id).where(*same)) or "") if spec.serial else ""


def source_of(mapping: Mapping) -> str:
    return f"import {mapping.name}"[:128]


def key_of(found: Found, mapping: Mapping, number: int) -> str:
    """By content and by how it is read: a mapping that was mended reads anew."""
    told = msgspec.to_builtins(mapping)
    if not mapping.others:
        del told["others"]  # so that what was taken in before there were plug-ins is known again
    how = sha256(msgspec.json.encode(told)).hexdigest()
    return f"{found.sha256[:40]}:{found.reader}:{how[:16]}:{number}"


def last_key_of(found: Found, mapping: Mapping) -> str:
    """Of the act that is said last: with it, the file was taken in whole."""
    return key_of(found, mapping, len(_sures(found)) - 1)


def _sures(found: Found) -> list[Sure]:
    """How sure statements of the file are, the surest first; at least one, for the records."""
    return sorted({(1.0, ""), *(sure for _, _, sure in found.links)}, key=lambda sure: (-sure[0], sure[1]))


def _renamed(link: LinkSpec, names: dict[str, str]) -> LinkSpec:
    def named(node: Node) -> Node:
        if node.kind is NodeKind.ITEM and node.id in names:
            return msgspec.structs.replace(node, id=names[node.id])
        return node

    if not names:
        return link
    return msgspec.structs.replace(link, source=named(link.source), target=named(link.target))


def _named(one: Measurement, names: dict[str, str]) -> Measurement:
    return msgspec.structs.replace(one, item=names[one.item]) if one.item in names else one


def _new(
    entry: Entry, measurements: Sequence[tuple[Measurement, str]], origin: int
) -> list[tuple[Measurement, Origin]]:
    """Those that are not known so already; what was known differently is not believed any more."""
    m = tables.measurement
    held: dict[tuple[str, str, str], Any] = {}
    inspections = sorted({one.inspection for one, _ in measurements})
    for first in range(0, len(inspections), 500):
        some = inspections[first : first + 500]
        for row in entry.tx.execute(select(m).where(m.c.inspection.in_(some), m.c.recorded_to == FOREVER)):
            held[row.inspection, row.item, row.characteristic] = row
    new = []
    for one, place in measurements:
        before = held.get((one.inspection, one.item, one.characteristic))
        same = ("nominal", "lower", "upper", "value", "unit", "status", "time")
        if before is not None:
            if all(getattr(before, name) == getattr(one, name) for name in same):
                continue
            entry.cease(m, [before])
        new.append((one, Origin(source=origin, place=place)))
    return new


def _structure(entry: Entry, found: Found, origin: int) -> int:
    """Each child fits the slot of its parent that the position names."""
    count = 0
    for use in found.structure:
        slot = Node(kind=NodeKind.SLOT, id=f"part:{use.parent}", sub=use.position)
        link = LinkSpec(kind="fits", source=Node(kind=NodeKind.PART, id=use.child), target=slot)
        count += bool(entry.link(link, Origin(source=origin, place=use.place)))
    return count


def _of_record(entry: Entry, document: str, found: Found, origin: int) -> int:
    record = found.records[0][0].id
    link = LinkSpec(
        kind="contains",
        source=Node(kind=NodeKind.DOCUMENT, id=document),
        target=Node(kind=NodeKind.RECORD, id=record),
    )
    return entry.link(link, Origin(source=origin))

"""Importing: look at everything first, say what would come of it, row by row; then take it in, file by file."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gemel.clock import Clock
from gemel.configuration import FOREVER, Basis, PartsPlan
from gemel.errors import GemelError, InvalidDocument, InvalidInput, NotFound, Problem
from gemel.history import History
from gemel.registry import Plan, Registry
from gemel.thread import tables
from gemel.thread.importing.bom import read_bom
from gemel.thread.importing.built import Building, MachineCompared, read_as_built
from gemel.thread.importing.checking import check_items, check_readings, kinds_of
from gemel.thread.importing.declaring import declared
from gemel.thread.importing.files import read_file, read_list
from gemel.thread.importing.found import Fault, Found, Given, Program
from gemel.thread.importing.mapping import Mapping, OtherSource, Source
from gemel.thread.importing.other import read_other
from gemel.thread.importing.process_log import read_process_log
from gemel.thread.importing.qif import read_qif
from gemel.thread.importing.step import read_step
from gemel.thread.importing.taking import Taking, last_key_of, source_of
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.thread import Thread
from gemel.thread.writing import LinkSpec
from gemel.twin import Plant, Position
from gemel.twin.documents import parse_plant

__all__ = ["FilePreview", "Imports", "Preview"]

Read = Callable[[Given, Any], Callable[[], None] | None]
READERS: dict[str, tuple[str, Read]] = {
    "files": ("files", read_file),
    "lists": ("list", read_list),
    "structures": ("step", read_step),
    "boms": ("bom", read_bom),
    "as_built": ("as_built", read_as_built),
    "process_logs": ("process_log", read_process_log),
    "inspections": ("qif", read_qif),
}
MOST = 5_000
"""Files of one import."""
MOST_COMPARED = 200
"""Machines whose differences are told."""
Progress = Callable[[float], None]


class FilePreview(msgspec.Struct, frozen=True, kw_only=True):
    """What one file would bring, or brought."""

    name: str
    reader: str
    sha256: str
    size: int
    repeated: bool
    """It was taken in before, just so: nothing is done."""
    items: int
    records: int
    links: int
    measurements: int
    failed: int
    """Measurements out of tolerance."""
    readings: int
    documents: int
    parts: int
    """Lines of a structure: what is within what."""
    new: int
    """Lines of an as-built list that say what is new."""
    same: int
    """Lines of it that say what is recorded; what differs stands in `Preview.compared`."""
    left_out: int
    faults: tuple[Fault, ...]
    untold: int
    """There are more faults than these, by so many."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an import would do; with `done`, what it did."""

    mapping: str
    title: str
    acknowledgement: str
    plan: str
    """What becomes of the plant: types and twins that are not there yet."""
    book: str
    """What becomes of the parts book."""
    files: tuple[FilePreview, ...]
    unmatched: tuple[str, ...]
    """Files of the folder that the mapping does not name."""
    missing: tuple[str, ...]
    """Patterns of the mapping that no file matches."""
    compared: tuple[MachineCompared, ...] = ()
    """Machines of which as-built lists say something else than is recorded, slot by slot."""
    unseen: int = 0
    """There are more such machines than these, by so many."""
    errors: int
    """With one, nothing is taken in."""
    done: bool = False
    acts: tuple[int, ...] = ()


class Imports:
    """Over one open platform."""

    def __init__(
        self,
        thread: Thread,
        registry: Registry,
        history: History,
        change: Callable[..., Position],
        *,
        clock: Clock,
        plugins: Collection[str] = (),
    ) -> None:
        """`change`: does work in the writer's transaction. `plugins`: distributions whose importers may be run."""
        self._thread, self._registry, self._history = thread, registry, history
        self._change, self._clock = change, clock
        self._readers: dict[str, tuple[str, Read]] = {
            **READERS,
            "others": ("plug-in", partial(read_other, named=plugins)),
        }

    def preview(
        self, folder: Path, mapping: Mapping, *, receive: bool = False, progress: Progress | None = None
    ) -> Preview:
        """Read everything and change nothing. `receive`: what as-built lists say was seen, so the record is brought to
        it; else what they say otherwise than the record is a fault. Raises NotFound (the folder), InvalidDocument (the
        mapping)."""
        read = self._read(folder, mapping, progress or (lambda _: None), receive=receive)
        return self._told(read, mapping)

    def carry_out(
        self,
        folder: Path,
        mapping: Mapping,
        *,
        actor: str = "",
        receive: bool = False,
        progress: Progress | None = None,
    ) -> Preview:
        """Read everything, then take it in: each file whole or not at all, and each once. `receive`: see `preview`.

        Raises InvalidDocument with the faults if any is an error: then nothing was taken in.
        """
        told = progress or (lambda _: None)
        read = self._read(folder, mapping, lambda part: told(0.5 * part), receive=receive)
        if wrong := [(one.name, fault) for one in read.found for fault in one.errors]:
            problems = [Problem(f"{fault.message} ({fault.place or 'the file'})", name) for name, fault in wrong]
            raise InvalidDocument(f"the import ({mapping.name})", problems)
        preview = self._told(read, mapping)
        if read.plan:
            for stage in self._registry.stages(read.plan):
                self._change(stage, actor=actor)
            plan = read.plan
            self._change(lambda tx: self._registry.apply(tx, plan), actor=actor)
        if book := self._book(read):
            self._thread.configuration.as_(actor).parts.apply(book)
        taking = Taking(self._thread, self._history, self._change, mapping, actor=actor)
        building = Building(self._thread.configuration.as_(actor), self._clock.now(), receive=receive)
        building.listed = read.building.listed
        acts: list[int] = []
        for done, one in enumerate(preview.files):
            given = read.given[done]
            if not one.repeated or building.differs(given.found):
                building.take(given.found, Basis(source=source_of(mapping)))
                acts += taking.take_in(given)
            elif one.failed:
                taking.raise_again(given)
            told(0.5 + 0.5 * (done + 1) / max(1, len(preview.files)))
        files = tuple(
            msgspec.structs.replace(one, faults=tuple(given.found.faults), left_out=given.found.left_out)
            for one, given in zip(preview.files, read.given, strict=True)
        )
        return msgspec.structs.replace(preview, files=files, done=True, acts=tuple(acts))

    # reading

    def _read(self, folder: Path, mapping: Mapping, told: Progress, *, receive: bool) -> _Read:
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder}")
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if len(names) > MOST:
            raise InvalidInput(f"{folder} has {len(names):,} files; at most {MOST:,} are imported at once")
        plant, plan = self._plant(mapping)
        read = _Read(plan, Building(self._thread.configuration, self._clock.now(), receive=receive))
        wanted: list[tuple[str, Source, str]] = []
        for kind, source in mapping.sources():
            for pattern in source.files:
                matching = fnmatch.filter(names, pattern)
                if not matching:
                    read.missing.append(pattern)
                wanted += [(kind, source, name) for name in matching]
        read.unmatched = sorted(set(names) - {name for _, _, name in wanted})
        programs = self._programs()
        filed = {one.record for one in programs.values()}
        later: list[tuple[Given, Callable[[], None]]] = []
        kinds = kinds_of(plant, self._registry)
        for done, (kind, source, name) in enumerate(wanted):
            reader, work = self._readers[kind]
            reader = source.importer if isinstance(source, OtherSource) else reader
            given = Given(folder / name, name, source, mapping, reader)
            given.programs, given.filed = programs, filed
            if not given.found.errors:
                with _faults(given):
                    if (rest := work(given, source)) is not None:
                        later.append((given, rest))
            programs.update(given.found.programs)
            filed |= {one.record for one in given.found.programs.values()}
            check_readings(given.found, kinds)
            read.given.append(given)
            told((done + 1) / max(1, len(wanted)))
        for given, rest in later:
            with _faults(given):
                rest()
        with self._thread.reading() as tx:
            read.building.look(tx, read.given)
        check_items(read.found)
        self._check_links(read.found)
        return read

    def _check_links(self, found: Sequence[Found]) -> None:
        """A link leads to a record that is known, or that the same file or one before it tells of."""
        told: set[str] = set()
        with self._thread.reading() as tx:
            for one in found:
                told |= {spec.id for spec, _ in one.records}
                _check_nodes(one)
                for links, level in ((one.links, "error"), (one.optional, "note")):
                    for entry in links:
                        missing = [id for id in _records(entry[0]) if id not in told and not _is_known(tx, id)]
                        if missing and level == "error":
                            one.fault(
                                entry[1], f"it leads to the record {missing[0]!r:.120}, of which nothing tells before"
                            )
                        elif missing:
                            one.fault(
                                entry[1], f"nothing tells of the record {missing[0]!r:.120} that it leads to", "note"
                            )
                        elif links is one.optional:
                            one.links.append(entry)

    def _plant(self, mapping: Mapping) -> tuple[Plant | None, Plan | None]:
        if not mapping.plant:
            return None, None
        plant = parse_plant(msgspec.json.encode({"gemel": 1, **mapping.plant}), f"plant of {mapping.name}")
        if plant.connectors:
            raise InvalidInput(f"the mapping {mapping.name} declares connectors; declare them with `gemel apply`")
        return plant, self._registry.plan(plant) or None

    def _book(self, read: _Read) -> PartsPlan | None:
        """What structures change of the parts book."""
        parts = self._thread.configuration.parts
        document = declared(read.found, parts.all())
        return None if document is None else parts.plan(document)

    def _programs(self) -> dict[str, Program]:
        """NC programs that are known already, by their name in logs: the external id of their record."""
        c = tables.record.c
        with self._thread.reading() as tx:
            rows = tx.execute(
                select(c.id, c.external, c.attributes).where(
                    c.kind == "nc-program", c.recorded_to == FOREVER, c.external != ""
                )
            ).all()
        found = {}
        for row in rows:
            tools = msgspec.json.decode(row.attributes).get("tools", {})
            found[row.external] = Program(record=row.id, tools=tuple(tools) if isinstance(tools, dict) else ())
        return found

    def _told(self, read: _Read, mapping: Mapping) -> Preview:
        with self._thread.reading() as tx:
            files = tuple(self._file(tx, one, mapping, read.building) for one in read.found)
        compared = [one for listed in read.building.listed.values() for one in listed.compared]
        return Preview(
            mapping=mapping.name,
            title=mapping.title,
            acknowledgement=mapping.acknowledgement,
            plan=str(read.plan or ""),
            book=str(self._book(read) or ""),
            files=files,
            unmatched=tuple(read.unmatched),
            missing=tuple(read.missing),
            compared=tuple(compared[:MOST_COMPARED]),
            unseen=max(0, len(compared) - MOST_COMPARED),
            errors=sum(len(one.errors) for one in read.found),
        )

    def _file(self, tx: Connection, found: Found, mapping: Mapping, building: Building) -> FilePreview:
        c = tables.act.c
        new, same = building.counts(found)
        key = last_key_of(found, mapping)
        return FilePreview(
            name=found.name,
            reader=found.reader,
            sha256=found.sha256,
            size=found.size,
            repeated=tx.scalar(select(c.number).where(c.source == source_of(mapping), c.key == key)) is not None,
            items=len({spec.id for spec, _ in found.items}) + new,
            records=len({spec.id for spec, _ in found.records}),
            links=len(found.links),
            measurements=len(found.measurements),
            failed=sum(one.status == "fail" for one, _ in found.measurements),
            readings=len(found.readings),
            documents=len(found.documents),
            parts=len(found.structure),
            new=new,
            same=same,
            left_out=found.left_out,
            faults=tuple(found.faults),
            untold=found.untold,
        )


class _Read:
    """All files of an import."""

    def __init__(self, plan: Plan | None, building: Building) -> None:
        self.plan, self.building = plan, building
        self.given: list[Given] = []
        self.unmatched: list[str] = []
        self.missing: list[str] = []

    @property
    def found(self) -> list[Found]:
        return [one.found for one in self.given]


@contextmanager
def _faults(given: Given) -> Iterator[None]:
    """What a reader raises is a fault of its file."""
    try:
        yield
    except InvalidDocument as error:
        for problem in error.problems:
            given.found.fault(f"line {problem.line}" if problem.line else "", problem.message)
    except GemelError as error:
        given.found.fault("", error.detail)


def _check_nodes(found: Found) -> None:
    """What links lead to can be told: ids are not empty, nor too long."""
    slots = (
        (Node(kind=NodeKind.SLOT, id=f"part:{use.parent}", sub=use.position), use.place) for use in found.structure
    )
    ends = ((node, place) for link, place, _ in found.links for node in (link.source, link.target))
    for node, place in (*ends, *slots):
        try:
            node.checked()
        except InvalidInput as error:
            found.fault(place, error.detail)


def _records(link: LinkSpec) -> list[str]:
    """Records that a link is of."""
    return [node.id for node in (link.source, link.target) if node.kind is NodeKind.RECORD]


def _is_known(tx: Connection, record: str) -> bool:
    c = tables.record.c
    return tx.scalar(select(c.number).where(c.id == record, c.recorded_to == FOREVER)) is not None

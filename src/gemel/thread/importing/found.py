"""What a reader finds in one file, before anything of it is written."""

from __future__ import annotations

import gzip
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from gemel.configuration import ItemSpec
from gemel.errors import InvalidInput
from gemel.thread.documents import DocumentSpec
from gemel.thread.importing.mapping import ItemTemplate, LinkTemplate, Mapping, RecordTemplate, Source, fill, slots
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.values import Measurement, RecordSpec
from gemel.thread.writing import LinkSpec

__all__ = [
    "LARGEST",
    "Fault",
    "Found",
    "Given",
    "Level",
    "ListedLine",
    "Program",
    "ReadingRow",
    "Sure",
    "Use",
    "record_node",
]

LARGEST = 512 << 20
"""Bytes of one file, unpacked."""
_TOLD = 200
"""So many faults of a file are told one by one."""
_PART = 1 << 20


Level = Literal["error", "left out", "note"]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something of a file that is not as it should be."""

    place: str
    """`line 12`, an XPath, `sheet BOM row 4`; empty: the whole file."""
    message: str
    level: Level = "error"
    """error: nothing is taken in; left out: this is not taken in, the rest is; note: it is taken in all the same."""


ReadingRow = tuple[str, str, int, str]
"""(twin, property, time, value as text)."""


class ListedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an as-built list."""

    machine: str
    """As the list calls it: an id, or a serial number."""
    path: tuple[str, ...]
    """Slots from the machine down; empty: the machine itself."""
    id: str
    """By which the item is to be known, if nobody knows it."""
    part: str
    maker: str
    revision: str
    serial: str
    lot: str
    quantity: int
    at: int | None
    """When it was built in; None: the list does not say."""
    evidence: str
    place: str


class Use(NamedTuple):
    """One line of a structure: a part is in a position of another."""

    parent: str
    of: str
    """Revision of the parent; empty: not told."""
    position: str
    child: str
    revision: str
    """Of the child; empty: not told."""
    quantity: float
    place: str


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """An NC program as a file tells of it."""

    record: str
    tools: tuple[str, ...] = ()
    """As its file lists them, in the order of their use."""
    ran: frozenset[tuple[str, ...]] = frozenset()
    """The tools of runs of which a log names this program."""


Sure = tuple[float, str]
"""How sure a statement is, and why it is believed."""


@dataclass(slots=True)
class Found:
    """Everything that a file says."""

    name: str
    reader: str
    sha256: str
    size: int
    faults: list[Fault] = field(default_factory=list)
    untold: int = 0
    """Faults beyond those that are told one by one."""
    items: list[tuple[ItemSpec, int]] = field(default_factory=list)
    records: list[tuple[RecordSpec, str]] = field(default_factory=list)
    links: list[tuple[LinkSpec, str, Sure]] = field(default_factory=list)
    optional: list[tuple[LinkSpec, str, Sure]] = field(default_factory=list)
    """Links that become such if what they lead to is known."""
    measurements: list[tuple[Measurement, str]] = field(default_factory=list)
    readings: list[ReadingRow] = field(default_factory=list)
    documents: list[DocumentSpec] = field(default_factory=list)
    """Whose content is the file itself."""
    structure: list[Use] = field(default_factory=list)
    listed: list[ListedLine] = field(default_factory=list)
    book: bool = False
    """The structure is to be declared in the parts book."""
    programs: dict[str, Program] = field(default_factory=dict)
    left_out: int = 0

    def fault(self, place: str, message: str, level: Level = "error") -> None:
        """Tell of a fault; of many of a file, only the first one by one."""
        self.left_out += level == "left out"
        if len(self.faults) < _TOLD or level == "error":
            self.faults.append(Fault(place=place[:400], message=message[:400], level=level))
        else:
            self.untold += 1

    @property
    def errors(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.level == "error"]


class Given:
    """One file, with what its name tells and how its source reads it."""

    def __init__(self, path: Path, name: str, source: Source, mapping: Mapping, reader: str) -> None:
        """`name`: its path below the folder."""
        self.path, self.name, self.source, self.mapping = path, name, source, mapping
        self.fields: dict[str, str] = {"file": name.rpartition("/")[2]}
        with path.open("rb") as reading:
            self.found = Found(name, reader, file_digest(reading, "sha256").hexdigest(), path.stat().st_size)
        self.programs: dict[str, Program] = {}
        """Known programs, by the name that logs have for them; all files of an import share them."""
        self.filed: set[str] = set()
        """Records of programs whose files are known."""
        if source.name and reader != "bom":
            told = re.search(source.name, name)
            if told is None:
                self.found.fault("", f"the name does not match {source.name}")
            else:
                self.fields |= {key: value or "" for key, value in told.groupdict().items()}

    # content

    def data(self) -> bytes:
        """All of it, unpacked. Raises InvalidInput: damaged, cut short, or too large."""
        return b"".join(self._parts())

    def _parts(self) -> Iterator[bytes]:
        size = 0
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as reading:
                while part := reading.read(_PART):
                    size += len(part)
                    if size > LARGEST:
                        raise InvalidInput(f"it is larger than {LARGEST >> 20} MB unpacked; split it")
                    yield part
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            told = "it ends in the middle" if isinstance(error, EOFError) else "it is damaged"
            raise InvalidInput(f"{told} after {size:,} bytes: this is no whole gzip file; copy it again") from error

    def lines(self) -> Iterator[tuple[int, str]]:
        """(number from 1, line), of text in UTF-8, with or without the mark before it. Raises InvalidInput as `data`
        does."""
        number, rest = 0, b""
        for at, part in enumerate(self._parts()):
            if at == 0:
                part = part.removeprefix(BOM_UTF8)
            whole = (rest + part).split(b"\n")
            rest = whole.pop()
            for line in whole:
                number += 1
                yield number, line.decode("utf-8", "replace").rstrip("\r")
        if rest:
            yield number + 1, rest.decode("utf-8", "replace").rstrip("\r")

    # templates

    def text(self, template: str, **more: str) -> str:
        """A template, filled. Raises InvalidInput."""
        return fill(template, {**self.fields, **more}, self.mapping.tables)

    def record(self, template: RecordTemplate, **more: str) -> RecordSpec:
        """Raises InvalidInput."""
        names = ("id", "kind", "title", "revision", "system", "external", "url")
        told: dict[str, Any] = {name: self.text(getattr(template, name), **more) for name in names}
        attributes = {name: text for name, one in template.attributes.items() if (text := self.text(one, **more))}
        return RecordSpec(**told, phase=template.phase, attributes=attributes).checked()

    def item(self, template: ItemTemplate, **more: str) -> ItemSpec:
        """Raises InvalidInput."""
        names = ("id", "part", "serial", "revision", "maker")
        return msgspec.convert({name: self.text(getattr(template, name), **more) for name in names}, ItemSpec)

    def link(self, template: LinkTemplate, record: str, place: str, **more: str) -> None:
        """Link what a template says to a record; nothing where an end is filled with nothing."""
        ends = []
        fields = {**self.fields, **more}
        for text in (template.source, template.target):
            if text.startswith("record:") and any(not fields.get(name, "") for name in slots(text)):
                return
            filled = self.text(text, **more).removesuffix("#") if text else f"record:{record}"
            if filled.endswith(":"):
                return
            ends.append(Node.parse(filled))
        links = self.found.optional if template.optional else self.found.links
        spec = LinkSpec(kind=template.kind, source=ends[0], target=ends[1])
        links.append((spec, place, (template.confidence, template.reason)))

    def say(self, kind: str, source: Node, target: Node, place: str, sure: Sure = (1.0, "")) -> None:
        """Link two things."""
        self.found.links.append((LinkSpec(kind=kind, source=source, target=target), place, sure))


def record_node(id: str) -> Node:
    return Node(kind=NodeKind.RECORD, id=id)

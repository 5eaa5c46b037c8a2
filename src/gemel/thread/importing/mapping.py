"""Mappings: which files of a folder are read how, and what records, links, items and readings become of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Dict
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from gemel.errors import InvalidDocument, InvalidInput, NotFound, Problem
from gemel.thread.values import Phase
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml, places

__all__ = [
    "AsBuiltSource",
    "BomSource",
    "FileSource",
    "ItemTemplate",
    "LinkTemplate",
    "ListSource",
    "Mapping",
    "OtherSource",
    "ProcessLogSource",
    "QifSource",
    "RecordTemplate",
    "Source",
    "StepSource",
    "fill",
    "load_mapping",
    "shipped",
    "slots",
]

KINDS = ("files", "lists", "structures", "boms", "as_built", "process_logs", "inspections", "others")
_SLOT = re.compile(r"\{([a-z_][a-z0-9_]*)((?:\|[a-z_:A-Z0-9]+)*)\}")


class RecordTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record, its texts filled with what a file's name and content tell: `{part|lower}-{serial|number}`."""

    id: str
    kind: str
    title: str = ""
    phase: Phase | None = None
    revision: str = ""
    system: str = ""
    external: str = ""
    url: str = ""
    attributes: dict[str, str] = {}


class ItemTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item; it is made known if nobody knows it by part, maker and serial number."""

    id: str
    part: str
    serial: str
    revision: str = ""
    maker: str = ""
    born: str = "2000-01-01T00:00:00Z"
    """Since when it is known, RFC 3339; nothing can be said of it before."""


class LinkTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link; an empty end is the record itself. Left out where one of its ends would be filled with nothing."""

    kind: str
    source: str = ""
    target: str = ""
    confidence: float = 1.0
    reason: str = ""
    """Why it is believed, where the file does not say it in so many words."""
    optional: bool = False
    """Left out, and told, where nothing tells of the record that it leads to; else that is a fault."""


class DocumentTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file itself as a version of a document."""

    id: str
    kind: str
    title: str = ""
    version: str = "1"
    language: str = ""
    note: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files, and what their names tell."""

    files: tuple[str, ...]
    """Patterns of paths below the folder, like `process/*.shdr.gz`."""
    name: str = ""
    """A regular expression with named groups on the path; what does not match is a fault."""
    faults: Literal["refuse", "skip"] = "refuse"
    """refuse: one row that cannot be read refuses the whole import; skip: such rows are left out, and told."""
    keep: bool = True
    """Keep the file, so that every statement leads to the very line."""
    links: tuple[LinkTemplate, ...] = ()


class FileSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each file is a record, and a document if `document` says so: drawings, models, NC programs, certificates."""

    record: RecordTemplate
    document: DocumentTemplate | None = None
    text: dict[str, str] = {}
    """Field → a regular expression; its first group, where it first matches in the first 64 kB, fills the field."""
    lists: dict[str, str] = {}
    """Attribute → a regular expression with two groups, each match a key and a value: the tools of a program."""
    program: str = ""
    """Of an NC program: the name by which logs know it."""


class ListSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text file with one thing on each line."""

    line: str
    """A regular expression with named groups; lines that do not match are left out."""
    record: RecordTemplate


class StepSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ISO 10303-21: products, their revisions and what they are assembled of; no geometry."""

    record: RecordTemplate
    """Of the file. Fields: also `product`, the first one's id."""
    part: str = "{product}"
    """Part number of a product."""
    book: bool = False
    """Also declare it in the parts book: a slot for each position, and a rule that the part may be in it."""


class BomSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of parts, CSV or a sheet of a workbook: by the column of the parent, or by levels."""

    record: RecordTemplate
    sheet: str = ""
    part: str = "part"
    """Column, by its heading, as all that follow."""
    name: str = ""
    part_name: str = "name"
    revision: str = "revision"
    quantity: str = "quantity"
    position: str = "position"
    parent: str = "parent"
    book: bool = False
    """Also declare it in the parts book: a slot for each position, and a rule that the part may be in it."""
    level: str = "level"
    """0 is the top, or 1; a row belongs to the nearest one above it of one level less."""


class AsBuiltSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of items in slots of machines, CSV or a sheet of a workbook, in whatever order.

    Columns by their headings, or by several of which the list has one.
    """

    record: RecordTemplate
    """Of the list."""
    sheet: str = ""
    machine: str | tuple[str, ...] = ("machine", "machine id", "machine serial", "equipment", "maschine")
    """Its id or serial number. A list without it is of the machine that `name` tells as `machine`."""
    slot: str | tuple[str, ...] = ("slot", "slot path", "position", "path", "einbauort", "platz")
    """Slots from the machine down, with slashes: `spindle/bearing`; empty: the machine itself."""
    part: str | tuple[str, ...] = ("part", "part number", "part no", "pn", "teilenummer", "sachnummer")
    revision: str | tuple[str, ...] = ("revision", "rev", "index")
    serial: str | tuple[str, ...] = ("serial", "serial number", "serial no", "sn", "s/n", "seriennummer")
    lot: str | tuple[str, ...] = ("lot", "batch", "charge", "los")
    maker: str | tuple[str, ...] = ("maker", "manufacturer", "hersteller")
    quantity: str | tuple[str, ...] = ("quantity", "qty", "menge")
    """Pieces of a lot."""
    installed: str | tuple[str, ...] = ("installed", "installed on", "built", "date", "datum", "einbaudatum")
    """When it was built in: a date or a time, UTC."""
    source: str | tuple[str, ...] = ("source", "evidence", "certificate", "beleg")
    """What says so: the act's evidence; `record:ID` and `document:ID` are followed. Left out: the list itself."""
    since: str = ""
    """A date or a time, where no column says when; a list that is received may leave it out, too: it is of now."""
    item: str = "{part|id}.{name|id}"
    """Id of an item that nobody knows. Fields: the columns; name (serial number, else lot, machine and slot)."""


class QifSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """QIF 2 and 3: what was measured of each component."""

    record: RecordTemplate
    """Of one component's inspection. Fields: also serial, status, product, made (when the file says it was)."""
    item: ItemTemplate
    serial: str = r"(?P<serial>.+)"
    """What of the file's serial number is the serial number."""
    linear: str = ""
    """UCUM; what lengths are in where the file does not say. A file that says another unit is refused."""
    angular: str = ""
    check: str = ""
    """A characteristic whose value is the serial number again."""
    time: str = ""
    """When it was measured, RFC 3339; empty: nobody tells."""
    raises: Literal["", "warn", "concession", "block"] = "concession"
    """Of which level the nonconformance is that a measurement out of tolerance opens on its item; empty: it opens none.
    It is so from when it was measured; where nobody tells, for as long as the item is known."""


class ProcessLogSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine's log while it made one item: lines of `time|name|value`."""

    machine: str
    """Id of the twin whose readings these are."""
    item: ItemTemplate
    record: RecordTemplate
    """Of the log."""
    operation: RecordTemplate
    """Of each run of a program. Fields: also n (1, 2 …), program, tools."""
    program_record: RecordTemplate
    """Of a program that nobody has told of yet. Fields: also program."""
    items: dict[str, str]
    """Name in the log → property of the twin. Others are not taken in."""
    status: str
    active: tuple[str, ...]
    paused: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    ended: tuple[str, ...]
    program: str
    """The name in the log that says which program runs."""
    opened: str = ""
    """The name that says which program was opened at the control: a hint, where nothing says what runs."""
    tool: str = ""
    no_tool: tuple[str, ...] = ("0",)
    readings: tuple[str, ...] = ()
    """Properties that are told of the time of an operation."""


class OtherSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of a form that a plug-in reads (entry-point group `gemel.importers`)."""

    importer: str
    """Its name, as `gemel plugins` lists it."""
    record: RecordTemplate
    """Of the file."""
    settings: dict[str, Any] = {}
    """What the plug-in wants to be told."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mapping document."""

    gemel_mapping: Literal[1]
    """The form of this document."""
    name: str
    title: str = ""
    acknowledgement: str = ""
    plant: dict[str, Any] = {}
    """Types and twins that must be there; they are applied first."""
    tables: dict[str, dict[str, str]] = {}
    """For `{part|of:parts}`: what a text is called here."""
    files: tuple[FileSource, ...] = ()
    lists: tuple[ListSource, ...] = ()
    structures: tuple[StepSource, ...] = ()
    boms: tuple[BomSource, ...] = ()
    as_built: tuple[AsBuiltSource, ...] = ()
    process_logs: tuple[ProcessLogSource, ...] = ()
    inspections: tuple[QifSource, ...] = ()
    others: tuple[OtherSource, ...] = ()

    def sources(self) -> list[tuple[str, Source]]:
        """(what reads it, source), in the order in which they are read."""
        return [(kind, one) for kind in KINDS for one in getattr(self, kind)]


def load_mapping(text: str, name: str = "mapping") -> Mapping:
    """From YAML. Raises InvalidDocument with every fault, its line and its field."""
    value = parse_yaml(text, name)
    made, faults = build(value, Mapping)
    if made is not None:
        faults = [(problem, False) for problem in _faults(made)]
        if not faults:
            return made
    where = places(text, name)
    found = []
    for problem, key in faults:
        line, column = where.locate(problem.field, key=key)
        found.append(replace(problem, line=line, column=column))
    raise InvalidDocument(name, found)


def _faults(mapping: Mapping) -> list[Problem]:
    """Regular expressions that are none, templates that name a table nobody gives."""
    found = []
    for kind in KINDS:
        for at, source in enumerate(getattr(mapping, kind)):
            field = f"{kind}[{at}]"
            patterns = {"name": source.name} if not isinstance(source, BomSource) else {}
            if isinstance(source, ListSource):
                patterns["line"] = source.line
            if isinstance(source, QifSource):
                patterns["serial"] = source.serial
            if isinstance(source, FileSource):
                patterns |= {f"text.{name}": one for name, one in source.text.items()}
                patterns |= {f"lists.{name}": one for name, one in source.lists.items()}
            for name, pattern in patterns.items():
                try:
                    re.compile(pattern)
                except re.error as error:
                    found.append(Problem(f"this is no regular expression: {error}", f"{field}.{name}"))
            for text in _texts(msgspec.to_builtins(source)):
                for slot in _SLOT.finditer(text):
                    for one in slot[2].split("|")[1:]:
                        if one.startswith("of:") and one[3:] not in mapping.tables:
                            found.append(Problem(f"{slot[0]}: there is no table {one[3:]!r}", field))
                        elif not one.startswith("of:") and one not in _FILTERS:
                            told = ", ".join([*_FILTERS, "of:TABLE"])
                            found.append(Problem(f"{slot[0]}: there is no {one!r}; there are {told}", field))
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []


def _number(text: str) -> str:
    return text.lstrip("0") or "0" if text.isdecimal() else text


_FILTERS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "number": _number,
    "two": lambda text: text.zfill(2),
    "slug": lambda text: re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-"),
    "id": lambda text: re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._:~-]+", "-", text)).strip("._:~-"),
    "underscores": lambda text: re.sub(r"\s+", "_", text),
    "or_none": lambda text: text or "none",
}


def fill(template: str, fields: Dict[str, str], tables: Dict[str, dict[str, str]]) -> str:
    """A template with its slots filled. Raises InvalidInput for one that nothing tells."""

    def value(slot: re.Match[str]) -> str:
        if slot[1] not in fields:
            raise InvalidInput(f"{slot[0]}: nothing tells {slot[1]}; there are {', '.join(sorted(fields)) or 'none'}")
        text = fields[slot[1]]
        for one in slot[2].split("|")[1:]:
            if one.startswith("of:"):
                table = tables[one[3:]]
                if text not in table:
                    raise InvalidInput(f"the table {one[3:]} has no {text!r:.60}; it has {', '.join(table)}")
                text = table[text]
            else:
                text = _FILTERS[one](text)
        return text

    return _SLOT.sub(value, template)


def slots(template: str) -> list[str]:
    """Names of the fields that a template is filled with."""
    return [slot[1] for slot in _SLOT.finditer(template)]


def shipped(name: str = "") -> dict[str, str] | str:
    """Names and titles of the mappings that come with Gemel; the text of one. Raises NotFound."""
    folder = resources.files("gemel.thread").joinpath("mappings")
    texts = {Path(one.name).stem: one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".yaml")}
    if not name:
        return {one: str(parse_yaml(text, one).get("title", "")) for one, text in sorted(texts.items())}
    if name not in texts:
        raise NotFound(f"there is no mapping {name!r:.80}; there are {', '.join(sorted(texts))}, or name a YAML file")
    return texts[name]

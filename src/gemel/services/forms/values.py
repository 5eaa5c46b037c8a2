"""Values of forms: what is asked, of what, and what was answered."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from gemel.configuration import Level
from gemel.thread import Applies
from gemel.twin import Expected

__all__ = ["NO", "YES", "Amiss", "Attached", "Field", "FieldKind", "Filled", "Filling", "Form", "Kept"]

YES, NO = "yes", "no"


class FieldKind(StrEnum):
    """How a question is answered."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    YES_NO = "yes_no"
    MOMENT = "moment"
    SERIAL = "serial"
    """A serial number, or another name of an item."""
    FILE = "file"
    """A photograph or another file; it becomes a document of the item."""


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question, and what an answer does besides being kept."""

    name: str
    ask: str
    """The question, as people read it."""
    kind: FieldKind = FieldKind.YES_NO
    help: str = ""
    """How to find the answer."""
    required: bool = True
    unit: str = ""
    """Of a number, UCUM."""
    low: float | None = None
    high: float | None = None
    """Of a number: what is below or above is amiss; it is kept all the same."""
    choices: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()
    """Answers that are as they should be: choices, or `yes` or `no`. Any other is amiss; none: all are fine."""
    shown: str = ""
    """Asked only where this expression over answers before it is true."""
    reading: str = ""
    """The property of the twin that the answer is a reading of."""
    observe: str = ""
    """The slot that was looked into: the serial number that was seen, or whether what belongs there is there."""
    counter: str = ""
    """What the number is the meter of: hours, strokes … What it tells more than is counted, is counted then."""
    outside: Level | None = None
    """A nonconformance of this level is raised when the answer is amiss."""


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A form. Of what it is for, each kind that is told must hold; of each kind, one."""

    id: str
    title: str
    about: str = ""
    applies: tuple[Applies, ...] = ()
    """Part, revisions, serial numbers and lots of the machine, as documents have them."""
    types: tuple[str, ...] = ()
    """Types of the twin."""
    slots: tuple[str, ...] = ()
    """Slots in which the item is."""
    stages: tuple[str, ...] = ()
    """Stages of the twin's life."""
    jobs: tuple[str, ...] = ()
    """Job plans: it is filled in under work orders that follow one of them."""
    fields: tuple[Field, ...] = ()


class Attached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as it is handed in; its data is base64 in JSON."""

    name: str
    data: bytes


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file as an answer has it: a version of a document of the thread."""

    name: str
    document: str
    sha256: str
    size: int
    media_type: str


class Filling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A form as somebody filled it in, at one item or twin."""

    form: str
    at: int | None = None
    """When it was filled in, which may be long before it is handed in. None: now; of what was handed in already with
    this key, when it was then."""
    answers: dict[str, Any]
    """By the names of fields. Files are {name, data}; what is left out or null is not answered."""
    item: str = ""
    twin: str = ""
    """Left out: that of the item. Of a twin alone: its item, if there is one."""
    version: int | None = None
    """None: the newest."""
    order: str = ""
    """The work order under which it was done."""
    key: str = ""
    """The caller's own id of it: told again, it has no second effect."""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration."""


class Amiss(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not as it should be."""

    field: str
    text: str
    nonconformance: int = 0
    """The one that was raised; 0: none."""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A form that was filled in, as it is kept for ever; also a record of the thread, by its id."""

    number: int
    id: str
    form: str
    version: int
    title: str
    item: str
    serial: str
    """The serial number, as it was known then."""
    twin: str
    order: str
    actor: str
    at: int
    recorded: int
    answers: dict[str, Any]
    amiss: tuple[Amiss, ...] = ()
    acts: tuple[int, ...] = ()
    """What it did to the configuration."""
    key: str = ""
    withheld: bool = False
    """Answers are there that are not told to who asks."""

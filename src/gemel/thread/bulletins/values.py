"""Values of bulletins: to which machines one applies, and what became of it there."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gemel.configuration import Act
from gemel.thread.documents import Version

__all__ = ["Bulletin", "BulletinCounts", "BulletinStanding", "BulletinState", "Compliance"]


class BulletinState(StrEnum):
    """How it stands with a bulletin at one machine."""

    OPEN = "open"
    """It applies, and nobody said that it was complied with."""
    UNKNOWN = "unknown"
    """Whether it applies cannot be told: a revision, a version or a serial number is not known."""
    COMPLIED = "complied"
    NOT_NEEDED = "not_needed"
    """It applied, and does not any more, because something in the machine is another one since."""


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """That what a bulletin says was done."""

    at: int
    version: str
    """Of the bulletin."""
    item: str
    """On what: the machine, or the part of it that the bulletin is about."""
    actor: str
    """Who said so."""
    work_order: str = ""
    evidence: str = ""
    reason: str = ""
    link: int = 0
    """Number of the link of the thread that says so; 0: an act of the configuration does, because it names the
    bulletin, or its work order is linked to it."""
    act: int = 0
    """That act."""


class BulletinStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One bulletin at one machine, as of two moments."""

    bulletin: str
    title: str
    version: str
    machine: str
    part: str
    """Of the machine."""
    serial: str
    state: BulletinState
    since: int | None = None
    """Since when it applies, was complied with, or does not apply any more."""
    items: tuple[str, ...] = ()
    """What of the machine it is about."""
    complied: Compliance | None = None
    ended: Act | None = None
    """By which act it is not needed any more."""
    orders: tuple[str, ...] = ()
    """Work orders that are linked to it and to the machine."""
    note: str = ""
    """What else is to be known: why it cannot be told, that an earlier version was complied with."""


class BulletinCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Machines in each state."""

    open: int = 0
    unknown: int = 0
    complied: int = 0
    not_needed: int = 0


class Bulletin(msgspec.Struct, frozen=True, kw_only=True):
    """A bulletin by the version of it that is in force at a moment."""

    id: str
    title: str
    version: Version
    counts: BulletinCounts
    problem: str = ""
    """Why it cannot be told to which machines it applies; the counts are none then."""

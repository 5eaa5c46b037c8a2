"""Effectiveness: what a twin type says of how well its objects are used, and from what that is read.

Planned times come from people or a planning system, never from the machine: what is not declared is not known.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Counting", "Effectiveness", "ProductionState", "Shift", "StateRule"]

_EVERY = "FREQ=DAILY"


class ProductionState(StrEnum):
    """What a work unit does, as far as ISO 22400-2 tells it apart."""

    PRODUCING = "producing"
    """Actual production time (APT)."""
    SET_UP = "set_up"
    """Actual unit set-up time (AUST)."""
    DOWN = "down"
    """Stopped by a malfunction, a jam, a lack of material within an order: actual unit delay time (ADET)."""
    REPAIR = "repair"
    """Down, and somebody repairs it: corrective maintenance time (CMT)."""
    IDLE = "idle"
    """Able to work, and without an order: actual unit down time (ADOT)."""
    MAINTENANCE = "maintenance"
    """Planned: preventive maintenance time (PMT). It is taken off the planned busy time."""
    PLANNED_STOP = "planned_stop"
    """Planned: cleaning, a meeting. It is taken off the planned busy time."""


class StateRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """That an object is in a state while something is so."""

    state: ProductionState
    when: str
    """An expression over properties of the twin and of single components: "execution = 'ACTIVE'"."""


class Counting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How parts are counted: by one of `counter`, `amounts` and `cycles`."""

    counter: str = ""
    """A property that counts up: part_count, or slot.part_count. A fall is a reset to zero."""
    amounts: str = ""
    """A property of which each reading is so many parts: what people enter of a box, a batch, a shift."""
    cycles: str = ""
    """An expression: each time it has been true and is false, that is one."""
    each: float = 1.0
    """Parts for each count: cavities of a mould, parts on a pallet."""


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A time in which the object is planned to be busy, in the site's time zone."""

    name: str = ""
    starts: str
    """06:00"""
    ends: str
    """14:00; not after `starts`: on the next day."""
    every: str = _EVERY
    """On which days, as a calendar has it (RFC 5545): FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"""
    since: str = "2000-01-03"
    """The first day, a date; from it every second week (INTERVAL=2) is counted."""
    breaks: tuple[tuple[str, str], ...] = ()
    """Planned breaks within it: [["09:00", "09:15"], ["12:00", "12:30"]]."""


class Effectiveness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """From what the key figures of ISO 22400-2 are told: states, parts, and what was planned."""

    states: tuple[StateRule, ...]
    """In this order the first that is true counts. Before it, one that is not known leaves the state unknown."""
    parts: Counting | None = None
    """All parts that were made (PQ)."""
    good: Counting | None = None
    """Those of them that are good (GQ)."""
    rejected: Counting | None = None
    """Those that are not; instead of `good`."""
    all_good: bool = False
    """Every part counts as good, since nobody tells: an assumption, and told as one. Instead of `good`."""
    program: str = ""
    """A property that says what is made: program, or slot.program."""
    run_time_s: float | None = None
    """Planned run time per item (PRI), of whatever has none of its own."""
    run_times_s: dict[str, float] = {}
    """Planned run time per item, by what `program` says."""
    shifts: tuple[Shift, ...] = ()
    """The planned busy time (PBT)."""
    closed: tuple[str, ...] = ()
    """Days on which no shift begins: 2026-12-25."""
    assumed: str = ""
    """What of this nobody has confirmed, in words; told with every answer."""

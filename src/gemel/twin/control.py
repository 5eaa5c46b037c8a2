"""Control: what a twin type says of orders to its objects. No substitute for the safety functions of the machine."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Control", "FailSafe", "Interlock", "Mode", "Pace", "Prepare"]


class Interlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be true at the moment of sending. A stale, bad or missing value in it refuses."""

    name: str
    require: str
    """An expression over the twin's properties: "door = 'closed' AND pressure > 40"."""
    of: tuple[str, ...] = ()
    """Commands and properties that it guards; empty: all."""
    message: str = ""
    """What whoever was refused may do: "close the door first"."""


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often something may be sent; each command or property counts by itself."""

    of: tuple[str, ...] = ()
    """Commands and properties; empty: all."""
    seconds_between: float = 0.0
    per_minute: int | None = None


class Mode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machine's own switch: orders are sent only while `property` says one of `remote`."""

    property: str
    remote: tuple[str | bool | int, ...]


class FailSafe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent first when a lost link is there again; what waited to be sent expires when the link is lost."""

    command: str = ""
    input: dict[str, Any] = {}
    property: str = ""
    value: Any = None
    at_start: bool = False
    """Also over the first connection after Gemel starts, when nobody knows whether the link was lost meanwhile."""


class Prepare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the object is asked, before a transaction, whether it could: by a command of its own, which it may refuse."""

    of: tuple[str, ...]
    """Commands and properties."""
    command: str
    """It is given those inputs of the order that it has; of a desired value: `value`."""
    release: str = ""
    """The command that tells an object that agreed that nothing comes of it."""


class Control(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may command an object of this type, and when."""

    required: bool = False
    """Only who has taken control may command; otherwise anybody may whom the gate lets, while nobody has."""
    lapses_s: float = 900.0
    """Control that is neither used nor renewed for so long ends."""
    two_persons: tuple[str, ...] = ()
    """Commands and properties that a second person has to approve."""
    safe_configuration: tuple[str, ...] = ()
    """Commands and properties that are risky: sent only while all that is in slots of safety is known and in order."""
    mode: Mode | None = None
    interlocks: tuple[Interlock, ...] = ()
    paces: tuple[Pace, ...] = ()
    fail_safe: FailSafe | None = None
    prepares: tuple[Prepare, ...] = ()
    in_flight: int = 8
    """Orders to one object that were sent and have not ended."""

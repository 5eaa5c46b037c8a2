"""What a list says beside what is recorded."""

from __future__ import annotations

from typing import Literal

import msgspec

from gemel.configuration import Built, ItemSpec, operations

__all__ = ["Listed", "MachineCompared", "SlotCompared", "Verdict"]

Verdict = Literal["new", "other", "elsewhere", "revision", "identity", "unlisted"]
"""new: nothing is recorded there; other: something else is; elsewhere: it is recorded in another slot; revision,
identity: it is recorded otherwise; unlisted: it is recorded, and the list does not name it."""


class SlotCompared(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of which a list and the record say something different."""

    slot: str
    """From the machine down, with slashes; empty: the machine itself."""
    verdict: Verdict
    part: str = ""
    """As the list has it, as revision, serial and lot; empty: it does not name the slot."""
    revision: str = ""
    serial: str = ""
    lot: str = ""
    recorded: tuple[str, ...] = ()
    """The items that are recorded there."""
    text: str
    place: str = ""
    """In the list."""


class MachineCompared(msgspec.Struct, frozen=True, kw_only=True):
    """A list of one machine beside what is recorded of it, as of when the list says."""

    machine: str
    """As the list calls it."""
    item: str
    """By which it is known; empty: nobody knows it yet."""
    file: str
    same: int
    """Lines that say what is recorded."""
    slots: tuple[SlotCompared, ...]
    untold: int = 0
    """There are more differences than these, by so many."""


class Listed(msgspec.Struct, kw_only=True):
    """What becomes of the lines of one file."""

    load: list[tuple[Built, str]] = []
    """Items that are new, and where the list says so."""
    receive: list[tuple[str, list[operations.Observe], dict[str, ItemSpec]]] = []
    """Machines of which something is recorded otherwise: what the list says was seen, and what the items are."""
    compared: list[MachineCompared] = []
    known: int = 0
    """Lines that say what is recorded."""

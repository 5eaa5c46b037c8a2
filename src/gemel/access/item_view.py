"""A view of one configuration: of the machines of a grant, which items are told, and what of each.

It is a projection, not a copy: the configuration's own questions are answered through it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.errors import InvalidInput

__all__ = ["ItemColumn", "ItemView", "ItemsSeen", "Machines", "check_item_view"]

MOST_NAMES = 200
LONGEST_NAME = 200


class ItemColumn(StrEnum):
    """What is told of an item beyond its part number, its kind and its slot."""

    SERIALS = "serials"
    """Serial and lot numbers, other names, and its id as it is kept here."""
    REVISIONS = "revisions"
    MAKERS = "makers"
    SOFTWARE = "software"
    """Which software it has, and its version."""
    COUNTERS = "counters"
    LIMITS = "limits"
    READINGS = "readings"
    """Its values over time and events, in whatever machine it was, of the grant's groups of properties."""
    DOCUMENTS = "documents"
    ACTS = "acts"
    """What was done to it, when, and for which work order."""
    PEOPLE = "people"
    """Who did it, and what they wrote."""
    NONCONFORMANCES = "nonconformances"
    PLANS = "plans"


class Machines(StrEnum):
    """How the machine is told that an item is in."""

    NAMED = "named"
    ANONYMOUS = "anonymous"
    """By a name made up for this party, the same for the same machine."""


class ItemView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that is given must hold of an item; of several names, any. Nothing given: every item."""

    makers: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    """Part numbers."""
    kinds: tuple[str, ...] = ()
    """hardware, electrical, software, document, location."""
    slots: tuple[str, ...] = ()
    """Slot paths from the machine down, with all that is in them: spindle, hydraulics/pump."""
    safety: bool = False
    """Only what is in slots of safety, by the parts book."""
    columns: tuple[ItemColumn, ...] = ()
    """None: only which part is in which slot."""
    machines: Machines = Machines.NAMED

    def __str__(self) -> str:
        said = [
            f"made by {' or '.join(self.makers)}" if self.makers else "",
            f"part {' or '.join(self.parts)}" if self.parts else "",
            " or ".join(self.kinds),
            f"in {' or '.join(self.slots)}" if self.slots else "",
            "in slots of safety" if self.safety else "",
        ]
        which = "; ".join(one for one in said if one) or "every item"
        told = ", ".join(self.columns) or "which part is where"
        return f"{which}, with {told}" + ", machines without their names" * (self.machines is Machines.ANONYMOUS)


def check_item_view(view: ItemView) -> ItemView:
    """Raises InvalidInput with what is wrong, and the way out."""
    for name in ("makers", "parts", "kinds", "slots"):
        listed = getattr(view, name)
        if len(listed) > MOST_NAMES:
            raise InvalidInput(f"a view may have {MOST_NAMES} {name}, not {len(listed)}")
        for one in listed:
            if not one or len(one) > LONGEST_NAME or not one.isprintable():
                raise InvalidInput(f"{one!r:.80} is none of {name}: 1 to {LONGEST_NAME} printable characters")
    for slot in view.slots:
        if not all(slot.split("/")):
            raise InvalidInput(
                f"{slot!r:.80} is no path of slots; write them from the machine down, as hydraulics/pump"
            )
    if unknown := set(view.columns) - set(ItemColumn):
        raise InvalidInput(f"{', '.join(sorted(unknown))!r:.80} is no column of items; use {', '.join(ItemColumn)}")
    if view.machines not in set(Machines):
        raise InvalidInput(f"machines are {' or '.join(Machines)}, not {view.machines!r:.40}")
    columns = tuple(column for column in ItemColumn if column in view.columns)
    if ItemColumn.DOCUMENTS in columns and ItemColumn.SERIALS not in columns:
        raise InvalidInput("documents are told by the serial number that they are valid for: grant serials, too")
    return msgspec.structs.replace(view, columns=columns, machines=Machines(view.machines))


@dataclass(frozen=True, slots=True, eq=False)
class ItemsSeen:
    """What one grant tells one principal of the configuration of some machines."""

    policy: str
    """Id of the grant."""
    view: ItemView
    numbers: NDArray[np.int64]
    """int64[n], rising: the twins of the machines, and of what is part of them."""
    columns: frozenset[str]
    """Those that the gate allows."""
    since: int
    """The earliest moment of the past that may be read; microseconds since the epoch."""
    groups: tuple[str, ...]
    """Of the properties whose readings are told, with the column `readings`."""
    naming: bytes = field(repr=False)
    """16 bytes: makes names for what is not named."""

    def tells(self, column: str) -> bool:
        """Whether a column is told."""
        return column in self.columns

    @property
    def withheld(self) -> tuple[str, ...]:
        """The columns that are not told; and `parts`, where the view is of some items only. Of the terms, not of what
        there is: that they are listed tells nothing."""
        view = self.view
        some = bool(view.makers or view.parts or view.kinds or view.slots or view.safety)
        hidden = [str(one) for one in ItemColumn if one not in self.columns]
        return (*hidden, *(["parts"] if some or ItemColumn.SOFTWARE not in self.columns else []))

    def is_like(self, other: ItemsSeen) -> bool:
        """Whether the same is seen of the same machines, however far back."""
        return (
            (self.policy, self.view, self.columns, self.groups)
            == (other.policy, other.view, other.columns, other.groups)
        ) and np.array_equal(self.numbers, other.numbers)

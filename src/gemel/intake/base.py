"""What is handed in, and what is answered. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gemel.twin import Position, Quality

__all__ = [
    "COMPUTED",
    "Happened",
    "Message",
    "Missed",
    "Quarantined",
    "Receipt",
    "Refusal",
    "ReplayRule",
    "Reported",
    "SourceRule",
    "summed",
]


COMPUTED = "computed"
"""The source that brings computed properties, and nobody else."""


class Reported(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One value as a source tells it."""

    twin: str
    """Id or alias."""
    property: str
    """Name or earlier name."""
    value: Any
    """By the property's kind; None: unavailable. Conditions: a level, or a map with `level` and perhaps `code`,
    `severity`, `qualifier`, `text`."""
    time: int | None = None
    """When the source saw it, microseconds since the epoch, UTC; None: when it came in."""
    quality: Quality = Quality.GOOD
    unit: str = ""
    """UCUM code that the value is told in; empty: the property's."""


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a source tells it."""

    twin: str
    event: str
    time: int | None = None
    fields: dict[str, Any] = {}
    id: str = ""
    """With the source, its identity for ever."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one source sent at once."""

    readings: list[Reported] = []
    events: list[Happened] = []
    id: str = ""
    """With the source, its identity for ever: the same id again has no second effect."""
    sequence: int | None = None
    """Of sources that number their messages 0, 1, 2 … within an epoch; needs no id."""
    epoch: str = ""
    """Changes when the source begins to count anew."""
    sparse: bool = False
    """The numbers also count what is not for us: one that is missing was not lost."""
    sender: str = ""
    """Whose it is, where one that hands in speaks for several, like an endpoint for devices: ids and numbers, events
    and what is refused are of this source then."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why one reading, event or message was not taken."""

    code: str
    detail: str
    twin: str = ""
    property: str = ""
    """Of an event, its name."""
    count: int = 1
    """How many readings were refused for it; `detail` is of the first."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a submission. Everything counted as accepted is on stable storage."""

    first: Position = 0
    """0 when nothing new was taken."""
    last: Position = 0
    """Whoever waits for this position sees all of the submission."""
    accepted: int = 0
    repeated: int = 0
    quarantined: int = 0
    problems: list[Refusal] = []
    """The first hundred refusals."""


def summed(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt of what was handed in as several."""
    if len(receipts) == 1:
        return receipts[0]
    return Receipt(
        first=min((receipt.first for receipt in receipts if receipt.first), default=0),
        last=max((receipt.last for receipt in receipts), default=0),
        accepted=sum(receipt.accepted for receipt in receipts),
        repeated=sum(receipt.repeated for receipt in receipts),
        quarantined=sum(receipt.quarantined for receipt in receipts),
        problems=[problem for receipt in receipts for problem in receipt.problems][:100],
    )


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a source's messages that have not come (yet): first … last of an epoch."""

    source: str
    epoch: str
    first: int
    last: int


class SourceRule(msgspec.Struct, frozen=True, kw_only=True):
    """What times are believed of a source. A reading outside goes to quarantine with the code `clock`."""

    future_s: float = 3_600.0
    past_s: float = 10 * 365 * 86_400.0
    earliest: int = 0
    """Nothing before this moment (default 1970) is believed: clocks without a battery start there."""


class ReplayRule(msgspec.Struct, frozen=True, kw_only=True):
    """How to mend the times of what is replayed: new = anchor + (old − anchor) · rate + shift, read in a time zone."""

    shift_s: float = 0.0
    """Added to each time: a clock that ran an hour behind has 3600."""
    rate: float = 1.0
    """A clock that counted 1.01 s in a true second has 1 / 1.01."""
    anchor: int = 0
    """The moment, as that clock told it, from which `rate` counts."""
    time_zone: str = ""
    """The clock told local time of this zone as if it were UTC: times are read again in it."""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was not accepted, as it came."""

    id: int
    source: str
    received: int
    code: str
    detail: str
    twin: str = ""
    property: str = ""
    form: str = "raw"
    """`reading`, `readings`, `frame` (many that came as columns) and `event` can be replayed; `raw` bytes cannot be
    understood, and `message` is a conflict."""
    payload: Any = None
    """The Reported or Happened as it came, or the bytes; of many readings, in lists, the first twenty."""
    size: int = 0
    """Bytes of the payload; of `raw` as it came, of which only the first mebibyte is kept."""
    count: int = 1
    """How many readings it holds, of one source and refused for one reason; `detail` is of the first."""
    state: str = "held"
    """held, replayed or discarded."""
    position: Position = 0
    """Where it was taken when it was replayed."""

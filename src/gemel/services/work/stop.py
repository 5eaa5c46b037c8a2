"""Values of unplanned stops: when a machine stood, by what that is known, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from gemel.clock import SECOND, to_rfc3339
from gemel.configuration import Span
from gemel.errors import InvalidInput
from gemel.services.work.order import in_range
from gemel.twin import Kind

__all__ = ["STANDING", "Candidate", "Classified", "Stop", "StopKind", "StopQuery", "StopSpec", "stood"]

STANDING = frozenset(
    {"fault", "faulted", "error", "alarm", "failed", "tripped", "emergency_stop", "estop"}
    | {"aborting", "aborted", "interrupted", "feed_hold"}
)
"""Values of enumerations that mean that a machine stands though nobody meant it to: MTConnect's Execution, PackML, and
usual words. Whoever looks may name others."""
LONGEST_TEXT = 2000


class StopKind(StrEnum):
    """What failed."""

    HARDWARE = "hardware"
    SOFTWARE = "software"
    OVERLOAD = "overload"
    USER_ERROR = "user_error"
    SECURITY = "security"
    ENVIRONMENT = "environment"
    UNKNOWN = "unknown"
    PLANNED = "planned"
    """It was no failure: the machine was stopped on purpose."""


class StopSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stop as it is told. Told again with the same key it is the same stop, as it is known now."""

    twin: str
    start: int
    end: int | None = None
    """None: it stands still."""
    seen: str = ""
    """Property and value that showed it, like alarm=fault; empty: entered by hand."""
    order: str = ""
    """The work order that repaired it."""
    item: str = ""
    """What failed, of the machine."""
    kind: StopKind | None = None
    """None: as it is, and unknown of a new one."""
    reason: str = ""
    key: str = ""

    def checked(self) -> StopSpec:
        """Itself. Raises InvalidInput."""
        if not self.twin:
            raise InvalidInput("say which machine stood: twin")
        in_range(self.start, self.end)
        if self.end is not None and self.end <= self.start:
            raise InvalidInput(f"the stop ends at {to_rfc3339(self.end)}, not after its start")
        longest = {"seen": 200, "order": 128, "item": 128, "key": 300, "reason": LONGEST_TEXT}
        for name, most in longest.items():
            if len(getattr(self, name)) > most:
                raise InvalidInput(f"{name} is longer than {most} characters")
        return self


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody said what failed."""

    kind: StopKind
    reason: str
    recorded: int
    actor: str


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """As it is known now."""

    number: int
    id: str
    twin: str
    start: int
    end: int | None
    seen: str
    order: str
    item: str
    key: str
    recorded: int
    actor: str
    kind: StopKind = StopKind.UNKNOWN
    classes: tuple[Classified, ...] = ()
    """All that was said of what failed, in its order; the last one counts."""


class StopQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which stops; what is empty is not asked for."""

    twin: str = ""
    item: str = ""
    order: str = ""
    kinds: tuple[StopKind, ...] = ()
    start: int | None = None
    end: int | None = None
    limit: int = 100
    after: int | None = None
    """Only numbers below this one."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A time for which a machine's own words say that it stood."""

    twin: str
    start: int
    end: int | None
    """None: it stands still."""
    seen: tuple[str, ...]
    known: str = ""
    """Id of the stop that it is already."""
    key: str = ""
    """To note it with, or that the known one has ended; empty: all of it is noted."""
    during: str = ""
    """Id of a work order within whose planned window or visit it lies: perhaps it was meant."""


def stood(
    properties: Sequence[tuple[str, Kind, Iterable[tuple[int, int, Any]]]],
    *,
    until: int,
    values: frozenset[str] = STANDING,
    at_least_s: float = 0.0,
) -> list[tuple[Span, tuple[str, ...]]]:
    """When at least one of these properties said that the machine stands, apart from one another and in their order,
    each with what said so. `properties`: name, kind, and (start, end, value) as a history tells it; until `until`.
    What lasts until then has no end yet: its span ends there.
    """
    found: list[tuple[int, int, str]] = []
    for name, kind, told in properties:
        for start, end, value in told:
            word = _standing(kind, value, values)
            if word and start < end:
                found.append((start, end, f"{name}={word}"))
    joined: list[tuple[int, int, list[str]]] = []
    for start, end, word in sorted(found):
        if joined and start <= joined[-1][1]:
            before = joined[-1]
            joined[-1] = (before[0], max(before[1], end), [*before[2], word])
        else:
            joined.append((start, end, [word]))
    least = round(at_least_s * SECOND)
    return [
        (Span(start, min(end, until)), tuple(dict.fromkeys(words))[:8])
        for start, end, words in joined
        if end - start >= least
    ]


def _standing(kind: Kind, value: Any, values: frozenset[str]) -> str:
    if kind is Kind.CONDITION:
        return "fault" if isinstance(value, list) and any(_fault(one) for one in value) else ""
    return str(value) if isinstance(value, str) and value.lower() in values else ""


def _fault(one: Any) -> bool:
    level = one.get("level") if isinstance(one, dict) else getattr(one, "level", "")
    return str(level).lower() == "fault"

"""Values of capabilities: what can be unlocked on a machine, and the licences that unlock it from–until.

A capability is a piece of the software book whose versions say whether it is unlocked: so what a machine reports of it
is known as of any two moments, and what it needs and excludes are rules of that version.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gemel.services.money import Price
from gemel.twin import Position

__all__ = [
    "OPEN",
    "Capability",
    "CapabilityStanding",
    "Grant",
    "Licence",
    "LicenceState",
    "Step",
]


class Capability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that a machine can do once it is unlocked."""

    id: str
    part: str
    """The piece of the software book that it is; one of its `ways` tells and takes it."""
    title: str = ""
    description: str = ""
    unlocked: str = "unlocked"
    """The version that a machine reports while it is unlocked, and is told to unlock it."""
    locked: str = "locked"
    """The same while it is not."""
    prices: tuple[Price, ...] = ()


class LicenceState(StrEnum):
    """scheduled → unlocking → active → ending → ended; what went wrong in between is refused or unknown."""

    SCHEDULED = "scheduled"
    """It begins later; nothing was sent."""
    UNLOCKING = "unlocking"
    """The machine is to be told, or was; it does not report it yet."""
    ACTIVE = "active"
    """The machine reports that it is unlocked."""
    REFUSED = "refused"
    """A rule or the machine refused; nothing is sent again by itself."""
    UNKNOWN = "unknown"
    """It may have been told, and reports something else; nothing is sent again by itself."""
    ENDING = "ending"
    """Its time is over, and the machine still reports that it is unlocked."""
    ENDED = "ended"
    """Its time is over, and the machine reports that it is locked, or another licence goes on."""


OPEN = frozenset(LicenceState) - {LicenceState.ENDED}


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A licence as somebody grants it."""

    capability: str
    twin: str
    """Of the machine, or of the part of it that has the capability."""
    starts: int | None = None
    """Microseconds UTC; None: now."""
    ends: int | None = None
    """None: for ever, until it is revoked."""
    reference: str = ""
    """What it was sold by: an offer, an order of another system."""
    key: str = ""
    """The same key of the same person is the same licence, however often it is asked for."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a life."""

    state: str
    time: int
    actor: str = ""
    detail: str = ""


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """One licence as it is now."""

    id: str
    number: int
    capability: str
    machine: str
    """The item of the machine."""
    twin: str
    """The twin that is told, and tells."""
    slot: str
    """Of the capability in that twin's item."""
    starts: int
    ends: int | None
    reference: str
    key: str
    actor: str
    """On whose behalf the machine is told: who granted it, until somebody else revokes it or has it told again."""
    created: int
    state: LicenceState = LicenceState.SCHEDULED
    reason: str = ""
    """Why it is in this state, in a word: requires, excludes, rights, refused, no-answer, reports, by-hand …"""
    detail: str = ""
    """The same for people."""
    revoked: int | None = None
    """When it was taken back; it counts no longer from then on."""
    attempt: int = 0
    """Counts what the machine was told: each has a key of its own, so nothing is told twice."""
    wanted: str = ""
    """What it was told last: the version."""
    order: str = ""
    """Id of that order; empty: it is not asked for yet."""
    sent_after: Position = 0
    reported: str = ""
    """What the machine reported last."""
    steps: tuple[Step, ...] = ()

    @property
    def over(self) -> int | None:
        """When its time ends; None: not by itself."""
        ends = [one for one in (self.ends, self.revoked) if one is not None]
        return min(ends) if ends else None

    def holds(self, now: int) -> bool:
        """Whether the machine may be unlocked by it at a moment."""
        over = self.over
        return self.starts <= now and (over is None or now < over)


class CapabilityStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one capability of a machine."""

    capability: str
    title: str
    twin: str
    slot: str
    reported: str
    """What the machine reports; empty: it never told."""
    unlocked: bool | None
    """None: it does not tell, or something else."""
    since: int | None
    """Since when it reports that."""
    licence: Licence | None
    """The one that holds, or the last one that was of it."""
    unlicensed: bool
    """It reports that it is unlocked, and no licence holds."""
    objections: tuple[str, ...] = ()
    """Why it could not be unlocked as the machine is now configured."""
    prices: tuple[Price, ...] = ()

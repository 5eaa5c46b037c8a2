"""Values of prospects: which machines and customers a service fits, by what is known of the installed base."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = [
    "Candidate",
    "Candidates",
    "Criterion",
    "Measure",
    "Profile",
    "Ranked",
    "RankedParty",
    "Ranking",
    "Scored",
    "Upgrade",
    "Way",
]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a document or a request: what is not told is as by default."""


class Measure(StrEnum):
    """What a criterion is measured by."""

    AGE = "age"
    """Years since it was built."""
    USAGE = "usage"
    """How much was counted of a kind of use; with `days`, in so many days."""
    LIFE = "life"
    """The most used up of the life limits of all that is in it; 1: all."""
    NONCONFORMANCES = "nonconformances"
    """How many are open."""
    EVENTS = "events"
    """How many of these events, or conditions raised, in so many days."""
    FRESHNESS = "freshness"
    """The part of the last minutes in which all it reports was fresh; 1: always."""
    PROPERTY = "property"
    """The live value of a property, in its unit, while it is fresh."""
    HAS = "has"
    """Whether a part, or a piece of software, in these versions is in it."""
    TWIN = "twin"
    """Whether values come by themselves and orders go by themselves: it is tied as a twin."""
    PROMISE = "promise"
    """Whether something is promised on its configuration already."""
    CAPABILITY = "capability"
    """Whether it reports a capability as unlocked."""


NUMBERS = frozenset(
    {
        Measure.AGE,
        Measure.USAGE,
        Measure.LIFE,
        Measure.NONCONFORMANCES,
        Measure.EVENTS,
        Measure.FRESHNESS,
        Measure.PROPERTY,
    }
)
"""Measures with a value; the others are yes or no."""


class Criterion(_Value, frozen=True, kw_only=True):
    """One reason for or against, as a score from 0 to 1."""

    name: str
    measure: Measure
    weight: float = 1.0
    worst: float | None = None
    """Of a value: scores 0, and what lies beyond it."""
    best: float | None = None
    """Of a value: scores 1, and what lies beyond it; linear in between. It may be less than `worst`."""
    want: bool = True
    """Of yes or no: which of them scores 1."""
    kind: str = ""
    """usage: hours, strokes …"""
    days: float = 0.0
    """usage, events: only of so many last days."""
    events: tuple[str, ...] = ()
    """events: names of events, and of conditions; none: all events."""
    property: str = ""
    part: str = ""
    """has: part number of a part or of software."""
    versions: str = ""
    """has: `>=B`, `<2.1`; empty: any."""
    capability: str = ""


class Profile(_Value, frozen=True, kw_only=True):
    """What makes a machine fit for a service."""

    id: str
    title: str = ""
    description: str = ""
    types: tuple[str, ...]
    """Twin types of the machines that are looked at."""
    parts: tuple[str, ...] = ()
    """Only machines of these parts; none: of any."""
    criteria: tuple[Criterion, ...] = ()
    least_known: float = 0.5
    """By weight: a machine of which less is known is listed apart, not ranked."""


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """One criterion of one machine, with its evidence."""

    criterion: str
    weight: float
    value: float | bool | None
    """None: unknown."""
    unit: str
    score: float | None
    """0 to 1; None: unknown, which counts neither for nor against."""
    evidence: str
    """From what it is known, or why it is not."""


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One machine."""

    machine: str
    """Its item."""
    twin: str
    name: str
    serial: str
    part: str
    party: str
    """Who owns it; empty: the operating organisation."""
    score: float | None
    """0 to 1, of what is known; None: nothing is."""
    low: float
    """If all that is unknown spoke against it."""
    high: float
    """If all that is unknown spoke for it."""
    known: float
    """The part, by weight, of the criteria that are known."""
    criteria: tuple[Scored, ...]


class RankedParty(msgspec.Struct, frozen=True, kw_only=True):
    """A customer: all machines of one owner."""

    party: str
    name: str
    machines: int
    """That are ranked."""
    unsure: int
    """Of which too little is known."""
    score: float | None
    """The mean of those that are ranked."""
    total: float
    """Their sum: how much there is to be sold."""
    reasons: tuple[str, ...]
    """The criteria that speak for it most, by the mean of their scores."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Machines and customers by how a service fits, the best first."""

    profile: Profile
    at: int
    machines: tuple[Ranked, ...]
    unsure: tuple[Ranked, ...]
    """Of which too little is known to be ranked, those of which most is known first."""
    parties: tuple[RankedParty, ...]
    left_out: int = 0
    """Twins beyond the number that is looked at."""


# upgrades


class Way(StrEnum):
    """How a part gets its new revision."""

    MODIFY = "modify"
    """The same item is brought to the revision."""
    SWAP = "swap"
    """Another item of the revision takes its place."""


class Upgrade(_Value, frozen=True, kw_only=True):
    """What could be upgraded: a part to a revision, or a piece of software to a version."""

    part: str
    to: str
    below: str = ""
    """Only what is older than this; empty: than `to`."""
    way: Way = Way.SWAP
    """Of hardware."""
    kind: str = ""
    """A kind of use that makes it worth while: hours …"""
    at_least: float = 0.0
    """So much of it, of the item that would be upgraded."""
    parts: tuple[str, ...] = ()
    """Only machines of these parts."""
    limit: int = 200


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One place where the upgrade could be made."""

    machine: str
    twin: str
    serial: str
    party: str
    item: str
    present: str
    """Its revision or version now; empty: not known."""
    used: float | None
    """Of the kind that was asked for; None: nobody told, or it was not asked."""
    worth: bool | None
    """It was used enough; None: that is not known."""
    possible: bool
    """Tried on the configuration as it is now, nothing forbids it."""
    findings: tuple[str, ...]
    """What forbids it, or is to be minded."""


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """Where an upgrade is worth while and possible first, the most used first."""

    candidates: tuple[Candidate, ...]
    counts: dict[str, int]
    """offer: worth while and possible; blocked; not_worth; unknown."""
    unknown: int
    """Items of the part whose revision, or machines whose version, is not known: they are in no answer."""
    left_out: int = 0

"""Values of offers: a machine as it is configured, with its service plan and its price, from a draft to delivery."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from gemel.configuration import Every, Finding, ItemKind, Level
from gemel.services.money import Price, Total, totals

__all__ = [
    "Asked",
    "Choice",
    "Compared",
    "Configured",
    "Found",
    "Interval",
    "Line",
    "Match",
    "Model",
    "Offer",
    "OfferState",
    "Option",
    "Piece",
    "Promised",
    "Rate",
    "Record",
    "Revised",
    "ServicePlan",
    "SlotChoices",
    "Step",
    "Terms",
]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a document or a request: what is not told is as by default."""


# the service plan


class Interval(_Value, frozen=True, kw_only=True):
    """Maintenance that is due again and again."""

    title: str
    every: float
    unit: str = "days"
    """days of the calendar, or a kind of use that is counted: hours, strokes, starts …"""
    part: str = ""
    """The part that it is done to; empty: the machine."""


class Rate(_Value, frozen=True, kw_only=True):
    """What a customer pays for use."""

    kind: str
    """What is counted: hours, strokes, pieces …"""
    price: Decimal
    """Of one."""
    currency: str
    included: float = 0.0
    """So much of it each month costs nothing more."""


class ServicePlan(_Value, frozen=True, kw_only=True):
    """What is promised with a machine, as terms. All of it begins when the machine is delivered."""

    id: str = ""
    """Within its model; empty: of one offer alone."""
    title: str = ""
    months: int = 0
    """How long it runs; 0: until somebody ends it."""
    availability_percent: float | None = None
    """That is guaranteed; None: nothing is."""
    response_hours: float | None = None
    """Within which somebody is at work on a failure."""
    confirmed_days: float = 0.0
    """Its configuration is confirmed at most so many days ago: a promise that Gemel watches. 0: nothing is promised."""
    snapshots: Every = Every.NEVER
    """How often snapshots of its configuration are taken."""
    maintenance: tuple[Interval, ...] = ()
    metering: tuple[Rate, ...] = ()
    prices: tuple[Price, ...] = ()
    """Fees: per month, per year, or once."""
    terms: str = ""
    """Everything else, for people."""


# what is sold


class Model(_Value, frozen=True, kw_only=True):
    """A part of the book that is sold as a machine."""

    part: str
    maker: str = ""
    title: str = ""
    types: tuple[str, ...] = ()
    """Twin types of the twins of such machines."""
    prices: tuple[Price, ...] = ()
    """Of the machine itself (no part), and of parts that are chosen into it."""
    plans: tuple[ServicePlan, ...] = ()
    capabilities: tuple[str, ...] = ()
    """That can be unlocked on it; see capabilities."""


# configuring


class Choice(_Value, frozen=True, kw_only=True):
    """What somebody chooses for a slot."""

    path: tuple[str, ...]
    """Slots from the machine down. Several choices of one path are several pieces in the slot."""
    part: str
    maker: str = ""
    revision: str = ""
    """Empty: the newest that fits."""
    quantity: int = 1
    """So many pieces alike."""


class Asked(_Value, frozen=True, kw_only=True):
    """A machine that is being configured."""

    part: str
    maker: str = ""
    revision: str = ""
    serial: str = ""
    """The serial number that it is to get, where that is known: some parts are for some machines only."""
    at: int | None = None
    """When it is to be delivered: rules may hold from then or until then. None: now."""
    selection: tuple[Choice, ...] = ()
    plan: str = ""
    """The id of a service plan of the model."""
    fill: bool = False
    """Choose for every mandatory slot that is empty, where something fits."""


class Revised(msgspec.Struct, frozen=True, kw_only=True):
    """A revision of a part that may be chosen."""

    revision: str
    fits: bool | None
    """With all the rest as it is chosen; None: not looked at, there is too much to look at."""
    level: Level
    """allow, warn, concession, or block where it does not fit."""
    why: tuple[str, ...] = ()
    """Why not, or what to mind."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """A part that may be chosen for a slot."""

    part: str
    maker: str
    name: str
    fits: bool | None
    """Whether one of its revisions does."""
    revisions: tuple[Revised, ...]
    """The newest first; of a part without revisions one, with an empty name."""
    prices: tuple[Price, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that the choice does not keep, and the way out."""

    path: tuple[str, ...]
    rule: str
    level: Level
    text: str
    safety: bool = False
    nearest: tuple[tuple[Choice, ...], ...] = ()
    """Ways out, the nearest first: one or two changes each, by which it is kept and no other rule is broken. A change
    to an empty part takes a choice out. None: there is none so small."""

    @classmethod
    def of(cls, finding: Finding, path: tuple[str, ...], text: str) -> Found:
        return cls(path=path, rule=finding.rule, level=finding.level, text=text, safety=finding.safety)


class SlotChoices(msgspec.Struct, frozen=True, kw_only=True):
    """A slot of the machine as it is chosen so far."""

    path: tuple[str, ...]
    name: str
    holder: str
    """The part that has it."""
    kind: ItemKind
    count: int
    mandatory: bool
    safety: bool
    free: bool
    """It takes any part: there is no rule."""
    chosen: tuple[Choice, ...]
    """With their revisions."""
    options: tuple[Option, ...]


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules of the parts book say of a choice."""

    part: str
    maker: str
    name: str
    selection: tuple[Choice, ...]
    """As it was chosen, with revisions, the outermost slots first: the bill of material."""
    slots: tuple[SlotChoices, ...]
    findings: tuple[Found, ...]
    missing: tuple[tuple[str, ...], ...]
    """Mandatory slots that are empty."""
    complete: bool
    """Nothing is missing."""
    level: Level
    """The worst of what was found: block cannot be ordered, concession needs somebody to concede it."""
    prices: tuple[Price, ...]
    """Of the machine, of what is chosen, of the plan."""
    totals: tuple[Total, ...]
    unpriced: tuple[str, ...]
    """Parts that are chosen and have no price, where the model has prices."""


# an offer


class OfferState(StrEnum):
    """draft → ordered → built → delivered; a draft or an ordered machine may be cancelled."""

    DRAFT = "draft"
    ORDERED = "ordered"
    """Its planned twin is there."""
    BUILT = "built"
    """Its as-built configuration is recorded."""
    DELIVERED = "delivered"
    """Its promises have begun."""
    CANCELLED = "cancelled"


class Terms(_Value, frozen=True, kw_only=True):
    """An offer as somebody drafts it."""

    asked: Asked
    title: str = ""
    party: str = ""
    """Id of the organisation that is to own the machine; empty: the operating one."""
    service: ServicePlan | None = None
    """Of this offer alone, in place of one of the model's."""
    prices: tuple[Price, ...] = ()
    """Lines besides those of the model: transport, a discount."""
    capabilities: tuple[str, ...] = ()
    """That are unlocked on it from delivery on."""
    key: str = ""
    """The same key of the same person is the same offer, however often it is asked for."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a life."""

    state: str
    time: int
    actor: str = ""
    detail: str = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One offer as it is now."""

    id: str
    number: int
    state: OfferState
    title: str
    part: str
    maker: str
    party: str
    terms: Terms
    selection: tuple[Choice, ...]
    """The bill of material: what was chosen, with revisions, as the rules had it when it was drafted or ordered."""
    service: ServicePlan | None
    prices: tuple[Price, ...]
    actor: str
    """Who drafted it."""
    created: int
    changed: int
    item: str = ""
    """The machine, once it is ordered; its twin has the same id."""
    plan: int = 0
    """Number of the plan that holds its as-planned configuration."""
    conceded: str = ""
    """Why somebody ordered it in spite of a rule that asks for a concession."""
    built: int | None = None
    delivered: int | None = None
    steps: tuple[Step, ...] = ()

    @property
    def totals(self) -> tuple[Total, ...]:
        return totals(self.prices)


# what it was built of


class Piece(_Value, frozen=True, kw_only=True):
    """One piece of an as-built record."""

    path: tuple[str, ...]
    """Slots from the machine down."""
    part: str
    revision: str = ""
    maker: str = ""
    serial: str = ""
    lot: str = ""
    quantity: int = 1
    item: str = ""
    """Its id, where it is known already, or is to have a certain one."""


class Record(_Value, frozen=True, kw_only=True):
    """That a machine was built, and of what."""

    pieces: tuple[Piece, ...] = ()
    """None: the record was made already, by operations or a load."""
    serial: str = ""
    """Of the machine; empty: as it was ordered."""
    revision: str = ""
    """Of the machine; empty: as it was ordered."""
    at: int | None = None
    """When; None: now."""
    evidence: str = ""
    """A reference to the record of production."""


class Match(StrEnum):
    """What was built beside what was ordered."""

    AS_ORDERED = "as_ordered"
    OTHER_REVISION = "other_revision"
    OTHER_PART = "other_part"
    MISSING = "missing"
    """Ordered, and not in the record."""
    NOT_ORDERED = "not_ordered"
    """In the record, and not ordered."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of the bill of material beside the record."""

    path: tuple[str, ...]
    match: Match
    ordered: str = ""
    """Part and revision."""
    built: str = ""
    item: str = ""
    serial: str = ""
    gap: str = ""
    """What of the record is missing: content, serial, revision; empty: nothing."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """How complete an as-built record is against what was ordered."""

    built: int | None
    """When the machine was built; None: no as-built configuration is recorded."""
    lines: tuple[Line, ...]
    counts: dict[str, int]
    """How many lines of each match."""
    share: float
    """Of the ordered lines: those that are in the record as ordered, with all that is to be known of them."""


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """One promise of a service plan, as it stands."""

    what: str
    since: int | None
    """When it began: at delivery; None: not yet."""
    until: int | None = None
    """None: no end is agreed."""
    due: int | None = None
    """When it is due first, or next by the calendar."""
    standing: str = ""
    """kept, broken or never, where Gemel watches it."""

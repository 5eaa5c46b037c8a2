"""A campaign: a version of a piece of software that many machines are to get, group by group, and what became of it.

The words are those of Eclipse hawkBit where it has them: group, success and error threshold, approval, pause.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from gemel.configuration import Effectivity, Having, Need
from gemel.errors import InvalidInput
from gemel.twin import Position

__all__ = [
    "BACK",
    "ENDED",
    "OVER",
    "UNDER_WAY",
    "Campaign",
    "CampaignState",
    "Draft",
    "Group",
    "GroupSpec",
    "Proof",
    "Selection",
    "Signed",
    "Step",
    "Target",
    "TargetState",
    "Threshold",
]

_THRESHOLD = re.compile(r"(\d{1,7})\s*(%?)", re.ASCII)


class CampaignState(StrEnum):
    """draft → (waiting →) scheduled → running ⇄ paused → finished; or one of the other ends."""

    DRAFT = "draft"
    """Its targets are looked for anew each time it is looked at."""
    WAITING = "waiting"
    """Its targets are frozen; somebody else has to approve it."""
    SCHEDULED = "scheduled"
    """It begins at its start time."""
    RUNNING = "running"
    PAUSED = "paused"
    """Nothing is sent; what is under way goes on to its own end."""
    STOPPED = "stopped"
    """For good; nothing is sent any more."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FINISHED = "finished"


OVER = frozenset({CampaignState.STOPPED, CampaignState.ROLLED_BACK, CampaignState.FINISHED})


class TargetState(StrEnum):
    """How far one machine has come."""

    PENDING = "pending"
    """Nothing was sent."""
    UPDATING = "updating"
    """It is on stable storage that it is to be sent: from here on it may have been."""
    SUCCEEDED = "succeeded"
    """The device reports the version."""
    FAILED = "failed"
    """The device refused it, or reports something else."""
    UNKNOWN = "unknown"
    """It may have been sent, and nobody can tell what became of it."""
    SKIPPED = "skipped"
    """Its configuration has changed since targeting, or a rule excludes it; nothing was sent."""
    CANCELLED = "cancelled"
    """The campaign ended before anything was sent."""
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    """The device reports the version that it had before."""
    NOT_ROLLED_BACK = "not_rolled_back"
    """It could not be brought back, or nobody can tell."""


UNDER_WAY = frozenset({TargetState.UPDATING, TargetState.ROLLING_BACK})
ENDED = frozenset(TargetState) - UNDER_WAY - {TargetState.PENDING}
BACK = frozenset({TargetState.ROLLING_BACK, TargetState.ROLLED_BACK, TargetState.NOT_ROLLED_BACK})


class Threshold(msgspec.Struct, frozen=True):
    """So many machines of a group, or so many of a hundred."""

    number: int
    percent: bool

    @classmethod
    def parse(cls, text: str, what: str) -> Threshold:
        """`80%` or `3`. Raises InvalidInput."""
        found = _THRESHOLD.fullmatch(text.strip())
        if found is None or not 1 <= int(found[1]) <= (100 if found[2] else 1_000_000):
            raise InvalidInput(f"{what} is a number of machines (3) or of a hundred (80%), not {text!r:.40}")
        return cls(int(found[1]), bool(found[2]))

    def reached(self, count: int, of: int) -> bool:
        """Whether `count` of `of` machines are so many; none of none never is. A number larger than the group is
        all of it."""
        if count <= 0:
            return False
        return 100 * count >= self.number * of if self.percent else count >= min(self.number, of)


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which machines: all that fit everything that is told."""

    versions: str = ""
    """That run one of these versions now; empty: any."""
    machines: tuple[Need, ...] = ()
    """That have all of these, hardware or software."""
    effectivity: Effectivity = Effectivity()
    """With these serial numbers or lots."""
    having: tuple[Having, ...] = ()
    """As a question to the fleet is asked: machines that have all of this at once, now."""
    twins: tuple[str, ...] = ()
    """Only these; empty: all."""


class GroupSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group as it is asked for."""

    name: str = ""
    share: str = ""
    """`1`, `10%` (of all targets); empty: all that are left."""
    success: str = "100%"
    """When so many have succeeded, the next group begins."""
    errors: str = "1"
    """When so many have failed, or their outcome is unknown, the campaign pauses."""


USUAL = (GroupSpec(name="first", share="1"), GroupSpec(name="rest", success="90%", errors="10%"))


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign as somebody asks for it."""

    part: str
    version: str
    title: str = ""
    selection: Selection = Selection()
    groups: tuple[GroupSpec, ...] = (
        GroupSpec(name="first", share="1"),
        GroupSpec(name="rest", success="90%", errors="10%"),
    )
    approval: bool = False
    """Somebody else has to approve it, with its targets, before it begins."""
    start: int | None = None
    """Not before this moment; microseconds UTC."""
    at_once: int = 10
    """So many machines are updated at the same time, at most."""
    deadline_s: float = 1800.0
    """For each machine: by then it reports the version, or it has not worked."""
    settle_s: float = 0.0
    """For so long it reports the version, and passes its function check, before it counts."""
    key: str = ""
    """The same key of the same person is the same campaign, however often it is asked for."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One group, frozen."""

    name: str
    success: str
    errors: str
    share: str = ""
    forgiven: int = 0
    """So many failures were there when somebody went on in spite of them."""
    passed: bool = False
    """Somebody went on although too few had succeeded."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a life."""

    state: str
    time: int
    actor: str = ""
    detail: str = ""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a device reported, never what was sent."""

    version: str
    time: int
    """When the device says it was so."""
    position: Position
    """Of that report in the journal."""
    works: bool | None = None
    """What the function check said then; None: there is none."""
    noticed: int = 0
    """Since when it has held, by our clock."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """Who put their name under the report."""

    actor: str
    time: int
    sha256: str
    """Of the report, as JSON."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of a campaign."""

    ordinal: int
    group: int
    machine: str
    """The item of the machine."""
    item: str
    """The item in it that has the software, itself perhaps."""
    twin: str
    """That item's twin: it is told, and tells."""
    slot: str
    before: str
    """The version that it reported when the targets were frozen; empty: none."""
    hash: str
    """Of the machine's configuration then."""
    state: TargetState = TargetState.PENDING
    attempt: int = 0
    """Counts orders: each has a key of its own, so none is given twice."""
    order: str = ""
    sent_after: Position = 0
    """What was reported up to this position came before the order."""
    deadline: int = 0
    reason: str = ""
    """Why: changed, requires, excludes, withdrawn, refused, no-answer, reports, function …"""
    detail: str = ""
    proof: Proof | None = None
    steps: tuple[Step, ...] = ()


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign as it is now."""

    id: str
    number: int
    title: str
    part: str
    version: str
    selection: Selection
    groups: tuple[Group, ...]
    at_once: int
    deadline_s: float
    settle_s: float
    start: int | None
    approval: str
    """Empty: not needed; `needed`; or who approved it."""
    actor: str
    key: str
    created: int
    state: CampaignState = CampaignState.DRAFT
    group: int = 0
    """The last group that has begun, from 0."""
    reason: str = ""
    detail: str = ""
    steps: tuple[Step, ...] = ()
    signed: Signed | None = None

    @property
    def over(self) -> bool:
        return self.state in OVER

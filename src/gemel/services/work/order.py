"""Values of work: an order, its visits, what repairs what. Kinds of maintenance are those of EN 13306:2017."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from gemel.clock import MAX_TIME, MIN_TIME, to_rfc3339
from gemel.configuration import Having
from gemel.errors import InvalidInput, InvalidTime
from gemel.twin import Expected, check_expected, check_id

__all__ = [
    "ENDED",
    "NEXT",
    "Cause",
    "Maintenance",
    "Outcome",
    "PartWanted",
    "ReworkCause",
    "Step",
    "Visit",
    "VisitSpec",
    "WorkOrder",
    "WorkSpec",
    "WorkState",
    "in_range",
]

LONGEST_TEXT = 4000
MOST = 200
"""Skills, tools or parts of one order."""


class WorkState(StrEnum):
    """How far an order is."""

    PLANNED = "planned"
    ASSIGNED = "assigned"
    ON_THE_WAY = "on_the_way"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (WorkState.DONE, WorkState.FAILED, WorkState.CANCELLED)
S = WorkState
_OPEN = (S.PLANNED, S.ASSIGNED, S.ON_THE_WAY, S.WORKING)
NEXT: dict[WorkState, tuple[WorkState, ...]] = {
    **{one: tuple(other for other in WorkState if other is not one) for one in _OPEN},
    S.FAILED: (S.PLANNED, S.ASSIGNED, S.ON_THE_WAY, S.WORKING, S.DONE, S.CANCELLED),
    S.DONE: (),
    S.CANCELLED: (),
}
"""Where an order may go: an open one anywhere, a failed one is taken up again, and what is done or cancelled stays so:
to repair it is another order."""


class Maintenance(StrEnum):
    """EN 13306:2017, 7; the leaves of its tree."""

    PREDETERMINED = "predetermined"
    """Preventive, at intervals or after so much use."""
    CONDITION_BASED = "condition_based"
    """Preventive, non-predictive."""
    PREDICTIVE = "predictive"
    """Preventive, by a forecast."""
    IMMEDIATE = "immediate"
    """Corrective, without delay."""
    DEFERRED = "deferred"
    """Corrective, later."""
    IMPROVEMENT = "improvement"
    MODIFICATION = "modification"
    INSTALLATION = "installation"
    """No maintenance by the standard: a machine or part is put in first."""


class Outcome(StrEnum):
    """What became of a visit."""

    UNDER_WAY = "under_way"
    DONE = "done"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a visit failed."""

    WRONG_PEOPLE = "wrong_people"
    WRONG_PARTS = "wrong_parts"
    WRONG_TOOLS = "wrong_tools"
    WRONG_INFORMATION = "wrong_information"
    NO_ACCESS = "no_access"
    OTHER = "other"


class ReworkCause(StrEnum):
    """Why what another order did has to be repaired."""

    WRONG_CONFIGURATION_DATA = "wrong_configuration_data"
    """What the crew was told of the machine was not so."""
    WORKMANSHIP = "workmanship"
    DEFECTIVE_PART = "defective_part"
    WRONG_DIAGNOSIS = "wrong_diagnosis"
    OTHER = "other"
    UNKNOWN = "unknown"


class PartWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part that the crew is to bring."""

    part: str
    """Part number."""
    revision: str = ""
    quantity: int = 1
    slot: str = ""
    """Where it goes, by slots from the machine on: `pump_a` or `pump_a/seal`; empty: wherever it may."""


class WorkSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A work order as it is told: by a person, or by the system that it comes from."""

    id: str = ""
    """Empty: `<system>:<external>`, or made up here."""
    system: str = ""
    """The system that holds it; empty: this one."""
    external: str = ""
    """Its id there. The same system and id again is the same order."""
    twin: str = ""
    """The machine. At least this or the item; the other follows where it can."""
    item: str = ""
    title: str = ""
    what: str = ""
    job: str = ""
    """What says how: a record of a job plan, a bulletin (it is complied with when the order is done), or the number of
    a plan of the item."""
    maintenance: Maintenance | None = None
    start: int | None = None
    """Of the planned window."""
    end: int | None = None
    party: str = ""
    """Whose crew it is; empty: our own."""
    skills: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    parts: tuple[PartWanted, ...] = ()
    repairs: str = ""
    """The order whose work it repairs."""
    rework: ReworkCause | None = None
    """Why that is necessary."""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration: nobody sets out, or begins, where that is not so."""

    @property
    def derived(self) -> str:
        """The id that it has if none is given; empty: one is made up."""
        return f"{self.system}:{_plain(self.external)}" if self.external else ""

    def checked(self) -> WorkSpec:
        """Itself, with an id where it can have one by itself. Raises InvalidInput, InvalidId."""
        if self.system:
            check_id(self.system, "system")
        if bool(self.system) != bool(self.external):
            raise InvalidInput("a system and its id of the order go together: give both, or neither")
        id = self.id or self.derived
        if id:
            check_id(id, "a work order's id")
        in_range(self.start, self.end)
        if not (self.twin or self.item):
            raise InvalidInput("say which machine it is for: twin, or item, or both")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise InvalidInput(f"the window ends at {to_rfc3339(self.end)}, before it starts")
        if bool(self.repairs) != (self.rework is not None):
            raise InvalidInput("rework has an order that it repairs, and a cause: give repairs and rework together")
        if self.repairs and self.repairs == id:
            raise InvalidInput(f"{id} cannot repair itself")
        for name, longest in (("title", 400), ("what", LONGEST_TEXT), ("external", 200), ("job", 200), ("party", 80)):
            if len(getattr(self, name)) > longest:
                raise InvalidInput(f"{name} is longer than {longest} characters")
        check_expected(self.expects)
        for told in (told for one in self.expects for told in one.has):
            Having.parse(told.removeprefix("!"))
        for name in ("skills", "tools", "parts"):
            if len(getattr(self, name)) > MOST:
                raise InvalidInput(f"there are more than {MOST} {name}")
        _lines(self.skills, "skill")
        _lines(self.tools, "tool")
        for one in self.parts:
            if not one.part or max(len(one.part), len(one.revision), len(one.slot)) > 128 or not 0 < one.quantity < 1e6:
                raise InvalidInput(f"part {one.part!r:.60}: a part number, and a quantity of at least 1")
        return msgspec.structs.replace(self, id=id)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """That an order came into a state."""

    state: WorkState
    time: int
    """When it was so."""
    recorded: int
    """When it became known."""
    actor: str
    reason: str = ""


class VisitSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visit as it is told. Told again with the same key it is the same visit, as it is known now."""

    key: str
    """The teller's own id of the visit."""
    who: str = ""
    """Random id of who went; empty: who tells it. Never a name."""
    start: int
    end: int | None = None
    outcome: Outcome = Outcome.UNDER_WAY
    cause: Cause | None = None
    """Of a failed one."""
    note: str = ""
    """In the words of who went; kept so that they can be erased."""
    time_from: str = ""
    """Where the times come from, if not from a person: a system, a device."""

    def checked(self) -> VisitSpec:
        """Itself. Raises InvalidInput, InvalidId."""
        if not self.key or len(self.key) > 200:
            raise InvalidInput("a visit has a key of 1 to 200 characters, by which it is known when it is told again")
        if self.who:
            check_id(self.who, "who")
        in_range(self.start, self.end)
        if self.end is not None and self.end < self.start:
            raise InvalidInput(f"the visit ends at {to_rfc3339(self.end)}, before it starts")
        if self.outcome is not Outcome.UNDER_WAY and self.end is None:
            raise InvalidInput("say when the visit ended")
        if (self.outcome is Outcome.FAILED) != (self.cause is not None):
            raise InvalidInput(f"a failed visit has a cause, and no other has: {', '.join(Cause)}")
        if len(self.note) > LONGEST_TEXT:
            raise InvalidInput(f"a note has at most {LONGEST_TEXT} characters")
        return self


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody went, as it is known now."""

    number: int
    key: str
    who: str
    start: int
    end: int | None
    outcome: Outcome
    cause: Cause | None
    note: str
    recorded: int
    actor: str
    time_from: str = ""


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands."""

    number: int
    id: str
    system: str
    external: str
    twin: str
    item: str
    title: str
    what: str
    job: str
    maintenance: Maintenance | None
    start: int | None
    end: int | None
    party: str
    skills: tuple[str, ...]
    tools: tuple[str, ...]
    parts: tuple[PartWanted, ...]
    repairs: str
    rework: ReworkCause | None
    expects: tuple[Expected, ...]
    state: WorkState
    revision: int
    """Rises with every change: send it back as If-Match."""
    created: int
    changed: int
    actor: str
    steps: tuple[Step, ...] = ()
    visits: tuple[Visit, ...] = ()

    @property
    def spec(self) -> WorkSpec:
        """What was told of it."""
        told: dict[str, Any] = {name: getattr(self, name) for name in WorkSpec.__struct_fields__}
        return WorkSpec(**told)


def in_range(*moments: int | None) -> None:
    """Raises InvalidTime for what is no moment of the years that are kept."""
    for one in moments:
        if one is not None and not MIN_TIME <= one < MAX_TIME:
            raise InvalidTime("a moment is outside the years 1900 to 2261; write it like 2026-01-31T12:00:00Z")


def _plain(external: str) -> str:
    """Another system's id as one of ours can have it."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "._~-") else "-" for one in external)[:100]


def _lines(lines: Sequence[str], what: str) -> None:
    for one in lines:
        if not one.strip() or len(one) > 400:
            raise InvalidInput(f"a {what} has 1 to 400 characters")

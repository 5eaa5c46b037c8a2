"""Goals: one number for many actuators. `line to 80 %` is one command, with limits and a pace."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["GoalMember", "GoalType", "OnFailure"]


class OnFailure(StrEnum):
    """What becomes of the rest when one member of a transaction fails. COMPENSATE: what was done is put back.
    LEAVE: what was done stays, and is told."""

    COMPENSATE = "compensate"
    LEAVE = "leave"


class GoalMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One role in a goal: what a property of the twin, or of whatever fills a slot, is to be."""

    slot: str = ""
    """Every part that fills it; empty: the twin itself."""
    property: str
    value: str
    """An expression over `goal`, properties of the twin and of components in its slots: goal * 15"""
    minimum: float | None = None
    maximum: float | None = None
    """It is never told less, or more, than that."""


class GoalType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A number that the twin is to be brought to, by what its members are told."""

    name: str
    title: str = ""
    description: str = ""
    unit: str = ""
    """UCUM code of the goal's number."""
    minimum: float | None = None
    maximum: float | None = None
    """What can be asked for."""
    now: str = ""
    """An expression for what the number is now, by what is reported: infeed.speed / 15. Needed for a ramp."""
    ramp_per_s: float | None = None
    """How fast the number moves at most, in its unit per second; None: at once."""
    step_s: float = 1.0
    """On a ramp: the time from one stage to the next."""
    in_order: bool = False
    """Each member is told when the one before it has followed."""
    on_failure: OnFailure = OnFailure.COMPENSATE
    members: tuple[GoalMember, ...]

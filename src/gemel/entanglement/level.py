"""The level of integration of a property, from what really flows: model, shadow or twin (Kritzinger et al. 2018)."""

from __future__ import annotations

from enum import StrEnum

from gemel.entanglement.declared import Declared
from gemel.entanglement.flows import Entered, Ordered

__all__ = ["Flow", "Level", "judged"]


class Level(StrEnum):
    """MODEL: nothing flows by itself. SHADOW: the object's value comes by itself, and is fresh. TWIN: orders to the
    object are applied by themselves, too."""

    MODEL = "model"
    SHADOW = "shadow"
    TWIN = "twin"


class Flow(StrEnum):
    """How something travels."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    """By people: entered by hand; an instruction that somebody carries out."""
    COMPUTED = "computed"
    NONE = "none"


def judged(
    declared: Declared, *, fresh: bool | None, entered: Entered | None, ordered: Ordered | None, computed: bool
) -> tuple[Level, Flow, Flow, str]:
    """(level, what flows in, what flows out, why) of one property.

    `fresh`: None where nothing was ever reported. `entered`: who told its value by hand, if that is the one it has.
    `ordered`: how the last order of it ended.
    """
    outward, back = _outward(declared, ordered)
    if computed:
        return Level.MODEL, Flow.COMPUTED, outward, "it is computed here"
    if fresh is None:
        return Level.MODEL, Flow.NONE, outward, "nothing was ever reported of it"
    if entered is not None:
        return Level.MODEL, Flow.MANUAL, outward, f"its value was entered by hand; {back}"
    if not fresh:
        return Level.MODEL, Flow.NONE, outward, "its value is stale: nothing flows in"
    if outward is Flow.AUTOMATIC:
        return Level.TWIN, Flow.AUTOMATIC, outward, "its value comes by itself, and the last order was applied"
    return Level.SHADOW, Flow.AUTOMATIC, outward, f"its value comes by itself; {back}"


def _outward(declared: Declared, ordered: Ordered | None) -> tuple[Flow, str]:
    """What flows to the object, and what there is to say of it."""
    if not declared.outward:
        return Flow.NONE, "nothing carries orders to its object"
    by_hand = not declared.carrier
    if ordered is None:
        return Flow.NONE, "no order of it was applied yet"
    if ordered.state != "applied":
        return Flow.NONE, f"the last order of it was {ordered.state}"
    return (Flow.MANUAL, "people carry out its orders") if by_hand else (Flow.AUTOMATIC, "")

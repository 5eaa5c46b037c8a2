"""The life of an object: which stage may follow which."""

from __future__ import annotations

from gemel.errors import InvalidValue
from gemel.twin.types import LifeStage

__all__ = ["TRANSITIONS", "check_reachable", "check_transition"]

_S = LifeStage
TRANSITIONS: dict[LifeStage, frozenset[LifeStage]] = {
    _S.PLANNED: frozenset({_S.BUILT, _S.RETIRED}),
    _S.BUILT: frozenset({_S.COMMISSIONED, _S.RETIRED}),
    _S.COMMISSIONED: frozenset({_S.IN_SERVICE, _S.DOWN, _S.RETIRED}),
    _S.IN_SERVICE: frozenset({_S.DOWN, _S.RETIRED}),
    _S.DOWN: frozenset({_S.IN_SERVICE, _S.COMMISSIONED, _S.RETIRED}),
    _S.RETIRED: frozenset({_S.COMMISSIONED, _S.RECYCLED}),  # refurbished and put to use again, or taken apart
    _S.RECYCLED: frozenset(),
}


def _reachable(start: LifeStage) -> set[LifeStage]:
    found, open_ = {start}, [start]
    while open_:
        new = TRANSITIONS[open_.pop()] - found
        found |= new
        open_ += new
    return found


def check_transition(id: str, before: LifeStage, after: LifeStage) -> None:
    """Raises InvalidValue unless `after` may follow `before` in one step."""
    if after not in TRANSITIONS[before]:
        allowed = sorted(s.value for s in TRANSITIONS[before])
        may = f"it may become {' or '.join(allowed)}" if allowed else "its life is over"
        raise InvalidValue(f"{id} is {before} and cannot become {after}; {may}", allowed=allowed)


def check_reachable(id: str, before: LifeStage, after: LifeStage) -> None:
    """Raises InvalidValue unless `after` can follow `before` in some steps: what a declaration may ask for."""
    if after not in _reachable(before):
        allowed = sorted(s.value for s in _reachable(before) - {before})
        may = f"it may become {', '.join(allowed)}" if allowed else "its life is over"
        raise InvalidValue(f"{id} is {before} and cannot become {after}; {may}", allowed=allowed)

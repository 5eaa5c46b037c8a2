"""When a reported value is the desired one."""

from __future__ import annotations

from typing import Any

from gemel.twin import PropertyType

__all__ = ["RELATIVE", "agrees"]

RELATIVE = 1e-6
"""Of a number without a tolerance: what the way through a 32-bit float may change."""


def agrees(reported: Any, desired: Any, property_: PropertyType) -> bool:
    """Whether a reported value counts as the desired one: numbers within the property's tolerance, others equal."""
    if isinstance(reported, bool) or isinstance(desired, bool):
        return reported is desired or (
            type(reported) in (bool, int) and type(desired) in (bool, int) and reported == desired
        )
    if isinstance(reported, int | float) and isinstance(desired, int | float):
        allowed = property_.tolerance
        return abs(reported - desired) <= (RELATIVE * abs(desired) if allowed is None else allowed)
    if isinstance(reported, list) and isinstance(desired, list) and len(reported) == len(desired):
        return all(agrees(one, other, property_) for one, other in zip(reported, desired, strict=True))
    return bool(reported == desired)

"""What a number measures: a product of units, or a place on a scale that does not begin at nothing (°C)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from gemel.errors import InvalidUnit
from gemel.units import affine, check_unit, same_dimension

__all__ = ["Measure", "factor"]


@dataclass(frozen=True, slots=True)
class Measure:
    """Units and their powers. No `Measure` (None) is a bare number, which takes the unit of what it meets.

    `interval`: a difference (4.5 K between two temperatures), not a reading.
    """

    units: tuple[tuple[str, Fraction], ...]
    interval: bool = False

    @classmethod
    def of(cls, code: str) -> Measure | None:
        """Of a UCUM code; None for no unit. Raises InvalidUnit."""
        return None if code in ("", "1") else cls(((check_unit(code), Fraction(1)),))

    @property
    def code(self) -> str:
        """As a UCUM code: kW.h, (kW.h)/m. Raises InvalidUnit for fractions of units."""
        if len(self.units) == 1 and self.units[0][1] == 1:
            return self.units[0][0]
        above = below = ""
        for unit, power in self.units:
            if power.denominator != 1:
                raise InvalidUnit(f"{unit} to the power of {power} has no unit; use value(…) for a number without one")
            if unit.startswith("/"):  # /min is min to the power of -1, and no component in parentheses
                unit, power = unit[1:], -power
            part = unit if unit.isalnum() else f"({unit})"
            if power > 0:
                above += "".join(f".{part}" for _ in range(int(power)))
            else:
                below += "".join(f"/{part}" for _ in range(-int(power)))
        return (above.removeprefix(".") or "1") + below

    @property
    def is_scale(self) -> bool:
        """Whether 0 of it is not nothing: Cel, [degF]."""
        return len(self.units) == 1 and self.units[0][1] == 1 and _offset(self.units[0][0])

    def times(self, other: Measure | None, *, sign: int = 1) -> Measure | None:
        """The unit of a product, or with sign -1 of a quotient; None when nothing is left of it."""
        powers: dict[str, Fraction] = dict(self.units)
        for unit, power in other.units if other is not None else ():
            powers[unit] = powers.get(unit, Fraction(0)) + sign * power
        return _product(powers)

    def power(self, exponent: Fraction) -> Measure | None:
        return _product({unit: power * exponent for unit, power in self.units})


def _product(powers: Mapping[str, Fraction]) -> Measure | None:
    left = tuple((unit, power) for unit, power in powers.items() if power)
    return Measure(left, interval=True) if left else None


@lru_cache(maxsize=1024)
def _offset(code: str) -> bool:
    if not same_dimension(code, "K"):
        return False
    return affine(code, "K")[1] != 0


def factor(source: Measure, target: Measure) -> tuple[float, float]:
    """(factor, offset) from one to the other. Raises InvalidUnit: other dimensions, a difference as a reading."""
    if source.units == target.units:
        if source.interval and target.is_scale and not target.interval:
            raise InvalidUnit(_not_a_reading(source, target))
        return 1.0, 0.0
    if source.interval and target.is_scale and not target.interval:
        raise InvalidUnit(_not_a_reading(source, target))
    made = affine(source.code, target.code, interval=source.interval or target.interval)
    return made[0], made[1]


def _not_a_reading(source: Measure, target: Measure) -> str:
    return f"a difference in {source.code} is not a reading in {target.code}; tell it in K"

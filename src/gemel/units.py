"""Units as UCUM codes (https://ucum.org), and conversion between them.

A *reading* has a place on a scale (24.5 °C); an *interval* is a difference (4.5 K). Converting 4.5 Cel as an
interval to K gives 4.5, as a reading 277.65. Parsing and factors come from `ucumvert` and `pint`.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gemel.errors import InvalidUnit

__all__ = ["Affine", "affine", "check_unit", "convert", "same_dimension", "warm_up"]

Number = TypeVar("Number", float, NDArray[np.float64])


_lock = threading.RLock()  # pint builds its tables as it goes, and not for several threads at once


@lru_cache(maxsize=1)
def _registry() -> Any:
    from ucumvert import PintUcumRegistry  # 0.5 s to import: only who converts pays

    return PintUcumRegistry(non_int_type=Decimal)  # 28 digits: 104 [degF] is 40 Cel, not 39.999


@lru_cache(maxsize=4096)
def _quantity(code: str) -> Any:
    if not code or len(code) > 64:
        raise InvalidUnit(f"{code!r:.80} is not a UCUM code; write for example mm, Cel, r/min as /min, or 1 for none")
    try:
        with _lock:
            return _registry().from_ucum(code) if code != "1" else _registry().Quantity(Decimal(1), "dimensionless")
    except Exception as error:  # ucumvert raises several unrelated classes
        raise InvalidUnit(
            f"{code!r} is not a UCUM code (see https://ucum.org); for example mm, Cel, %, /min, m/s2, N.m"
        ) from error


class Affine(tuple[float, float]):
    """y = factor · x + offset; built by `affine`."""

    __slots__ = ()

    def __call__(self, value: Number) -> Number:
        return value * self[0] + self[1]


@lru_cache(maxsize=4096)
def affine(source: str, target: str, *, interval: bool = False) -> Affine:
    """The map that takes a value in `source` to one in `target`.

    With `interval`, offsets of scales are left out (a difference of 1 Cel is a difference of 1 K).
    Raises InvalidUnit for unknown codes, other dimensions, and scales that are not affine (dB to Pa).
    """
    if source == target:
        _quantity(source)
        return Affine((1.0, 0.0))
    here, there = _quantity(source), _quantity(target)
    if here.dimensionality != there.dimensionality:
        raise InvalidUnit(f"{source!r} cannot be converted to {target!r}: they measure different things")
    ureg = _registry()

    def at(x: int) -> Decimal:
        told = ureg.Quantity(Decimal(x) * Decimal(here.magnitude), here.units).to(there.units)
        return Decimal(told.magnitude) / Decimal(there.magnitude)

    not_linear = InvalidUnit(f"{source!r} to {target!r} is not linear; convert it before it is handed in")
    try:
        with _lock:
            zero, one, two = at(0), at(1), at(2)
    except (TypeError, ArithmeticError) as error:  # pint has no logarithm of a Decimal, as decibels would need
        raise not_linear from error
    if abs((two - one) - (one - zero)) > Decimal("1e-9") * max(Decimal(1), abs(two)):
        raise not_linear
    return Affine((float(one - zero), 0.0 if interval else float(zero)))


def convert(value: Number, source: str, target: str, *, interval: bool = False) -> Number:
    """`value` (float or float64 array) in `source`, told in `target`; UCUM codes. Raises InvalidUnit."""
    return affine(source, target, interval=interval)(value)


def check_unit(code: str) -> str:
    """The code itself if it is UCUM; raises InvalidUnit."""
    _quantity(code)
    return code


def same_dimension(one: str, other: str) -> bool:
    """Whether values can be converted between the two codes. Raises InvalidUnit for an unknown code."""
    return bool(_quantity(one).dimensionality == _quantity(other).dimensionality)


def warm_up() -> None:
    """Load the tables of units (half a second), so that no first reading waits for it."""
    _quantity("mm")

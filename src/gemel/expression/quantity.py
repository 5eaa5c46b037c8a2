"""What an input or a result is: a kind, a unit, the values that it can have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

__all__ = ["ARROW", "Kind", "Quantity"]


class Kind(StrEnum):
    """What the language tells apart."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Quantity:
    kind: Kind = Kind.NUMBER
    unit: str = ""
    """UCUM code; empty: a bare number, which takes the unit of what it meets."""
    values: tuple[str, ...] = ()
    """All that a text can be; empty: anything."""

    def __str__(self) -> str:
        return f"{self.kind} in {self.unit}" if self.unit else f"{self.kind}"


ARROW = {Kind.NUMBER: pa.float64(), Kind.BOOLEAN: pa.bool_(), Kind.TEXT: pa.string()}

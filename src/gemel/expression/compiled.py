"""A checked part of an expression, ready to run, and what it runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.errors import InvalidExpression
from gemel.expression.measure import Measure
from gemel.expression.quantity import Kind

__all__ = ["Compiled", "Parts", "Rows", "finite"]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The parts of n twins: m rows."""

    whole: NDArray[np.int64]
    """int64[m]: the row (0 … n-1) of the twin that each is a part of."""
    table: pa.Table
    """A column for each input of the set (`Members.inputs`), by the property's name; `is_a <type>` for `Members.types`,
    and perhaps `has <property>` (true for all, if it is left out): booleans."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What an expression is run on: n rows, and the parts of each."""

    table: pa.Table
    parts: Mapping[str, Parts] = field(default_factory=dict)
    moment: pa.Array | pa.Scalar | None = None
    """int64[n] or one for all, microseconds since the epoch: as of when `age` counts."""

    def column(self, name: str) -> Any:
        found = self.table.column(name)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    @property
    def count(self) -> int:
        return int(self.table.num_rows)


@dataclass(frozen=True, slots=True)
class Compiled:
    """Its kind (None: NULL, of any kind), what it measures, and how it is run: n values or one for all."""

    kind: Kind | None
    at: int
    run: Callable[[Rows], Any]
    measure: Measure | None = None
    values: tuple[str, ...] = ()
    """All that it can be, of an enumeration."""
    constant: float | str | bool | None = None
    """Its value if it is written as one."""
    said: str = ""
    """As it is named in errors."""

    def need(self, kind: Kind, by: str) -> Compiled:
        """Itself if it is of this kind. Raises InvalidExpression."""
        if self.kind not in (kind, None):
            raise InvalidExpression(f"{by} takes a {kind}, not {self.told}", position=self.at)
        return self

    @property
    def told(self) -> str:
        what = f"{self.said}, a {self.kind}" if self.said else f"a {self.kind}"
        return what if self.measure is None else f"{what} in {self.measure.code}"


def finite(values: Any) -> Any:
    """Unknown instead of infinity and of what is no number: 1/0, ln(-1)."""
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))

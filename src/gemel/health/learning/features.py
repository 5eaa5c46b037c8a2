"""What is known of an item as numbers: levels of names, and counts. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from gemel.health.learning.survival import Floats

__all__ = ["NUMBERS", "OTHER", "Column", "Encoding", "encoding_of"]

NUMBERS = frozenset({"nonconforming", "repairs"})
LEAST = 10
"""Lives that a level has, at least; rarer ones are one level together."""
OTHER = "others"
UNKNOWN = "unknown"
"""In place of what nobody told."""
PER_COLUMN = 10
"""Failures for each effect that is learnt, at least. Peduzzi, Concato, Feinstein, Holford 1995."""


class Column(msgspec.Struct, frozen=True):
    """One number of an item."""

    feature: str
    level: str
    """1 where the feature is this, else 0; empty: the number itself."""
    reference: str = ""
    """The level that has no column."""


class Encoding(msgspec.Struct, frozen=True):
    """How rows become numbers."""

    columns: tuple[Column, ...] = ()
    levels: dict[str, tuple[str, ...]] = {}
    """Of each feature: which had lives enough, the reference among them."""
    seen: dict[str, tuple[str, ...]] = {}
    """Of each feature: all that there were."""
    left_out: tuple[str, ...] = ()
    """Features with more levels than there are failures to learn them from."""

    def matrix(self, rows: pa.Table | Sequence[Mapping[str, Any]]) -> Floats:
        """float64[n, k]"""
        many = rows.num_rows if isinstance(rows, pa.Table) else len(rows)
        found = np.zeros((many, len(self.columns)))
        for at, column in enumerate(self.columns):
            told = _values(rows, column.feature)
            if not column.level:
                found[:, at] = told
                continue
            levels = self.levels[column.feature]
            named = [value if value in levels else OTHER for value in map(_level, told)]
            found[:, at] = [value == column.level for value in named]
        return found

    def strange(self, row: Mapping[str, Any]) -> list[str]:
        """What of a row no life that was learnt from had: `revision D`."""
        return [
            f"{name} {_level(row[name])}"
            for name, seen in self.seen.items()
            if name not in NUMBERS and _level(row[name]) not in seen
        ]


def encoding_of(rows: pa.Table, features: Sequence[str], failures: int) -> Encoding:
    """Of the features that differ between these lives; no more columns than failures allow, the simplest first."""
    levels: dict[str, tuple[str, ...]] = {}
    seen: dict[str, tuple[str, ...]] = {}
    wanted: list[tuple[str, list[Column]]] = []
    for name in features:
        told = _values(rows, name)
        if name in NUMBERS:
            usual = Counter(told).most_common(1)[0][1] if told else 0
            if len(told) - usual >= LEAST:
                wanted.append((name, [Column(name, "")]))
            continue
        counts = Counter(map(_level, told))
        kept = [value for value, many in counts.most_common() if many >= LEAST]
        rest = sum(counts.values()) - sum(counts[value] for value in kept)
        named = [*kept, OTHER] if rest >= LEAST else kept
        if len(named) > 1:
            levels[name], seen[name] = tuple(kept), tuple(sorted(counts))
            wanted.append((name, [Column(name, value, named[0]) for value in named[1:]]))
    columns: list[Column] = []
    left_out = []
    for name, more in sorted(wanted, key=lambda each: len(each[1])):
        if (len(columns) + len(more)) * PER_COLUMN <= failures:
            columns += more
        else:
            left_out.append(name)
    used = {column.feature for column in columns}
    return Encoding(
        columns=tuple(columns),
        levels={name: one for name, one in levels.items() if name in used},
        seen={name: one for name, one in seen.items() if name in used},
        left_out=tuple(left_out),
    )


def _level(value: Any) -> str:
    return str(value) or UNKNOWN


def _values(rows: pa.Table | Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return rows[name].to_pylist() if isinstance(rows, pa.Table) else [row[name] for row in rows]

"""How a machine's time is cut into groups: by what was in it, or by the values of properties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa

from gemel.configuration import Span, Within
from gemel.services.effectiveness.course import Course, Floats, Ints, Pieces
from gemel.services.effectiveness.elements import STATES
from gemel.services.effectiveness.signals import Signal
from gemel.twin import ProductionState

__all__ = ["NOTHING", "By", "Grid", "grid_of", "grouped", "labelled"]

NOTHING = "nothing"
"""The label of time in which nothing that was asked for was there."""


class By(msgspec.Struct, frozen=True, kw_only=True):
    """By what of its configuration a machine's time is grouped: a slot, or a part wherever it is."""

    slot: str = ""
    """Slots from the machine down: spindle, head.spindle; of software, where it runs and its own: controller.plc."""
    part: str = ""
    """A part number: by its revisions; of software, by its versions."""
    items: bool = False
    """By each single item, in place of part and revision."""
    property: str = ""
    """A property of which the mean is told, too: power, or slot.power."""
    target: str = "oee"
    """The key figure whose differences are told."""


def labelled(rows: Sequence[Within], seen: Sequence[Span], by: By) -> Iterable[tuple[Span, str]]:
    """What is seen of a machine's time, cut where something of it changed."""
    for span in seen:
        inside = [(each, one) for one in rows if (each := one.span.meets(span)) is not None]
        edges = sorted({span.start, span.end, *(e for each, _ in inside for e in (each.start, each.end))})
        for start, end in pairwise(edges):
            names = {_label(one, by) for each, one in inside if each.covers(start)}
            yield Span(start, end), " + ".join(sorted(names)) or NOTHING


def _label(one: Within, by: By) -> str:
    if by.items and not one.software:
        return one.item
    return f"{one.part} {one.revision or '?'}" if by.slot else one.revision or "?"


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """How values become labels: by edges of bins, or as they are."""

    edges: tuple[float, ...] = ()

    def labels(self, values: pa.Array) -> tuple[Ints, list[str]]:
        """(code of each, names)."""
        if not self.edges:
            text = values.cast(pa.string()) if not pa.types.is_floating(values.type) else _numbers(values)
            coded = text.dictionary_encode()
            return coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), (
                coded.dictionary.to_pylist()
            )
        given = values.fill_null(np.nan).to_numpy(zero_copy_only=False)
        place = np.clip(np.searchsorted(self.edges, given, "right") - 1, 0, len(self.edges) - 2)
        names = [f"{a} … {b}" for a, b in pairwise(_rounded(self.edges))]
        return np.where(np.isnan(given), -1, place), names


def _rounded(edges: Sequence[float]) -> list[str]:
    """To as few digits as tell them apart, four at least."""
    found: list[str] = []
    for digits in range(4, 18):
        found = [f"{float(f'{edge:.{digits}g}'):.{max(digits, 6)}g}" for edge in edges]
        if len(set(found)) == len(found):
            break
    return found


def _numbers(values: pa.Array) -> pa.Array:
    return pa.array([None if one is None else f"{one:.12g}" for one in values.to_pylist()], pa.string())


def grid_of(read: Sequence[tuple[Course, Signal]], bins: int) -> Grid:
    """Quantiles of producing time; of few distinct values, or texts, each by itself."""
    if not read or not all(pa.types.is_floating(one.value.type) for _, one in read):
        return Grid()
    values: list[Floats] = []
    weights: list[Floats] = []
    producing = STATES.index(ProductionState.PRODUCING)
    for course, one in read:
        cuts = np.unique(np.concatenate([one.start, one.end, course.states.edges]))
        at, known = cuts[:-1], one.at(cuts[:-1])
        keep = known.is_valid().to_numpy(zero_copy_only=False)
        weight = np.diff(cuts) * np.where(course.states.at(at) == producing, 1.0, 1e-6)
        values.append(known.fill_null(0.0).to_numpy(zero_copy_only=False)[keep])
        weights.append(weight[keep].astype(np.float64))
    every, weight = np.concatenate(values), np.concatenate(weights)
    distinct = np.unique(every)
    if len(distinct) <= 2 * bins:
        return Grid()
    order = np.argsort(every, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    inner = every[order][np.searchsorted(share, np.arange(1, bins) / bins)]
    return Grid(edges=tuple(np.unique([distinct[0], *inner, distinct[-1]]).tolist()))


def grouped(
    course: Course, signals: Sequence[Signal], grids: Sequence[Grid], labels: dict[tuple[str, ...], int]
) -> Pieces:
    every = np.concatenate([edge for one in signals for edge in (one.start, one.end)])
    cuts = np.unique(np.clip(every, course.start, course.end))
    at = cuts[:-1]
    known = np.ones(len(at), np.bool_)
    coded: list[Ints] = []
    named: list[list[str]] = []
    for one, grid in zip(signals, grids, strict=True):
        code, names = grid.labels(one.at(at))
        known &= code >= 0
        coded.append(code)
        named.append(names)
    rows, back = np.unique(np.stack(coded)[:, known], axis=1, return_inverse=True)
    places = [
        labels.setdefault(tuple(names[code] for names, code in zip(named, row, strict=True)), len(labels))
        for row in rows.T.tolist()
    ]
    group = np.array(places, np.int64)[back.reshape(-1)] if len(places) else np.zeros(0, np.int64)
    return Pieces(at[known], cuts[1:][known], group, 0)

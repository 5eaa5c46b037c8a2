"""Freshness that turned, as changes for the journal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gemel.state.layout import Layout
from gemel.state.updates import names_of
from gemel.state.watch import Turned
from gemel.twin import PROPERTY_BITS, Change

__all__ = ["changes_of"]

MAX_TWINS = 1_000
"""Of more twins that turn for one reason there is one change with their count."""


def changes_of(turned: Iterable[Turned], now: int, layout: Layout) -> list[Change]:
    """`freshness.lost` and `freshness.regained`, one per twin, cause and direction."""
    changes: list[Change] = []
    for one in turned:
        for stale in (True, False):
            chosen = (one.stale_since != 0) == stale
            if chosen.any():
                changes += _changes(Turned(one.series[chosen], one.stale_since[chosen], one.source), now, layout)
    return changes


def _changes(turned: Turned, now: int, layout: Layout) -> list[Change]:
    kind = "freshness.lost" if turned.stale_since[0] else "freshness.regained"
    cause = {"source": turned.source} if turned.source else {}
    count = len(np.unique(turned.series >> PROPERTY_BITS))
    time = int(turned.stale_since.min()) or now
    if count > MAX_TWINS:
        place = layout.place(int(turned.series[0]))
        subject = turned.source or (place[0].table.type_id if place is not None else "")
        return [Change(kind=kind, subject=subject, time=time, body={**cause, "twins": count})]
    by_twin: dict[str, list[str]] = {}
    since: dict[str, int] = {}
    for (twin, name), moment in zip(names_of(turned.series.tolist(), layout), turned.stale_since.tolist(), strict=True):
        by_twin.setdefault(twin, []).append(name)
        since[twin] = min(since.get(twin, moment), moment)
    return [
        Change(kind=kind, subject=twin, time=since[twin] or now, body={**cause, "properties": sorted(names)})
        for twin, names in by_twin.items()
    ]

"""Computed properties over the network, each verb one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gemel.client.jobs import finished
from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339

__all__ = ["Computing"]

Row = dict[str, Any]


class Computing:
    """`client.computation`."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def standing(self) -> Row:
        """How far it is behind, what cannot be computed, how the functions are."""
        return self._at.get(Row, path_of("computation"))

    def lineage(self, twin: str, property: str, at: Moment | None = None) -> Row:
        """What the value in force at `at` (default: now) was made of: version, expression, inputs."""
        return self._at.get(Row, path_of("twins", twin, "properties", property, "lineage"), at=_text(at))

    def redo(
        self,
        type: str,
        property: str,
        start: Moment,
        end: Moment | None = None,
        *,
        twins: Sequence[str] = (),
        progress: Callable[[float], None] | None = None,
    ) -> Row:
        """Compute the past anew; returns when that is done, however long it lasts. Whoever is interrupted meanwhile
        (Ctrl-C) ends it. Raises GemelError when it failed."""
        body = {"start": _text(start), "end": _text(end), "twins": list(twins)}
        job = self._at.send(Row, "POST", path_of("types", type, "properties", property, "redo"), body)
        return finished(self._at, job, progress, what="the redo", left="what was written until then stays")

    def compare(
        self, twin: str, simple: str, detailed: str, start: Moment, end: Moment, *, bound: float | None = None
    ) -> Row:
        """Bias, rmse, largest, and the share of the time within `bound`, of `simple` against `detailed`."""
        span = {"start": _text(start), "end": _text(end)}
        return self._at.get(
            Row, path_of("twins", twin, "deviation"), simple=simple, detailed=detailed, bound=bound, **span
        )


def _text(time: Moment | None) -> str | None:
    return None if time is None else to_rfc3339(moment(time))

"""Effectiveness over the network. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339
from gemel.twin import Page

__all__ = ["Effectiveness"]

Row = dict[str, Any]


class Effectiveness:
    """`client.effectiveness`: OEE and the other key figures of ISO 22400-2."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def __call__(
        self,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        type: str = "",
        limit: int = 20,
        cursor: str = "",
    ) -> Page[Row]:
        """All machines that tell of it, each over the whole interval (default: a week until now)."""
        asked = {"type": type, "limit": limit, "cursor": cursor, **_span(start, end)}
        return self._at.get(Page[Row], path_of("effectiveness"), **asked)

    def of(self, twin: str, start: Moment | None = None, end: Moment | None = None, *, by: str = "") -> Row:
        """Of a machine; also by hour, shift, day or week. Raises NotFound when its type says nothing about it."""
        return self._at.get(Row, path_of("twins", twin, "effectiveness"), by=by, **_span(start, end))

    def of_item(
        self,
        item: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        by: str = "",
        known: Moment | None = None,
    ) -> Row:
        """Of the machines that an item was in, while it was in them. Raises NotFound, Denied."""
        return self._at.get(
            Row, path_of("items", item, "effectiveness"), by=by, known=_text(known), **_span(start, end)
        )

    def compare(
        self, machines: Sequence[str] = (), start: Moment | None = None, end: Moment | None = None, **by: Any
    ) -> Row:
        """By configuration: `slot` or `part`; `items, type, target, property, known`. Raises InvalidQuery."""
        if by.get("known") is not None:
            by["known"] = _text(by["known"])
        asked = {"machine": list(machines), **by, **_span(start, end)}
        return self._at.get(Row, path_of("effectiveness", "configurations"), **asked)

    def settings(
        self, machines: Sequence[str] = (), start: Moment | None = None, end: Moment | None = None, **by: Any
    ) -> Row:
        """By settings: `setting` (names of properties), `bins, type, target, property`. Raises InvalidQuery."""
        asked = {"machine": list(machines), **by, **_span(start, end)}
        return self._at.get(Row, path_of("effectiveness", "settings"), **asked)


def _span(start: Moment | None, end: Moment | None) -> dict[str, str | None]:
    return {"start": _text(start), "end": _text(end)}


def _text(time: Moment | None) -> str | None:
    return None if time is None else to_rfc3339(moment(time))

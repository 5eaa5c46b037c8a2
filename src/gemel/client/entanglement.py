"""How twins are tied to their objects, and what people enter and confirm, over the network; each verb one request."""

from __future__ import annotations

from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339

__all__ = ["Entanglement"]

Row = dict[str, Any]


class Entanglement:
    """`client.entanglement`."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def of(self, twin: str) -> Row:
        """Each property of a twin: level, freshness, latency, loss, what is declared."""
        return self._at.get(Row, path_of("twins", twin, "entanglement"))

    def shop(self, **filters: Any) -> Row:
        """All that is seen as one, and twins: `q`, `type`, `level`, `broken`, `limit`, `cursor`."""
        return self._at.get(Row, path_of("entanglement"), **filters)

    def then(
        self, twin: str, property: str, start: Moment, end: Moment | None = None, *, within_s: float | None = None
    ) -> Row:
        """One property over a range: where it was stale, how late readings came, what was lost, which level it had."""
        span = {"start": _text(start), "end": None if end is None else _text(end)}
        return self._at.get(
            Row, path_of("twins", twin, "properties", property, "entanglement"), within_s=within_s, **span
        )

    def enter(self, twin: str, property: str, value: Any, *, unit: str = "", time: Moment | None = None) -> int:
        """Tell a value that you read or know; returns its position once it is on stable storage."""
        body = {"value": value, "unit": unit, "time": None if time is None else _text(time)}
        path = path_of("twins", twin, "properties", property, "entries")
        return int(self._at.send(Row, "POST", path, body)["position"])

    def instructions(self, twin: str = "") -> list[Row]:
        """Orders that wait for a person."""
        return self._at.get(list[Row], path_of("instructions"), twin=twin)

    def confirm(self, order: str, *, value: Any = None, output: Row | None = None, note: str = "") -> Row:
        """An instruction was carried out; `value`: what was found, if it is not what was ordered."""
        body = {"value": value, "output": output, "note": note}
        return self._at.send(Row, "POST", path_of("orders", order, "confirm"), body)

    def decline(self, order: str, *, note: str = "") -> Row:
        """An instruction was not carried out, and will not be."""
        return self._at.send(Row, "POST", path_of("orders", order, "decline"), {"note": note})


def _text(time: Moment) -> str:
    return to_rfc3339(moment(time))

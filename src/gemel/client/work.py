"""Work orders, stops, prices and exchanges over the network. Answers are plain data, as docs/reference/http.md shows
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.twin import Page

__all__ = ["Exchanges", "Work"]

Row = dict[str, Any]


class Work:
    """`client.work`."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self, q: str = "", **query: Any) -> Page[Row]:
        """Work orders, the newest first; `query`: twin, item, state, system, party, repairs, start, end, limit,
        cursor."""
        return self._at.get(Page[Row], path_of("work", "orders"), q=q, **query)

    def get(self, order: str) -> Row:
        """With its steps and visits. Raises NotFound."""
        return self._at.get(Row, path_of("work", "orders", order))

    def put(self, spec: Mapping[str, Any]) -> Row:
        """Tell an order of {twin or item, id?, system? and external?, title? …}: {what, order}. The same again is no
        change. Raises InvalidInput, NotFound, Conflict."""
        return self._at.send(Row, "POST", path_of("work", "orders"), dict(spec))

    def move(self, order: str, state: str, *, time: str = "", reason: str = "", concession: str = "") -> Row:
        """planned, assigned, on_the_way, working, done, failed, cancelled. Raises Conflict, RuleBroken (the machine is
        not safe), ConfigurationDiffers (it is not as the order assumes): both unless there is a concession, which
        needs the right to configure."""
        body: Row = {"state": state, "reason": reason, "concession": concession} | ({"time": time} if time else {})
        return self._at.send(Row, "POST", path_of("work", "orders", order, "state"), body)

    def visit(self, order: str, visit: Mapping[str, Any]) -> Row:
        """Note a visit of {key, start, end?, outcome?, cause?, note?}; told again with its key it is the same one."""
        return self._at.send(Row, "POST", path_of("work", "orders", order, "visits"), dict(visit))

    def kit(self, order: str) -> Row:
        """Skills, tools and parts for exactly this serial number, and which of the parts fit."""
        return self._at.get(Row, path_of("work", "orders", order, "kit"))

    def acts(self, order: str) -> list[Row]:
        """What of the configuration was changed under it."""
        return self._at.get(list[Row], path_of("work", "orders", order, "acts"))

    def report(self, **query: Any) -> list[Row]:
        """Visits, first-time fixes, rework, failures, downtime and cost; `query`: start, end, twin, type, party, part,
        revision, by."""
        return self._at.get(list[Row], path_of("work", "report"), **query)

    def stops(self, **query: Any) -> Page[Row]:
        """Unplanned stops, the newest first; `query`: twin, item, order, kind, start, end, limit, cursor."""
        return self._at.get(Page[Row], path_of("work", "stops"), **query)

    def stop(self, stop: str) -> Row:
        """With all that was said of what failed. Raises NotFound."""
        return self._at.get(Row, path_of("work", "stops", stop))

    def put_stop(self, spec: Mapping[str, Any]) -> Row:
        """Note a stop of {twin, start, end?, kind?, reason?, order?, item?, key?}."""
        return self._at.send(Row, "POST", path_of("work", "stops"), dict(spec))

    def classify(self, stop: str, kind: str, *, reason: str = "") -> Row:
        """hardware, software, overload, user_error, security, environment, unknown, planned."""
        return self._at.send(Row, "POST", path_of("work", "stops", stop, "class"), {"kind": kind, "reason": reason})

    def find_stops(self, twin: str, **query: Any) -> list[Row]:
        """When a machine's own words say that it stood; `query`: start, end, values, at_least_s."""
        return self._at.get(list[Row], path_of("work", "found-stops"), twin=twin, **query)

    def prices(self) -> list[Row]:
        """What an hour of downtime or work costs, and on what that rests."""
        return self._at.get(list[Row], path_of("work", "prices"))

    def put_price(self, spec: Mapping[str, Any]) -> list[Row]:
        """Say it of {kind, twin or type or neither, per_hour, currency, since?, rests_on}."""
        return self._at.send(list[Row], "POST", path_of("work", "prices"), dict(spec))


class Exchanges:
    """`client.exchanges`: with systems that plan work, sell it and count it."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """What is declared, and how each stands."""
        return self._at.get(list[Row], path_of("work", "exchanges"))

    def apply(self, document: str | Path, *, dry_run: bool = False) -> list[Row]:
        """Declare what a document (YAML or JSON) says; the difference. Raises InvalidDocument with every fault."""
        text = document.read_text() if isinstance(document, Path) else document
        answer = self._at.request(
            "PUT",
            path_of("work", "exchanges"),
            content=text.encode(),
            headers={"Content-Type": "application/yaml"},
            params={"dry_run": str(dry_run).lower()},
        )
        rows: list[Row] = answer.json()
        return rows

    def withdraw(self, exchange: str) -> None:
        """Exchange nothing more by it. Raises NotFound."""
        self._at.request("DELETE", path_of("work", "exchanges", exchange))

    def preview(self, exchange: str) -> Row:
        """What a run would do, row by row: counts, rows, outgoing."""
        return self._at.send(Row, "POST", path_of("work", "exchanges", exchange, "preview"), None)

    def run(self, exchange: str, *, only: str = "") -> list[Row]:
        """Exchange now; `only`: pull or push."""
        path = path_of("work", "exchanges", exchange, "run")
        rows: list[Row] = self._at.request("POST", path, params={"only": only}).json()
        return rows

    def things(self, exchange: str, *, states: Sequence[str] = (), limit: int = 100, cursor: str = "") -> Page[Row]:
        """What is exchanged, and what waits: same, waiting, conflict, refused."""
        path = path_of("work", "exchanges", exchange, "things")
        return self._at.get(Page[Row], path, state=",".join(states), limit=limit, cursor=cursor)

    def runs(self, exchange: str, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        """The runs that did something, or failed; the newest first."""
        return self._at.get(Page[Row], path_of("work", "exchanges", exchange, "runs"), limit=limit, cursor=cursor)

    def settle(self, exchange: str, external: str, keep: str) -> Row:
        """Say whose the fields are that both sides changed: ours or theirs. Raises NotFound."""
        body = {"external": external, "keep": keep}
        return self._at.send(Row, "POST", path_of("work", "exchanges", exchange, "settle"), body)

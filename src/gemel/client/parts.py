"""The parts book, plans, questions to all machines. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339
from gemel.twin import Page

__all__ = ["Configurations", "Parts"]

Row = dict[str, Any]


class Parts:
    """`client.parts_book`: what part types are, and what may be in their slots."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self, q: str = "", *, limit: int = 100, cursor: str = "") -> Page[Row]:
        """Parts whose number, name or maker has `q` in it."""
        return self._at.get(Page[Row], path_of("parts"), q=q, limit=limit, cursor=cursor)

    def get(self, part: str, *, maker: str = "") -> Row:
        """One part. Raises NotFound."""
        return self._at.get(Row, path_of("parts", part), maker=maker)

    def where_used(self, part: str) -> list[Row]:
        """The slots that it may be in."""
        return self._at.get(list[Row], path_of("parts", part, "where-used"))

    def apply(self, document: bytes, *, dry_run: bool = False, prune: bool = False) -> Row:
        """Make the book as a document says (YAML or JSON); the difference: `steps`, `text`. Raises InvalidDocument."""
        params = {"dry_run": str(dry_run).lower(), "prune": str(prune).lower()}
        headers = {"Content-Type": "application/yaml"}
        answer = self._at.request("PUT", path_of("parts"), content=document, params=params, headers=headers)
        found: Row = answer.json()
        return found


class Configurations:
    """`client.configurations`: which machines have what, what is worn, what is planned."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self, having: Iterable[str], **query: Any) -> Row:
        """Machines that have all of it at once ("P-7", "P-7:<C"): `at, known, start, end, source, limit, cursor`."""
        return self._at.get(Row, path_of("configurations"), having=tuple(having), **_texts(query))

    def remaining(self, **query: Any) -> Row:
        """Items with a life limit, those with the least left first: `kind, part, at, known, limit`."""
        return self._at.get(Row, path_of("remaining"), **_texts(query))

    def threats(self, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        """Machines whose configuration has gaps that threaten operation, each with them, the gravest first."""
        return self._at.get(Page[Row], path_of("threats"), limit=limit, cursor=cursor)

    def about(self, item: str, what: str, **when: Any) -> Any:
        """Of one machine: limits, completeness, sides, readiness, findings, nonconformances, observations, plans."""
        return self._at.get(Any, path_of("items", item, what), **_texts(when))

    def plan(
        self, operations: Sequence[Mapping[str, Any]], *, at: Moment, title: str = "", work_order: str = ""
    ) -> Row:
        """Plan operations. Raises as they would."""
        body = {"operations": list(operations), "at": to_rfc3339(moment(at)), "title": title, "work_order": work_order}
        return self._at.send(Row, "POST", path_of("plans"), body)

    def carry_out(self, plan: int, *, at: Moment | None = None) -> list[Row]:
        """It was done: all of it, or an error and nothing."""
        body = {} if at is None else {"at": to_rfc3339(moment(at))}
        return self._at.send(list[Row], "POST", path_of("plans", str(plan), "carry-out"), body)

    def cancel(self, plan: int, reason: str) -> Row:
        """It will not be done."""
        return self._at.send(Row, "POST", path_of("plans", str(plan), "cancel"), {"reason": reason})


def _texts(given: Mapping[str, Any]) -> Row:
    moments = {"at", "known", "start", "end"}
    return {
        name: to_rfc3339(value) if name in moments and type(value) is int else value for name, value in given.items()
    }

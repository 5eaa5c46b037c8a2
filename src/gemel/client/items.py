"""Items, what was done to them, and their life. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339
from gemel.twin import Page

__all__ = ["Items"]

Row = dict[str, Any]
AT_ONCE = 500
_MOMENTS = {"at", "known", "start", "end", "with_at", "with_known", "until"}


class Items:
    """`client.items`: which serialised part was where, as of two moments."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    # what is asked; `at`: as it was then, `known`: as it was believed then

    def __call__(self, q: str = "", **query: Any) -> Page[Row]:
        """Search: `part, maker, serial, lot, revision, kind, twin, root, loose, retired, at, known, limit, cursor`."""
        return self._at.get(Page[Row], path_of("items"), q=q, **_texts(query))

    def find(self, code: str) -> list[Row]:
        """What a scanned or typed code means: one candidate, or several to choose from."""
        return list(self._at.get(Row, path_of("find"), code=code)["candidates"])

    def get(self, item: str, **when: Any) -> Row:
        """One item, and where it is. Raises NotFound."""
        return self._at.get(Row, path_of("items", item), **_texts(when))

    def tree(self, item: str, **when: Any) -> Row:
        """What it consists of. Raises NotFound."""
        return self._at.get(Row, path_of("items", item, "tree"), **_texts(when))

    def history(self, item: str, *, known: Moment | None = None) -> list[Row]:
        """In which slots it has been."""
        return self._at.get(list[Row], path_of("items", item, "history"), **_texts({"known": known}))

    def stays(self, item: str, **when: Any) -> list[Row]:
        """In which machines it has been within `start`, `end`."""
        return self._at.get(list[Row], path_of("items", item, "stays"), **_texts(when))

    def acts(self, item: str, *, known: Moment | None = None) -> list[Row]:
        """Who said what of it."""
        return self._at.get(list[Row], path_of("items", item, "acts"), **_texts({"known": known}))

    def counters(self, item: str, **when: Any) -> dict[str, Row]:
        """How much it was used, by kind."""
        return self._at.get(dict[str, Row], path_of("items", item, "counters"), **_texts(when))

    def compare(self, item: str, other: str = "", **when: Any) -> list[Row]:
        """What differs from another machine, moment (`with_at`) or belief (`with_known`)."""
        return self._at.get(list[Row], path_of("items", item, "compare"), **{"with": other}, **_texts(when))

    def life(self, item: str, **when: Any) -> list[Row]:
        """Where it was, piece by piece, and which twin tells of it there."""
        return self._at.get(list[Row], path_of("items", item, "life"), **_texts(when))

    def series(self, item: str, property: str, **how: Any) -> Row:
        """A property over its life: `start, end, points, method, unit, around`. Raises UnknownProperty."""
        return self._at.get(Row, path_of("items", item, "life", property), **_texts(how))

    def events(self, item: str, **query: Any) -> Row:
        """What happened to it, the newest first: `start, end, kind, limit`."""
        return self._at.get(Row, path_of("items", item, "events"), **_texts(query))

    def qr(self, item: str) -> bytes:
        """An SVG picture of a QR code that leads to its page."""
        return self._at.request("GET", path_of("items", item, "qr.svg")).content

    def dossier(self, item: str, *, pdf: bool = False, **when: Any) -> bytes:
        """All that is known of it as of two moments, signed: JSON, or a PDF. Raises NotFound."""
        path = path_of("items", item, "dossier.pdf" if pdf else "dossier")
        return self._at.request("GET", path, params=_texts(when)).content

    def work_pack(self, item: str, *, job: str = "", send: bool = False, **when: Any) -> bytes:
        """A PDF for a crew: parts, tools, documents and what is believed of it, for this serial number and job (a
        plan's number, a work order); with `send` it is kept that the crew relied on it. Raises NotFound."""
        asked = {"job": job, **_texts(when)}
        path = path_of("items", item, "work-pack.pdf")
        return self._at.request("POST" if send else "GET", path, params=asked).content

    # what is said

    def do(
        self,
        operation: Mapping[str, Any],
        *,
        basis: Mapping[str, Any] | None = None,
        concession: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ) -> Row:
        """Do one operation, {"do": "swap", "parent": …, "at": …}, or only say what would become of it.

        Raises Conflict, NotFound, InvalidInput; with a rule's `findings` in `extra` where one is not kept.
        """
        body = _wish(operation, basis, concession)
        return self._at.send(Row, "POST", path_of("operations"), body, params={"dry_run": str(dry_run).lower()})

    def do_all(
        self,
        wishes: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> list[Row]:
        """Do many, in order, each by itself: {"operation": …, "basis": …, "concession": …}. Each answer has an
        `outcome` or a `problem`. `progress(n)`: so many are answered."""
        told: list[Row] = []
        bodies = [_wish(one["operation"], one.get("basis"), one.get("concession")) for one in wishes]
        for some in _parts(bodies):
            params = {"dry_run": str(dry_run).lower()}
            told += self._at.send(list[Row], "POST", path_of("operations"), some, params=params)
            if progress is not None:
                progress(len(told))
        return told


def _wish(operation: Mapping[str, Any], basis: Any, concession: Any) -> Row:
    told: Row = {"operation": _texts(operation)}
    told |= {"basis": dict(basis)} if basis else {}
    return told | ({"concession": _texts(concession)} if concession else {})


def _texts(given: Mapping[str, Any]) -> Row:
    return {
        name: to_rfc3339(moment(value)) if name in _MOMENTS and isinstance(value, int | datetime) else value
        for name, value in given.items()
    }


def _parts(bodies: list[Row]) -> Iterable[list[Row]]:
    return (bodies[first : first + AT_ONCE] for first in range(0, len(bodies), AT_ONCE))

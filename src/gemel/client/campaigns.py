"""Software and update campaigns over the network. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.twin import Page

__all__ = ["Campaigns", "Software"]

Row = dict[str, Any]


class Software:
    """`client.software`: what is declared, its files, and what machines run."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """What is declared."""
        return self._at.get(list[Row], path_of("software"))

    def apply(self, document: str | Path, *, dry_run: bool = False) -> list[Row]:
        """Declare what a document (YAML or JSON) says; the difference. Raises InvalidDocument with every fault."""
        text = document.read_text() if isinstance(document, Path) else document
        answer = self._at.request(
            "PUT",
            path_of("software"),
            content=text.encode(),
            headers={"Content-Type": "application/yaml"},
            params={"dry_run": str(dry_run).lower()},
        )
        rows: list[Row] = answer.json()
        return rows

    def get(self, part: str) -> Row:
        """One, with everything that was ever declared of it. Raises NotFound."""
        return self._at.get(Row, path_of("software", part))

    def withdraw(self, part: str) -> None:
        """Know it no more. Raises NotFound."""
        self._at.request("DELETE", path_of("software", part))

    def installed(
        self, part: str = "", *, at: str = "", known: str = "", limit: int = 100, cursor: str = ""
    ) -> Page[Row]:
        """What machines run, against what they have to run; `at`, `known`: RFC 3339."""
        return self._at.get(Page[Row], path_of("installed"), part=part, at=at, known=known, limit=limit, cursor=cursor)

    def of(self, twin: str, *, at: str = "", known: str = "") -> Row:
        """Of one machine. Raises UnknownTwin, NotFound (it is no item's twin)."""
        return self._at.get(Row, path_of("twins", twin, "software"), at=at, known=known)

    def files(self) -> list[Row]:
        """The newest first."""
        return self._at.get(list[Row], path_of("software", "files"))

    def add_file(self, path: Path, *, signature: str = "") -> Row:
        """Put a file in. Raises InvalidInput, TooLarge, StorageFull."""
        with path.open("rb") as content:
            answer = self._at.request(
                "POST",
                path_of("software", "files"),
                content=content,
                headers={"Content-Type": "application/octet-stream"},
                params={"name": path.name, "signature": signature},
            )
        row: Row = answer.json()
        return row


class Campaigns:
    """`client.campaigns`."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self, *, states: Iterable[str] = (), limit: int = 100, cursor: str = "") -> Page[Row]:
        """The newest first."""
        return self._at.get(Page[Row], path_of("campaigns"), states=tuple(states), limit=limit, cursor=cursor)

    def preview(self, draft: Mapping[str, Any]) -> Row:
        """The dry run of {part, version, selection?, groups? …}: `counts`, `groups`, `machines`."""
        return self._at.send(Row, "POST", path_of("campaigns", "preview"), dict(draft))

    def create(self, draft: Mapping[str, Any]) -> Row:
        """Keep a draft. Raises NotFound, InvalidInput."""
        return self._at.send(Row, "POST", path_of("campaigns"), dict(draft))

    def get(self, campaign: str) -> Row:
        """Raises NotFound."""
        return self._at.get(Row, path_of("campaigns", campaign))

    def targets(self, campaign: str, *, states: Iterable[str] = (), limit: int = 1000, cursor: str = "") -> Page[Row]:
        """Its machines, each with how far it is and why."""
        path = path_of("campaigns", campaign, "targets")
        return self._at.get(Page[Row], path, states=tuple(states), limit=limit, cursor=cursor)

    def report(self, campaign: str) -> Row:
        """All of it, with the proof of each machine."""
        return self._at.get(Row, path_of("campaigns", campaign, "report"))

    def do(self, campaign: str, verb: str, body: Mapping[str, Any] | None = None) -> Row:
        """start, approve, pause, resume, stop, rollback, retry, settle, sign-off. Raises Conflict, Denied."""
        return self._at.send(Row, "POST", path_of("campaigns", campaign, verb), body)

    def start(self, campaign: str) -> Row:
        """Freeze its targets and begin."""
        return self.do(campaign, "start")

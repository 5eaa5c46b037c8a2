"""Forms over the network. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemel.client.offers import apply_document
from gemel.client.transport import Transport, path_of
from gemel.twin import Page

__all__ = ["Forms"]

Row = dict[str, Any]


class Forms:
    """`client.forms`: checklists that are declared, and filled in beside the machine."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """Those that are declared, each {form, version}."""
        return self._at.get(list[Row], path_of("forms"))

    def declare(self, document: str | Path, *, dry_run: bool = False) -> list[Row]:
        """Declare forms by a document (YAML or JSON); the difference. Raises InvalidDocument."""
        return apply_document(self._at, path_of("forms"), document, dry_run)

    def withdraw(self, form: str) -> None:
        """Offer it no more; what was filled in stays. Raises NotFound."""
        self._at.request("DELETE", path_of("forms", form))

    def version(self, form: str, version: int | None = None) -> Row:
        """A form as it is, or as a version of it was: {form, version}. Raises NotFound."""
        return self._at.get(Row, path_of("forms", form), version=version)

    def of(self, item: str = "", *, twin: str = "", order: str = "") -> list[Row]:
        """What may be filled in at an item, at a twin, or under a work order, and how it was last. Raises NotFound."""
        if order:
            return self._at.get(list[Row], path_of("work", "orders", order, "forms"))
        where = ("items", item) if item else ("twins", twin)
        return self._at.get(list[Row], path_of(*where, "forms"))

    def fill(self, filling: Mapping[str, Any], *, dry_run: bool = False) -> Row:
        """Hand in {form, item or twin, answers, at?, version?, order?, key?, expects?}; with its key once. Files are
        {name, data in base64}. Raises NotFound, InvalidDocument, Conflict, ConfigurationDiffers."""
        return self._at.send(Row, "POST", path_of("filled-forms") + "?dry_run=true" * dry_run, dict(filling))

    def fill_all(self, fillings: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Each by itself: {filled} or {problem} in its place."""
        return self._at.send(list[Row], "POST", path_of("filled-forms"), [dict(one) for one in fillings])

    def filled(
        self, *, form: str = "", item: str = "", twin: str = "", order: str = "", limit: int = 100, cursor: str = ""
    ) -> Page[Row]:
        """What was filled in, the newest first."""
        asked = {"form": form, "item": item, "twin": twin, "order": order, "limit": limit, "cursor": cursor}
        return self._at.get(Page[Row], path_of("filled-forms"), **asked)

    def get(self, filled: str) -> Row:
        """One of them, with what was asked. Raises NotFound."""
        return self._at.get(Row, path_of("filled-forms", filled))

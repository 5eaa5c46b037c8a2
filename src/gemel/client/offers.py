"""Offers, capabilities and rankings over the network. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.twin import Page

__all__ = ["Capabilities", "Offers", "Prospects", "apply_document"]

Row = dict[str, Any]


def apply_document(at: Transport, path: str, document: str | Path, dry_run: bool) -> list[Row]:
    """Declare a document (YAML or JSON); the difference. Raises InvalidDocument."""
    text = document.read_text() if isinstance(document, Path) else document
    headers = {"Content-Type": "application/yaml"}
    params = {"dry_run": str(dry_run).lower()}
    rows: list[Row] = at.request("PUT", path, content=text.encode(), headers=headers, params=params).json()
    return rows


class Offers:
    """`client.offers`: machines that are configured, ordered, built and delivered."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(
        self, *, states: Iterable[str] = (), party: str | None = None, limit: int = 100, cursor: str = ""
    ) -> Page[Row]:
        """The newest first."""
        return self._at.get(Page[Row], path_of("offers"), states=tuple(states), party=party, limit=limit, cursor=cursor)

    def models(self) -> list[Row]:
        """What can be configured and ordered."""
        return self._at.get(list[Row], path_of("offers", "models"))

    def declare(self, document: str | Path, *, dry_run: bool = False) -> list[Row]:
        """Declare models by a document (YAML or JSON); the difference. Raises InvalidDocument."""
        return apply_document(self._at, path_of("offers", "models"), document, dry_run)

    def withdraw(self, part: str) -> None:
        """Sell a model no more. Raises NotFound."""
        self._at.request("DELETE", path_of("offers", "models", part))

    def configure(self, asked: Mapping[str, Any]) -> Row:
        """What the rules say of {part, selection?, plan?, fill? …}, and what may be chosen besides."""
        return self._at.send(Row, "POST", path_of("offers", "configure"), dict(asked))

    def draft(self, terms: Mapping[str, Any]) -> Row:
        """Keep {asked, title?, party?, prices?, capabilities? …} as an offer."""
        return self._at.send(Row, "POST", path_of("offers"), dict(terms))

    def change(self, offer: str, terms: Mapping[str, Any]) -> Row:
        """Draft it anew. Raises NotFound, Conflict."""
        return self._at.send(Row, "PUT", path_of("offers", offer), dict(terms))

    def get(self, offer: str) -> Row:
        """Raises NotFound."""
        return self._at.get(Row, path_of("offers", offer))

    def do(self, offer: str, verb: str, body: Mapping[str, Any] | None = None) -> Row:
        """order, build, deliver, cancel. Raises NotFound, Conflict, RuleBroken."""
        return self._at.send(Row, "POST", path_of("offers", offer, verb), body)


class Capabilities:
    """`client.capabilities`: what is unlocked on machines, by licences."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """What can be unlocked."""
        return self._at.get(list[Row], path_of("capabilities"))

    def declare(self, document: str | Path, *, dry_run: bool = False) -> list[Row]:
        """Declare capabilities by a document (YAML or JSON); the difference. Raises InvalidDocument."""
        return apply_document(self._at, path_of("capabilities"), document, dry_run)

    def withdraw(self, capability: str) -> None:
        """Sell it no more. Raises NotFound."""
        self._at.request("DELETE", path_of("capabilities", capability))

    def of(self, twin: str) -> list[Row]:
        """Of one machine: what it reports, which licence holds. Raises UnknownTwin."""
        return self._at.get(list[Row], path_of("twins", twin, "capabilities"))

    def licences(
        self,
        *,
        twin: str = "",
        capability: str = "",
        states: Iterable[str] = (),
        limit: int = 100,
        cursor: str = "",
    ) -> Page[Row]:
        """The newest first."""
        asked = {"twin": twin, "capability": capability, "states": tuple(states), "limit": limit, "cursor": cursor}
        return self._at.get(Page[Row], path_of("licences"), **asked)

    def licence(self, licence: str) -> Row:
        """Raises NotFound."""
        return self._at.get(Row, path_of("licences", licence))

    def grant(self, grant: Mapping[str, Any], *, dry_run: bool = False) -> Row:
        """License {capability, twin, starts?, ends?, reference?}. Raises NotFound, RuleBroken."""
        path = path_of("licences") + ("?dry_run=true" if dry_run else "")
        return self._at.send(Row, "POST", path, dict(grant))

    def revoke(self, licence: str, reason: str) -> Row:
        """Take it back from now on. Raises NotFound, Conflict."""
        return self._at.send(Row, "POST", path_of("licences", licence, "revoke"), {"reason": reason})

    def retry(self, licence: str) -> Row:
        """Tell the machine again. Raises NotFound, Conflict."""
        return self._at.send(Row, "POST", path_of("licences", licence, "retry"), None)


class Prospects:
    """`client.prospects`: which machines and customers fit a service, and what could be upgraded."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """Profiles that are declared."""
        return self._at.get(list[Row], path_of("prospects", "profiles"))

    def declare(self, document: str | Path, *, dry_run: bool = False) -> list[Row]:
        """Declare profiles by a document (YAML or JSON); the difference. Raises InvalidDocument."""
        return apply_document(self._at, path_of("prospects", "profiles"), document, dry_run)

    def withdraw(self, profile: str) -> None:
        """Rank by it no more. Raises NotFound."""
        self._at.request("DELETE", path_of("prospects", "profiles", profile))

    def rank(self, profile: str) -> Row:
        """Machines and customers by how they fit, each with the reasons. Raises NotFound."""
        return self._at.get(Row, path_of("prospects", "profiles", profile, "ranking"))

    def upgrades(self, upgrade: Mapping[str, Any]) -> Row:
        """Machines that {part, to, below? …} would make more of, tried on each."""
        return self._at.send(Row, "POST", path_of("prospects", "upgrades"), dict(upgrade))

"""Parties that hold each other to their record, each verb one request."""

from __future__ import annotations

from typing import Any

from gemel.client.transport import Transport, path_of

__all__ = ["Witnessing"]

Row = dict[str, Any]


class Witnessing:
    """`client.witness`."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def standing(self) -> Row:
        """As whom the plant signs, and `peers`: what both hold of each other, what is wrong."""
        return self._at.get(Row, path_of("witness"))

    def check(self) -> Row:
        """Look at all peers now; the same answer."""
        return self._at.send(Row, "POST", path_of("witness", "check"), timeout=None)

    def verify(self) -> Row:
        """Hold journal and audit log against everything that was countersigned: {ok, logs, peers}."""
        return self._at.send(Row, "POST", path_of("witness", "verify"), timeout=None)

    def accept(self, party: str, reason: str) -> Row:
        """Take note of what was wrong with a peer, and go on."""
        return self._at.send(Row, "POST", path_of("witness", "accept"), {"party": party, "reason": reason})

    def rotate(self) -> Row:
        """A new key, which the old one signs: {name, key}."""
        return self._at.send(Row, "POST", path_of("witness", "key", "rotate"))

    def proof(self, position: int) -> Row:
        """A small document by which anybody can check that what is at `position` stands in a countersigned record."""
        return self._at.get(Row, path_of("witness", "proof"), position=position)

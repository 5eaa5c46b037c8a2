"""Looking into a machine before it is connected, and the plant document of what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemel.client.transport import Transport, path_of

__all__ = ["Discoveries"]

Row = dict[str, Any]


class Discoveries:
    """`client.discoveries`. Answers are plain data, as docs/reference/http.md shows them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def look(self, kind: str, settings: Mapping[str, Any], **search: Any) -> Row:
        """What is found where `settings` of a connector lead to; `search`: where, seconds, most.

        Raises InvalidInput when it cannot be reached: the text says what to look at.
        """
        body = {"kind": kind, "settings": dict(settings), "search": search}
        return self._at.send(Row, "POST", path_of("discoveries"), body)

    def document(self, machine: Mapping[str, Any]) -> Row:
        """{document, yaml} that connects a machine {kind, settings, points, twin, name, type}; changes nothing."""
        return self._at.send(Row, "POST", path_of("discoveries", "document"), dict(machine))

"""A line that counts, how it is told of over HTTP and MQTT, and what was taken of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

from gemel.connectors.health import Health
from gemel.platform import Platform
from gemel.server import Server
from tests.disorder.house import journaled

PLANT = """
gemel: 1
types:
  - {id: line, properties: [{name: count, kind: integer}, {name: note, kind: text}]}
twins: [{id: line-1, types: [line]}]
"""


PATIENCE_S = 120


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of one answer, over a connection of its own."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, f"/api/v1{path}", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def connector(url: str, **payload: str) -> dict[str, Any]:
    """The MQTT connector `hall`: messages have an id, or what `payload` says."""
    return {
        "id": "hall",
        "kind": "mqtt",
        "settings": {"url": url, "payload": payload or {"id": "id"}, "backoff": {"initial_s": 0.1, "maximum_s": 1.0}},
        "bindings": [{"address": "line/count#n", "twin": "line-1", "property": "count"}],
    }


def hall(platform: Platform) -> Health:
    """The connector's health; a new one before it was started."""
    return platform.supervisor.health().get("hall") or Health(id="hall", kind="mqtt")


def is_connected(platform: Platform) -> bool:
    return hall(platform).state == "connected"


def counted(platform: Platform) -> list[Any]:
    """All counts in the journal, in order."""
    return [value for twin, name, _, value, _ in journaled(platform) if (twin, name) == ("line-1", "count")]


def wait_for(platform: Platform, holds: Callable[[], bool]) -> None:
    """Look again after each block; a connector's health makes one at least every five seconds."""
    end = platform.clock.monotonic() + PATIENCE_S
    while not holds():
        assert platform.clock.monotonic() < end, f"did not come to be within {PATIENCE_S} s: {hall(platform)}"
        platform.journal.wait(platform.position + 1, 0.5)

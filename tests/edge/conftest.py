"""Two plants: one at the edge, one upstream, and a wire between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gemel.clock import WallClock
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from tests.disorder.house import journaled
from tests.edge.wire import Wire, wire

PLANT = """
gemel: 1
types:
  - id: press
    properties:
      - {name: count, kind: integer}
      - {name: force, kind: number, unit: kN}
      - {name: program, kind: text}
      - {name: open, kind: boolean}
      - {name: recipe, kind: object}
      - {name: wave, kind: array}
      - {name: health, kind: condition}
      - {name: doubled, kind: number, computed: {expression: "count * 2"}}
    events: [{name: overheated, severity: warning, fields: [{name: degrees, kind: number}]}]
twins:
  - {id: press-1, types: [press], name: Press 1, serial: SN-1}
  - {id: press-2, types: [press]}
"""
SETTINGS = """
history_every_s: 0.5
edge:
  url: {url}
  name: hall-3
  token: {{file: upstream.token}}
"""
PATIENCE_S = 90.0


def edge_folder(folder: Path, url: str, token: str, more: str = "") -> Path:
    """A folder of an edge node that speaks to this URL with this token."""
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets" / "upstream.token").write_text(token)
    (folder / "gemel.yaml").write_text(SETTINGS.format(url=url) + more)
    return folder


def count(platform: Platform, first: int, until: int, *, twin: str = "press-1") -> int:
    """Report the counts from first up to until, one message each; returns the last position."""
    messages = [Message(readings=[Reported(twin=twin, property="count", value=n)]) for n in range(first, until)]
    return platform.ingest(messages, source="plc").last


def counted(platform: Platform, twin: str = "press-1") -> list[Any]:
    """All counts of a twin in the journal, in its order."""
    return [value for id, name, _, value, _ in journaled(platform) if (id, name) == (twin, "count")]


def level(edge: Platform, position: int) -> None:
    """Wait until everything up to a position of the edge is upstream."""
    assert edge.edge is not None
    end = WallClock().monotonic() + PATIENCE_S
    while edge.edge.standing().acknowledged < position:
        assert WallClock().monotonic() < end, edge.edge.standing()
        edge.journal.wait(edge.journal.head().position + 1, 0.05)


def wait_for(edge: Platform, holds: Any) -> None:
    """Look again every twentieth of a second."""
    end = WallClock().monotonic() + PATIENCE_S
    while not holds():
        assert WallClock().monotonic() < end, edge.edge.standing() if edge.edge else None
        edge.journal.wait(edge.journal.head().position + 1, 0.05)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.edge.edge.LONGEST_PAUSE_S", 0.5)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Platform]:
    with Platform.open(tmp_path / "upstream") as platform:
        yield platform


@pytest.fixture
def server(upstream: Platform) -> Iterator[Server]:
    with Server(upstream, port=0) as server:
        yield server


@pytest.fixture
def line(server: Server) -> Iterator[Wire]:
    with wire(int(server.url.rpartition(":")[2])) as line:
        yield line


@pytest.fixture
def token(upstream: Platform) -> str:
    return str(upstream.gate.tokens.add("hall 3", "engineer")[1])


@contextmanager
def opened(folder: Path) -> Iterator[Platform]:
    with Platform.open(folder) as edge:
        if not edge.types():
            edge.apply(PLANT)
        yield edge


@pytest.fixture
def edge(tmp_path: Path, line: Wire, token: str) -> Iterator[Platform]:
    with opened(edge_folder(tmp_path / "edge", line.url, token)) as edge:
        yield edge

"""A real platform, a real server on a free port, and callers of every role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gemel.access import Role
from gemel.platform import Platform
from gemel.server import Server
from gemel.units import check_unit

check_unit("Cel")  # the tables of units are loaded here, not while the first platform opens

PLANT = """
gemel: 1
site: {name: Test bed, time_zone: America/New_York}
types:
  - id: press
    properties:
      - {name: oil_temperature, kind: number, unit: Cel, minimum: -40, maximum: 200, headline: true}
      - {name: mode, kind: enumeration, values: [AUTOMATIC, MANUAL]}
      - {name: parts_made, kind: integer}
      - {name: running, kind: boolean}
      - {name: hydraulics, kind: condition}
    events: [{name: overheated, severity: warning}]
twins:
  - {id: line-1, types: [press], name: Line 1}
  - {id: press-7, types: [press], name: Press 7, serial: SN-4711, aliases: [seven], part_of: line-1}
  - {id: press-8, types: [press], name: Press 8, links: {feeds: [press-7]}}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform:
        platform.apply(PLANT)
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def tokens(platform: Platform) -> dict[str, str]:
    """A token for each role."""
    return {str(role): platform.gate.tokens.add(f"test {role}", role)[1] for role in Role}


@pytest.fixture(scope="module")
def as_role(server: Server, tokens: dict[str, str]) -> Iterator[Callable[[str], httpx.Client]]:
    """A client of a role by its token; of nobody for an empty name."""
    made: dict[str, httpx.Client] = {}

    def client(role: str) -> httpx.Client:
        if role not in made:
            headers = {"Authorization": f"Bearer {tokens[role]}"} if role else {}
            made[role] = httpx.Client(base_url=server.url, headers=headers, timeout=60)
        return made[role]

    yield client
    for one in made.values():
        one.close()


@pytest.fixture
def admin(as_role: Callable[[str], httpx.Client]) -> httpx.Client:
    return as_role("administrator")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path

"""What a party may hand in: readings of the twins that are granted to it whole, and of no others."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.options import API
from gemel.twin import PropertyGroup

PLANT = """
gemel: 1
types:
  - id: pump
    properties:
      - {name: pressure, unit: bar, group: condition}
      - {name: recipe, kind: text, group: process}
twins: [{id: pump-a, types: [pump]}, {id: pump-b, types: [pump]}, {id: pump-c, types: [pump]}]
connectors:
  - id: gate
    kind: http
    bindings: [{address: b, twin: pump-b, property: pressure}]
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp("shared")
    with Platform.open(folder) as platform:
        platform.apply(PLANT)
        gate = platform.gate
        gate.parties.add("partner", "Partner Ltd")
        actions = (Action.READ, Action.WRITE)
        gate.grant("party:partner", actions, Selector(twins=("pump-a",)))
        gate.grant("party:partner", actions, Selector(twins=("pump-c",)), groups=[PropertyGroup.CONDITION])
        yield platform


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[httpx.Client]:
    account = platform.gate.accounts.add("writer", None, None, party="partner", kind="service")
    secret = platform.gate.tokens.add("writer", None, owner=account.id)[1]
    with (
        Server(platform, port=0) as server,
        httpx.Client(base_url=server.url + API, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client,
    ):
        yield client


def handed_in(client: httpx.Client, twin: str, source: str = "") -> dict[str, int]:
    reading = {"twin": twin, "property": "pressure", "value": 4.5}
    answer = client.post("/ingest", params={"source": source}, json={"messages": [{"readings": [reading]}]})
    assert answer.status_code in (200, 202), answer.text
    receipt: dict[str, int] = answer.json()
    return receipt


def test_a_party_hands_in_readings_of_what_is_granted_to_it(platform: Platform, client: httpx.Client) -> None:
    assert handed_in(client, "pump-a")["accepted"] == 1
    assert platform.now("pump-a")["pressure"].value == 4.5


@pytest.mark.parametrize("source", ["", "gate"])
@pytest.mark.parametrize("twin", ["pump-b", "pump-c", "pump-nobody-knows"])
def test_what_is_not_granted_whole_is_held_as_not_granted_whether_it_is_there_or_not(
    platform: Platform, client: httpx.Client, twin: str, source: str
) -> None:
    receipt = handed_in(client, twin, source)
    assert (receipt["accepted"], receipt["quarantined"]) == (0, 1)
    assert {one.code for one in platform.intake.quarantined(twin=twin).items} == {"not-granted"}
    if platform.registry.directory.twin(twin) is not None:
        assert "pressure" not in platform.now(twin)

"""At the endpoint nobody is refused for being fast: what is too fast waits, and nobody else waits with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.access import Action, Selector
from tests.connectors.mqtt_client import Device
from tests.connectors.test_mqtt_endpoint import Site

PER_SECOND, BURST, MORE = 20, 200, 60
TOPIC = "gemel/press-7/pressure"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = Path(tmp_path_factory.mktemp("mqtt")) / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text(f"party_requests_per_s: {PER_SECOND}\n")
    made = Site(folder)
    made.listen(in_flight=64)
    yield made
    made.platform.close()


def flood(device: Device, count: int) -> list[int]:
    """Publish without waiting; returns the messages' numbers."""
    return [device.client.publish(TOPIC, str(number), 1).mid for number in range(count)]


def answered(site: Site, device: Device, sent: list[int]) -> None:
    """Wait until all of these are acknowledged."""
    site.until(lambda: set(sent) <= device.answers.keys(), 60)


def test_a_party_that_is_too_fast_is_slowed_down_and_loses_nothing(site: Site) -> None:
    gate = site.platform.gate
    gate.parties.add("swift", "Swift Ltd")
    gate.grant("party:swift", [Action.WRITE], Selector(twins=("press-7",)))
    service = gate.accounts.add("Swift cloud", None, None, party="swift", kind="service")
    _, secret = gate.tokens.add("swift", None, owner=service.id)
    with Device(site.port, "swift", user="swift", password=secret) as party:
        began = site.platform.clock.monotonic()
        answered(site, party, flood(party, BURST + MORE))  # what had come already is taken, and owed
        reason, _ = party.publish(TOPIC, "7.25")
        took = site.platform.clock.monotonic() - began
        assert not reason.is_failure
        assert all(not reason.is_failure for reason, _ in party.answers.values())
    assert took >= 0.8 * MORE / PER_SECOND
    assert site.value("press-7", "pressure") == 7.25


def test_a_flood_does_not_keep_another_device_waiting(site: Site) -> None:
    """Of the flood all is acknowledged; the polite one is answered before it has ended."""
    greedy_secret, polite_secret = site.device("greedy", "press-7"), site.device("polite", "press-8")
    with (
        Device(site.port, "greedy", user="greedy", password=greedy_secret) as greedy,
        Device(site.port, "polite", user="polite", password=polite_secret) as polite,
    ):
        sent = flood(greedy, 5_000)
        reason, _ = polite.publish("gemel/press-8/pressure", "7.5")
        before = len(greedy.answers)
        assert not reason.is_failure
        assert site.value("press-8", "pressure") == 7.5
        assert before < len(sent)
        answered(site, greedy, sent)
    assert site.value("press-7", "pressure") == len(sent) - 1

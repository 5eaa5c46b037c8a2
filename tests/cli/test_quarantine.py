"""The quarantine from the command line: chosen by what it is, mended by rules."""

import json

import pytest

from gemel import open as open_plant
from gemel.clock import parse_time
from gemel.errors import InvalidInput
from gemel.intake import Message, Reported
from tests.cli.test_commands import gemel

__all__ = ["gemel"]

TOLD = parse_time("2005-06-01T12:00:00Z")


@pytest.fixture
def held(gemel, tmp_path):
    """Two readings of a clock years behind, and one of a twin that nobody knows."""
    gemel("apply", "plant.yaml")
    late = [Reported(twin="press-7", property="oil_temperature", value=v, time=TOLD + v) for v in (1, 2)]
    with open_plant(tmp_path / "plant") as plant:
        plant.intake.submit("plc", [Message(readings=late)]).result(60)
        ghost = Reported(twin="ghost", property="x", value=3.0)
        plant.intake.submit("other", [Message(readings=[ghost])]).result(60)
    return lambda *which: [
        (row["source"], row["code"]) for row in json.loads(gemel("--json", "quarantine", "list", *which))
    ]


def test_what_is_held_is_listed_by_source_code_and_twin(held):
    assert held() == [("other", "unknown-twin"), ("plc", "clock"), ("plc", "clock")]
    assert held("--source", "other") == held("--twin", "ghost") == held("--code", "unknown-twin") == held()[:1]
    assert held("--source", "other", "--code", "clock") == []


def test_a_wrong_clock_is_mended_for_all_that_it_told(held, gemel):
    receipt = json.loads(
        gemel("--json", "quarantine", "replay", "--code", "clock", "--shift-s", str(20 * 365 * 86_400))
    )
    assert receipt["receipt"]["accepted"] == 2
    assert held() == [("other", "unknown-twin")]
    assert json.loads(gemel("--json", "now", "press-7"))["oil_temperature"]["value"] == 2.0


def test_rate_anchor_and_zone_are_applied(held, gemel, tmp_path):
    said = ["--rate", "2", "--anchor", "2005-06-01T12:00:00Z", "--time-zone", "Europe/Berlin", "--shift-s", "630720000"]
    gemel("quarantine", "replay", "--twin", "press-7", *said)
    with open_plant(tmp_path / "plant", run_connectors=False) as plant:
        # 1 and 2 µs after the anchor become 2 and 4; noon in Berlin's summer is 10 h UTC
        told = plant.now("press-7")["oil_temperature"].time
    assert told == TOLD + 4 + 630_720_000_000_000 - 2 * 3_600_000_000


def test_what_is_given_up_is_chosen_in_one_way(held, gemel):
    for which in ([], ["1", "--all"], ["--all", "--code", "clock"], ["1", "--source", "plc"]):
        for verb in ("replay", "discard"):
            with pytest.raises(InvalidInput, match="in one way"):
                gemel("quarantine", verb, *which)
    with pytest.raises(InvalidInput, match="go together"):
        gemel("quarantine", "replay", "--all", "--rate", "2")
    assert len(held()) == 3
    assert json.loads(gemel("--json", "quarantine", "discard", "--source", "plc"))["discarded"] == 2
    assert json.loads(gemel("--json", "quarantine", "replay", "--all"))["receipt"]["quarantined"] == 1
    assert json.loads(gemel("--json", "quarantine", "discard", "--all"))["discarded"] == 1
    assert held() == []

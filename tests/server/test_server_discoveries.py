"""Machines are looked into over HTTP, and what was chosen becomes a plant document that can be applied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemel.platform import Platform
from tests.connectors.brokers import Mosquitto, find_mosquitto
from tests.connectors.mqtt_client import Device
from tests.connectors.opcua_server import PressServer

API = "/api/v1"


@pytest.fixture(scope="module")
def press() -> Iterator[PressServer]:
    with PressServer() as server:
        yield server


def look(client: httpx.Client, kind: str, settings: dict[str, Any], **search: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/discoveries", json={"kind": kind, "settings": settings, "search": search})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_opcua_server_is_found_with_values_units_and_kinds(admin: httpx.Client, press: PressServer) -> None:
    found = look(admin, "opcua", {"url": press.url})
    points = {point["property"]["name"]: point for point in found["points"]}
    oil = points["oil_temperature"]
    assert (oil["value"], oil["quality"], oil["property"]["unit"]) == (20.0, "good", "Cel")
    assert oil["property"]["normal"] == [10.0, 80.0]
    assert points["lamp"]["value"] == "GREEN"
    assert points["pump_pressure"]["place"] == ["Press", "Pump"]
    assert found["name"] == "Press"


def test_points_are_looked_at_again_without_their_whole_tree(admin: httpx.Client, press: PressServer) -> None:
    first = look(admin, "opcua", {"url": press.url})["points"][:2]
    again = look(admin, "opcua", {"url": press.url}, addresses=[one["address"] for one in first])["points"]
    assert [(one["address"], one["value"]) for one in again] == [(one["address"], one["value"]) for one in first]


def test_what_was_chosen_is_previewed_applied_and_comes_alive(
    admin: httpx.Client, press: PressServer, platform: Platform
) -> None:
    found = look(admin, "opcua", {"url": press.url})
    chosen = [one for one in found["points"] if one["property"]["name"] in ("oil_temperature", "parts")]
    machine = {"kind": "opcua", "settings": found["settings"], "points": chosen, "twin": "press-1", "type": "big_press"}
    draft = admin.post(f"{API}/discoveries/document", json=machine)
    assert draft.status_code == 200, draft.text
    yaml = draft.json()["yaml"]
    plan = admin.post(f"{API}/apply?dry_run=true", content=yaml).json()
    assert [step["what"] for step in plan["steps"]] == ["type", "twin", "connector"]
    assert admin.get(f"{API}/twins/press-1").status_code == 404
    assert admin.post(f"{API}/apply", content=yaml).json()["empty"] is False
    first_value(platform, "press-1", "oil_temperature")
    now = admin.get(f"{API}/twins/press-1/now").json()["values"]
    assert now["oil_temperature"]["value"] == 20.0

    again = admin.post(f"{API}/discoveries/document", json=machine).json()["yaml"]
    assert admin.post(f"{API}/apply?dry_run=true", content=again).json()["empty"] is True


def test_more_of_a_machine_joins_its_twin_type_and_connector(
    admin: httpx.Client, press: PressServer, platform: Platform
) -> None:
    points = look(admin, "opcua", {"url": press.url})["points"]
    machine: dict[str, Any] = {"kind": "opcua", "settings": {"url": press.url}, "twin": "press-2"}
    for name in ("oil_temperature", "running"):
        machine["points"] = [one for one in points if one["property"]["name"] == name]
        yaml = admin.post(f"{API}/discoveries/document", json=machine).json()["yaml"]
        assert admin.post(f"{API}/apply", content=yaml).status_code == 200
    declared = {one.name for one in platform.registry.type("press-2").properties}
    assert declared == {"oil_temperature", "running"}
    carried = [one for spec in platform.registry.connectors() for one in spec.bindings if one.twin == "press-2"]
    assert {one.property for one in carried} == declared


def test_a_unit_of_the_source_is_converted_into_that_of_the_type(admin: httpx.Client, press: PressServer) -> None:
    points = look(admin, "opcua", {"url": press.url})["points"]
    oil = next(one for one in points if one["property"]["name"] == "oil_temperature")
    oil["unit"] = "[degF]"
    machine = {"kind": "opcua", "settings": {"url": press.url}, "twin": "p9", "type": "press", "points": [oil]}
    document = admin.post(f"{API}/discoveries/document", json=machine).json()["document"]
    assert document["types"] == []
    assert next(one["unit"] for one in document["connectors"][0]["bindings"] if one["twin"] == "p9") == "[degF]"


def test_two_points_of_one_name_and_a_twin_of_another_type_are_refused(admin: httpx.Client, press: PressServer) -> None:
    points = look(admin, "opcua", {"url": press.url})["points"][:1]
    machine = {"kind": "opcua", "settings": {"url": press.url}, "twin": "p9", "points": points * 2}
    twice = admin.post(f"{API}/discoveries/document", json=machine)
    assert twice.status_code == 422
    assert "name one otherwise" in twice.text
    other = machine | {"points": points, "twin": "press-7", "type": "oven"}
    assert admin.post(f"{API}/discoveries/document", json=other).status_code == 409


@pytest.mark.parametrize(
    ("kind", "settings", "search", "way_out"),
    [
        ("opcua", {"url": "opc.tcp://127.0.0.1:1"}, {}, "Look at the address and port"),
        ("mqtt", {"url": "mqtt://127.0.0.1:1"}, {}, "Look at the address and port"),
        ("opcua", {"url": "http://somewhere"}, {}, "opc.tcp://"),
        ("mqtt", {"url": "mqtt://h", "user": "u", "password": "plain"}, {}, "secret"),
        ("modbus", {}, {}, "by hand"),
        ("no-such", {}, {}, "no connector kind"),
        ("mqtt", {"url": "mqtt://h"}, {"seconds": 3600}, "between 0.1 and 30"),
        ("mqtt", {"url": "mqtt://h"}, {"where": "a/#/b"}, "no topic filter"),
    ],
)
def test_what_does_not_work_is_a_sentence_with_the_way_out(
    admin: httpx.Client, kind: str, settings: dict[str, Any], search: dict[str, Any], way_out: str
) -> None:
    answer = admin.post(f"{API}/discoveries", json={"kind": kind, "settings": settings, "search": search})
    assert answer.status_code in (404, 422)
    assert way_out in answer.text


def test_a_machine_that_answers_no_says_why_and_the_password_is_not_told(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMEL_SECRET_WRONG", "wrong-4711")
    with PressServer(users=True) as server:
        settings = {"url": server.url, "user": "gemel", "password": {"env": "GEMEL_SECRET_WRONG"}}
        refused = admin.post(f"{API}/discoveries", json={"kind": "opcua", "settings": settings})
        assert "does not accept this user and password" in refused.text
        assert "wrong-4711" not in refused.text
        monkeypatch.setenv("GEMEL_SECRET_WRONG", "right")
        assert len(look(admin, "opcua", settings)["points"]) == 8


def test_a_machine_with_certificates_is_trusted_before_anything_is_sent(
    admin: httpx.Client, platform: Platform, tmp_path: Path
) -> None:
    with PressServer(pki=tmp_path / "pki") as server:
        names = {"certificate": "pki/own.der", "key": "pki/own.pem", "generate": True, "trust": ["pki/trusted"]}
        security = {"policy": "Basic256Sha256", "mode": "SignAndEncrypt", **names}
        settings = {"url": server.url, "security": security}
        refused = admin.post(f"{API}/discoveries", json={"kind": "opcua", "settings": settings})
        assert refused.status_code == 422
        assert "thumbprint" in refused.text.lower()
        trusted = platform.folder.path / "secrets" / "pki" / "trusted"
        trusted.mkdir()
        shutil.copy(tmp_path / "pki" / "server.der", trusted)
        assert len(look(admin, "opcua", settings)["points"]) == 8


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_engineers_look_into_machines(as_role: Callable[[str], httpx.Client], role: str) -> None:
    body = {"kind": "opcua", "settings": {"url": "opc.tcp://127.0.0.1:1"}}
    for path in ("discoveries", "discoveries/document"):
        assert as_role(role).post(f"{API}/{path}", json=body).status_code == 403


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not here; `apt-get install mosquitto` as root brings it")
    with Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def test_topics_of_a_broker_become_points_by_path(admin: httpx.Client, broker: Mosquitto, platform: Platform) -> None:
    device = Device(broker.port, five=False)
    device.connect()
    told = {
        "ts": "2026-01-01T00:00:00Z",
        "oil": {"temp_c": 41.5, "a.b": 1},
        "pressure": {"value": 3.5, "unit": "bar"},
        "state": "RUN",
    }
    device.publish("plant/oven-3/telemetry", json.dumps(told).encode(), qos=1, retain=True)
    device.publish("plant/oven-3/speed_rpm", b"1500", qos=1, retain=True)
    device.publish("plant/oven-3/picture", b"\x89PNG\r\n\x1a\n\xff", qos=1, retain=True)
    for seconds in (1, 30):  # on a busy machine one is over before they come
        found = look(admin, "mqtt", {"url": f"mqtt://127.0.0.1:{broker.port}"}, where="plant/#", seconds=seconds)
        points = {point["address"]: point for point in found["points"]}
        if len(points) == 5:
            break
    units = {address: point["property"]["unit"] for address, point in points.items()}
    assert units == {
        "plant/oven-3/telemetry#oil.temp_c": "Cel",
        'plant/oven-3/telemetry#oil["a.b"]': "",
        "plant/oven-3/telemetry#pressure.value": "bar",
        "plant/oven-3/telemetry#state": "",
        "plant/oven-3/speed_rpm": "/min",
    }
    assert found["name"] == "oven-3"
    machine = {"kind": "mqtt", "settings": found["settings"], "points": found["points"], "twin": "oven-3"}
    draft = admin.post(f"{API}/discoveries/document", json=machine).json()
    assert admin.post(f"{API}/apply", content=draft["yaml"]).status_code == 200
    name = points["plant/oven-3/telemetry#pressure.value"]["property"]["name"]
    first_value(platform, "oven-3", name)
    now = admin.get(f"{API}/twins/oven-3/now").json()["values"]
    assert now[name]["value"] == 3.5
    assert now[name]["time"].startswith("2026-01-01T00:00:00")
    device.close()


def test_silence_is_told_with_what_to_look_at(admin: httpx.Client, broker: Mosquitto) -> None:
    found = look(admin, "mqtt", {"url": f"mqtt://127.0.0.1:{broker.port}"}, where="nobody/#", seconds=0.2)
    assert found["points"] == []
    assert "listen longer" in found["notes"][0]


def first_value(platform: Platform, twin: str, property: str) -> None:
    """Wait for it, by the journal's positions."""
    entry = platform.registry.directory.twin(twin)
    assert entry is not None
    for _ in range(200):
        position = platform.state.position
        if (now := platform.state.property(entry, property)) is not None and now.value is not None:
            return
        platform.state.wait(position + 1, 0.5)
    raise AssertionError(f"{twin}.{property} never came")

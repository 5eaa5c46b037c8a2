"""Browsing a real server, and what is proposed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from asyncua import ua

from gemel.connectors.opcua import OpcuaSettings, OpcuaSource
from gemel.connectors.opcua.browse import BrowsedNode, browse
from gemel.connectors.opcua.proposal import propose
from gemel.connectors.opcua.units import eu_information, ucum_of, unit_id
from gemel.errors import InvalidInput
from gemel.twin import Kind, Plant
from gemel.units import check_unit

from .opcua_server import NAMESPACE, PressServer
from .recorder import Recorder

PRESS = f"nsu={NAMESPACE};s=Press"


@pytest.fixture(scope="module")
def press() -> Iterator[PressServer]:
    with PressServer() as running:
        yield running


async def tree(press: PressServer, root: str = "") -> dict[str, BrowsedNode]:
    top = await browse(OpcuaSettings(url=press.url), root)
    return {node.address: node for node in top.walk()}


async def test_variables_are_found_with_kind_unit_range_and_names(press: PressServer) -> None:
    nodes = await tree(press)
    oil = nodes[f"{PRESS}.OilTemperature"]
    assert (oil.kind, oil.unit, oil.normal) == (Kind.NUMBER, "Cel", (10.0, 80.0))
    assert nodes[f"{PRESS}.Lamp"].values == ("RED", "GREEN", "BLUE")
    assert {
        name: nodes[f"{PRESS}.{name}"].kind for name in ("Parts", "Running", "Program", "Lamp", "Curve", "Limits")
    } == {
        "Parts": Kind.INTEGER,
        "Running": Kind.BOOLEAN,
        "Program": Kind.TEXT,
        "Lamp": Kind.ENUMERATION,
        "Curve": Kind.ARRAY,
        "Limits": Kind.OBJECT,
    }
    assert f"{PRESS}.Pump.Pressure" in nodes


async def test_a_part_of_the_server_can_be_browsed_alone(press: PressServer) -> None:
    nodes = await tree(press, f"{PRESS}.Pump")
    assert set(nodes) == {f"{PRESS}.Pump", f"{PRESS}.Pump.Pressure"}


async def test_a_root_that_does_not_exist_is_refused(press: PressServer) -> None:
    with pytest.raises(InvalidInput, match="has no node"):
        await tree(press, "ns=2;s=Nowhere")


async def test_a_server_larger_than_asked_for_is_refused(press: PressServer) -> None:
    with pytest.raises(InvalidInput, match="more than 3 nodes"):
        await browse(OpcuaSettings(url=press.url), most=3)


async def test_a_proposal_is_a_plant_whose_connector_works(press: PressServer) -> None:
    document = await propose(OpcuaSettings(url=press.url, publishing_ms=50.0), PRESS)
    plant = msgspec.convert(document, Plant)
    assert [twin.id for twin in plant.twins] == ["press", "press.pump"]
    assert plant.twins[1].declared_links() == [("part_of", "press", "pump")]
    oil = next(one for one in plant.types[0].properties if one.name == "oil_temperature")
    assert (oil.unit, oil.normal) == ("Cel", (10.0, 80.0))
    (connector,) = plant.connectors
    assert connector.settings == {"url": press.url, "publishing_ms": 50.0}
    port = Recorder("opcua")
    source = OpcuaSource(msgspec.convert(connector.settings, OpcuaSettings), connector.bindings)
    task = asyncio.create_task(source.run(port))
    await port.until(lambda: len(port.readings) == len(connector.bindings))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {one.property for one in port.readings if one.twin == "press.pump"} == {"pressure"}


@pytest.mark.parametrize("ucum", ["Cel", "mm", "/min", "%", "bar", "kW.h", "N.m", "L/min", "deg"])
def test_units_survive_the_way_there_and_back(ucum: str) -> None:
    assert ucum_of(eu_information(ucum)) == ucum


def test_a_unit_is_found_by_its_code_or_by_its_symbol() -> None:
    assert ucum_of(ua.EUInformation(UnitId=unit_id("MMT"), DisplayName=ua.LocalizedText("Millimeter"))) == "mm"
    assert ucum_of(ua.EUInformation(UnitId=-1, DisplayName=ua.LocalizedText("°C"))) == "Cel"
    assert ucum_of(ua.EUInformation(UnitId=-1, DisplayName=ua.LocalizedText("furlongs per moon"))) == ""


def test_every_unit_in_the_table_is_ucum() -> None:
    from gemel.connectors import symbols
    from gemel.connectors.opcua import units

    for code in {*units._UCUM.values(), *symbols._SYMBOLS.values()} - {""}:
        check_unit(code)

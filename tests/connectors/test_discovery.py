"""What is looked up at agents and brokers, and that every path that is proposed is one that a binding reads."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.connectors.discovery import Search, discover
from gemel.connectors.mqtt.discovery import leaves
from gemel.connectors.paths import parse_path
from gemel.connectors.reach import Reach
from gemel.connectors.sparkplug.values import DataType
from gemel.connectors.symbols import unit_of_name
from gemel.errors import InvalidInput
from tests.connectors.brokers import Mosquitto
from tests.connectors.sparkplug_node import Node, metric
from tests.connectors.test_mtconnect_agent import Agent, agent
from tests.connectors.test_sparkplug_source import broker, node

__all__ = ["agent", "broker", "node"]

KEYS = st.text(min_size=1, max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
DOCUMENTS = st.dictionaries(
    KEYS, st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=9)
)


@given(document=DOCUMENTS)
def test_every_path_of_a_message_reads_back_the_value_that_was_shown(document: dict[str, object]) -> None:
    for path, _, value, _ in leaves(document):
        if path:
            assert parse_path(path).get(json.loads(json.dumps(document))) == value


def test_a_unit_beside_a_value_belongs_to_it() -> None:
    assert leaves({"oil": {"value": 3.5, "unit": "bar"}}) == [("oil.value", "oil", 3.5, "bar")]


@pytest.mark.parametrize(("name", "unit"), [("oil_temp_c", "Cel"), ("speed_rpm", "/min"), ("c", ""), ("state", "")])
def test_the_end_of_a_name_tells_a_unit_where_it_is_plain(name: str, unit: str) -> None:
    assert unit_of_name(name) == unit


def test_an_agent_tells_its_items_with_units_and_values(agent: Agent) -> None:
    agent.tell("load|41.5|prog|A-12")
    settings = {"url": f"http://127.0.0.1:{agent.port}"}
    found = discover("mtconnect", settings, Search(), Reach())
    points = {point.property.name: point for point in found.points}
    assert (points["load"].value, points["load"].property.unit) == (41.5, "%")
    assert points["program"].value == "A-12"
    assert (found.name, found.settings) == ("Mill", {**settings, "device": "Mill"})
    address = points["load"].address
    agent.tell("load|42.5")
    (again,) = discover("mtconnect", settings, Search(addresses=(address,)), Reach()).points
    assert (again.address, again.value) == (address, 42.5)


def test_a_device_that_an_agent_does_not_serve_is_told_with_those_it_does(agent: Agent) -> None:
    with pytest.raises(InvalidInput, match="serves Mill"):
        discover("mtconnect", {"url": f"http://127.0.0.1:{agent.port}"}, Search(where="Lathe"), Reach())


def test_an_adapter_cannot_be_asked_and_says_what_can() -> None:
    with pytest.raises(InvalidInput, match="address of the agent"):
        discover("mtconnect", {"url": "shdr://127.0.0.1:7878"}, Search(), Reach())


def test_births_at_a_broker_are_points_with_units(broker: Mosquitto, node: Node) -> None:
    node.connect()
    for seconds in (1.5, 30.0):  # on a busy machine it takes longer
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(discover, "sparkplug", {"url": broker.url}, Search(seconds=seconds), Reach())
            while not wait([looking], 0.2).done:  # a node that reports is asked for its births
                node.send("NDATA", [metric(value=6.0, datatype=DataType.FLOAT, alias=1)])
            found = looking.result()
        if found.points:
            break
    units = {point.property.name: point.property.unit for point in found.points}
    assert units["press_7_oil_temperature"] == "Cel"
    values = {point.property.name: (point.value, point.quality) for point in found.points}
    born = next(one for one in node.births["press-7"] if one["name"].endswith("Temperature"))
    assert values["press_7_oil_temperature"] == (born["value"], "good")

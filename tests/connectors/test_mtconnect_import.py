"""A device model becomes types, twins and bindings; hostile XML becomes an error."""

import gzip
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from gemel.connectors.mtconnect import import_devices, plant_yaml
from gemel.connectors.mtconnect.address import parse_address
from gemel.connectors.mtconnect.items import ItemTable, LineReader
from gemel.connectors.mtconnect.vocabulary import UNITS, VECTOR_UNITS
from gemel.errors import InvalidDocument
from gemel.registry import load_plant
from gemel.twin import Kind, Plant
from gemel.units import affine, check_unit

SHOP = Path(__file__).parents[2] / "src/gemel/demo/data"
SHIPPED = SHOP / "Devices.xml"


def model(body: str, name: str = "M1") -> bytes:
    return f"""<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7"><Devices>
      <Device id="{name}" name="{name}" uuid="u-{name}">{body}</Device></Devices></MTConnectDevices>""".encode()


def item(**attributes: str) -> str:
    return "<DataItem " + " ".join(f'{key}="{value}"' for key, value in attributes.items()) + "/>"


def imported(body: str, **options) -> Plant:
    return msgspec.convert(import_devices(model(body), **options), Plant)


def properties(plant: Plant, type_id: str) -> dict:
    return {p.name: p for t in plant.types if t.id == type_id for p in t.properties}


@pytest.fixture(scope="module")
def plant() -> Plant:
    return msgspec.convert(import_devices(SHIPPED.read_bytes(), values_in="units"), Plant)


def test_all_eight_machines_are_twins_with_every_item_bound(plant):
    assert [t.id for t in plant.twins if not t.part_of] == [
        *("gfagie01", "mazak01", "mazak03", "hurco01", "hurco02", "hurco03", "hurco04", "hurco06")
    ]
    bindings = [b for c in plant.connectors for b in c.bindings]
    ids = {parse_address(b.address).id for b in bindings}
    assert len(bindings) == len(ids) == SHIPPED.read_bytes().count(b"<DataItem ") == 226
    assert len({(b.twin, b.property) for b in bindings}) == 226


def test_components_are_parts_with_short_ids(plant):
    ids = {t.id: t for t in plant.twins}
    assert {"mazak01.x", "mazak01.c", "mazak01.c2", "mazak01.controller.path", "mazak01.coolant"} <= set(ids)
    assert ids["mazak01.x"].part_of.twin == "mazak01.base"
    assert ids["mazak01.x"].part_of.slot == "linear_axis"
    assert (ids["mazak01"].serial, ids["mazak01"].aliases) == ("M7303290458", ("mtc_adapter002",))


def test_types_are_shared_by_component_class(plant):
    assert {t.id for t in plant.types} >= {"machine_tool", "axes", "linear_axis", "rotary_axis", "controller", "path"}
    axis = properties(plant, "linear_axis")
    assert (axis["position_actual"].unit, axis["load"].unit, axis["load"].normal) == ("mm", "%", (0.0, 100.0))
    assert axis["position_condition"].kind is Kind.CONDITION
    path = properties(plant, "path")
    assert path["path_position"].kind is Kind.ARRAY
    assert path["part_count"].kind is Kind.INTEGER
    assert {"READY", "ACTIVE", "FEED_HOLD"} <= set(path["execution"].values)
    assert {n for n, p in path.items() if p.headline} >= {"execution", "controller_mode", "program", "part_count"}
    assert path["execution"].semantic_id == "urn:mtconnect.org:EVENT:EXECUTION"


def test_items_of_one_type_in_a_component_have_names_of_their_own(plant):
    loads = {b.property: b.address for c in plant.connectors for b in c.bindings if b.twin == "mazak01.c"}
    assert loads["load"].startswith("Cload")
    assert loads["load_sload"].startswith("Sload")


def test_the_yaml_is_a_plant_document(plant):
    document = import_devices(SHIPPED.read_bytes(), values_in="units")
    loaded = load_plant(plant_yaml(document))
    assert loaded.types == plant.types
    assert loaded.twins == plant.twins
    assert loaded.connectors == plant.connectors


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_every_unit_of_the_standard_is_ucum(unit):
    assert check_unit(UNITS[unit])


@pytest.mark.parametrize(
    ("native", "units", "one"),
    [
        ("FOOT/MINUTE", "MILLIMETER/SECOND", 5.08),
        ("DEGREE/MINUTE", "DEGREE/SECOND", 1 / 60),
        ("REVOLUTION/SECOND", "REVOLUTION/MINUTE", 60),
        ("POUND/INCH^2", "PASCAL", 6894.757),
        ("INCH", "MILLIMETER", 25.4),
        ("KILOWATT_HOUR", "WATT_SECOND", 3.6e6),
        ("CUBIC_FOOT", "CUBIC_METER", 0.0283168),
        ("INCH_3D", "MILLIMETER_3D", 25.4),
    ],
)
def test_native_units_convert_to_units(native, units, one):
    assert affine(UNITS[native], UNITS[units])(1.0) == pytest.approx(one, rel=1e-5)


def test_an_adapter_tells_native_units_and_an_agent_those_of_the_model():
    rate = {"units": "MILLIMETER/SECOND", "nativeUnits": "FOOT/MINUTE", "nativeScale": "10"}
    body = "<DataItems>" + item(id="a", name="f", category="SAMPLE", type="PATH_FEEDRATE", **rate) + "</DataItems>"
    [adapter] = imported(body).connectors
    [agent] = imported(body, wire="agent", urls={"M1": "http://agent:5000"}).connectors
    assert (adapter.bindings[0].unit, adapter.bindings[0].scale.factor) == ("[ft_i]/min", 0.1)
    assert (agent.bindings[0].unit, agent.bindings[0].scale) == ("", None)
    assert (adapter.enabled, agent.enabled, agent.settings["url"]) == (False, True, "http://agent:5000")


def test_representations_and_constraints_decide_the_kind():
    body = "<DataItems>" + "".join(
        [
            item(
                id="a",
                category="SAMPLE",
                type="ACCELERATION",
                representation="TIME_SERIES",
                units="MILLIMETER/SECOND^2",
            ),
            item(id="b", category="EVENT", type="VARIABLE", representation="DATA_SET"),
            item(id="c", category="EVENT", type="MESSAGE"),
            item(id="d", category="EVENT", type="DOOR_STATE"),
            item(id="e", category="EVENT", type="PATH_FEEDRATE_OVERRIDE", units="PERCENT"),
            '<DataItem id="f" category="EVENT" type="x:MOOD"><Constraints><Value>GOOD</Value>'
            "<Value>BAD</Value></Constraints></DataItem>",
            item(id="g", category="SAMPLE", type="TEMPERATURE", statistic="AVERAGE", units="CELSIUS"),
        ]
    )
    found = properties(imported(body + "</DataItems>"), "machine_tool")
    assert {name: p.kind.value for name, p in found.items()} == {
        "acceleration_time_series": "array",
        "variable_data_set": "object",
        "message": "object",
        "door_state": "enumeration",
        "path_feedrate_override": "number",
        "mood": "enumeration",
        "temperature_average": "number",
    }
    assert found["mood"].values == ("GOOD", "BAD")
    assert found["door_state"].values == ("OPEN", "CLOSED", "UNLATCHED")


def test_one_name_never_stands_for_two_quantities():
    doors = [("d", "PERCENT"), ("e", "LITER")]
    levels = [(d, item(id=f"{d}1", category="SAMPLE", type="LEVEL", units=unit)) for d, unit in doors]
    door = "".join(f'<Door id="{d}"><DataItems>{level}</DataItems></Door>' for d, level in levels)
    found = properties(imported(f"<Components>{door}</Components>"), "door")
    assert [(p.name, p.unit) for p in found.values()] == [("level", "%"), ("level_e1", "L")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><MTConnectDevices>&x;</MTConnectDevices>", "DOCTYPE"),
        (
            b"<!DOCTYPE l [<!ENTITY a 'ha'>"
            + b"".join(b"<!ENTITY %c '%s'>" % (c, b"&%c;" % (c - 1) * 10) for c in range(98, 108))
            + b"]><MTConnectDevices>&k;</MTConnectDevices>",
            "DOCTYPE|entity|Entity|amplification",
        ),
        (b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><MTConnectDevices/>", "DOCTYPE"),
        (b"<a>" * 100_000, "depth|Excessive|tag"),
        (b"", "empty|Empty|Document"),
        (b"<a", "line 1"),
        (b"<MTConnectDevices><Devices/></MTConnectDevices>", "holds no Device"),
        (b"<Device id='a'><DataItems><DataItem id='b'/></DataItems></Device>", "b: a DataItem needs type"),
        (b"x" * (33 * 1024 * 1024), "at most 33554432 are read"),
    ],
)
def test_hostile_and_broken_xml_is_refused_with_the_reason(data, reason):
    with pytest.raises(InvalidDocument, match=reason):
        import_devices(data)


@pytest.mark.parametrize(("device", "lines", "loose"), [
    ("GFAgie01", 45_082, 3), ("Mazak01", 235_097, 84), ("Mazak03", 253_735, 8), ("Hurco02", 510, 2), ("Hurco04", 581, 2)
])  # fmt: skip
def test_every_line_of_the_real_logs_is_read_and_all_but_a_few_are_bound(plant, device, lines, loose):
    kinds = {(t.id, p.name): p.kind for t in plant.types for p in t.properties}
    type_of = {t.id: t.types[0] for t in plant.twins}
    [connector] = [c for c in plant.connectors if c.settings["device"] == device]
    reader = LineReader(ItemTable(connector.bindings, lambda t, p: kinds[type_of[t], p], device), lambda: 0)
    told = []
    for path in sorted(SHOP.glob(f"{device}-*.shdr.gz")):
        with gzip.open(path, "rt") as log:
            told += log.read().splitlines()
    readings = [r for m in reader.read(told) for r in m.readings]
    rejected, unbound = reader.take_refused()
    assert (len(told), rejected, unbound.total(), len(readings)) == (lines, [], loose, lines - loose)
    odd = Counter(
        r.property
        for r in readings
        if kinds[type_of[r.twin], r.property] in (Kind.NUMBER, Kind.INTEGER) and isinstance(r.value, str)
    )
    assert not odd


def test_vectors_have_units_too():
    assert set(UNITS) >= VECTOR_UNITS

"""What stands on the wire, as values: widths, signs, types, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.connectors.sparkplug.node import EdgeNode
from gemel.connectors.sparkplug.routing import Router
from gemel.connectors.sparkplug.schema import Payload
from gemel.connectors.sparkplug.values import DataType, Unreadable, properties_of, quality_of, value_of
from gemel.errors import InvalidInput
from gemel.twin import Quality
from gemel.twin.binding import Binding

from .sparkplug_node import FIELD, fill, metric, payload

SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
UNSIGNED = {DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64}


def told(value: object, datatype: DataType) -> object:
    made = Payload()
    fill(made.metrics.add(), metric("m", value, datatype))
    read = Payload.FromString(made.SerializeToString()).metrics[0]
    return value_of(read, read.datatype)


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_every_signed_integer_comes_back(datatype: DataType, data: st.DataObject) -> None:
    bits = SIGNED[datatype]
    value = data.draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
    assert told(value, datatype) == value


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_a_negative_integer_may_also_stand_in_its_own_width(datatype: DataType, data: st.DataObject) -> None:
    bits = SIGNED[datatype]
    value = data.draw(st.integers(-(1 << bits - 1), -1))
    made = Payload().metrics.add(name="m", datatype=int(datatype))
    setattr(made, FIELD[datatype], value & ((1 << bits) - 1))
    assert value_of(made, datatype) == value


@given(st.sampled_from(sorted(UNSIGNED)), st.data())
def test_every_unsigned_integer_comes_back(datatype: DataType, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, (1 << UNSIGNED[datatype]) - 1))
    assert told(value, datatype) == value


@given(st.floats(width=32, allow_nan=False))
def test_a_32_bit_float_is_the_number_that_a_person_would_write(value: float) -> None:
    read = told(value, DataType.FLOAT)
    assert struct.pack("<f", read) == struct.pack("<f", value)
    assert told(0.1, DataType.FLOAT) == 0.1


@given(st.lists(st.floats(allow_nan=False)))
def test_arrays_of_numbers_come_back(values: list[float]) -> None:
    assert told(struct.pack(f"<{len(values)}d", *values), DataType.DOUBLEARRAY) == values


def test_a_moment_is_told_as_text() -> None:
    assert told(1_700_000_000_123, DataType.DATETIME) == "2023-11-14T22:13:20.123Z"


@pytest.mark.parametrize(
    ("datatype", "value", "reason"),
    [
        (DataType.UINT8, 256, "does not fit into 8 bits"),
        (DataType.INT8, 4096, "does not fit into 8 bits"),
        (DataType.DATETIME, (1 << 64) - 1, "no moment"),
        (DataType.DOUBLEARRAY, b"12345", "no array of 8-byte numbers"),
        (DataType.DATASET, b"", "a data set"),
        (DataType.TEMPLATE, b"", "a template"),
        (DataType.FILE, b"MZ", "type file are not taken"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(datatype: DataType, value: object, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        told(value, datatype)


def test_a_value_in_the_wrong_field_and_an_unknown_type_are_refused() -> None:
    made = Payload().metrics.add(name="m", string_value="7")
    with pytest.raises(Unreadable, match="a int32 cannot stand in string_value"):
        value_of(made, DataType.INT32)
    with pytest.raises(Unreadable, match="data type 99 is not one of Sparkplug B"):
        value_of(made, 99)
    with pytest.raises(Unreadable, match="neither a value nor is_null"):
        value_of(Payload().metrics.add(name="m"), DataType.INT32)


@pytest.mark.parametrize(
    ("code", "quality"),
    [(192, Quality.GOOD), (500, Quality.UNCERTAIN), (64, Quality.UNCERTAIN), (0, Quality.BAD), (-1, Quality.BAD)],
)
def test_quality_is_read_from_the_properties(code: int, quality: Quality) -> None:
    made = Payload().metrics.add(name="m")
    made.properties.keys.append("Quality")
    made.properties.values.add(type=int(DataType.INT32), int_value=code & 0xFFFFFFFF)
    assert quality_of(properties_of(made)) is quality
    assert quality_of({}) is Quality.GOOD


KINDS = st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"])


@settings(deadline=None)
@given(st.lists(st.tuples(KINDS, st.integers(0, 255), st.integers(0, 2), st.booleans()), max_size=40))
def test_after_any_messages_only_what_was_born_and_not_lost_has_a_value(
    messages: list[tuple[str, int, int, bool]],
) -> None:
    node = EdgeNode("g/n")
    now = 1_700_000_000_000_000
    held: dict[tuple[str, str], tuple[int, object]] = {}
    for at, (kind, seq, bdseq, named) in enumerate(messages):
        device = "d" if kind[0] == "D" else ""
        metrics = [metric("v" if named or kind.endswith("BIRTH") else "", float(at), alias=2 if device else 1)]
        if kind in ("NBIRTH", "NDEATH"):
            metrics.append(metric("bdSeq", bdseq, DataType.INT64))
        raw = payload(metrics, seq=seq, now_ms=now // 1000 + at)
        for one in node.take(kind, device, raw, now + at * 1000).observed:
            assert one.time is not None
            if one.time >= held.get((one.device, one.name), (0, None))[0]:
                held[one.device, one.name] = one.time, one.value
        if not node.online:
            assert all(value is None for _, value in held.values()), "the dead tell nothing"


@pytest.mark.parametrize(
    ("address", "twin", "reason"),
    [
        ("press-7#Oil", "t", "write group/node#metric"),
        ("a/b/c/d#Oil", "t", "write group/node#metric"),
        ("a/b", "t", "write group/node#metric"),
        ("a/**#Oil", "t", "one level each"),
        ("a/b#Oil", "{device}", "which its address does not name"),
        ("a/{x}#{x}", "{x}", "twice"),
    ],
)
def test_addresses_that_are_none_are_refused(address: str, twin: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Router([Binding(address=address, twin=twin, property="p")])


def test_what_is_subscribed_to_is_no_more_than_the_bindings_name() -> None:
    router = Router(
        [
            Binding(address="Hall2/{node}#a", twin="{node}", property="p"),
            Binding(address="Hall2/edge-1/press#a", twin="t", property="p"),
            Binding(address="Hall3/edge-9#a", twin="t", property="p"),
        ]
    )
    assert router.filters == ["spBv1.0/Hall2/+/+/#", "spBv1.0/Hall3/+/edge-9/#"]
    assert router.nodes == ["Hall2/edge-1", "Hall3/edge-9"]

"""Modbus: a real server with odd word orders, refusals, silence and cuts; encodings and maps by property."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes

import gemel
from gemel.connectors.base import check
from gemel.connectors.modbus import ModbusSource
from gemel.connectors.modbus.addresses import parse_address
from gemel.connectors.modbus.encoding import TYPES, decode
from gemel.connectors.modbus.requests import points_of, requests_of
from gemel.connectors.modbus.settings import ModbusSettings
from gemel.errors import InvalidDocument, InvalidInput
from gemel.testing.connectors import RecordingPort, SourceContract
from gemel.twin import Binding, ConnectorSpec, FreshnessMode, Quality, Scale
from tests.connectors.modbus_device import Device, Plc

ORDERS = ("abcd", "cdab", "badc", "dcba")


class TestContract(SourceContract):
    plugin = ModbusSource
    settings = {"url": "tcp://127.0.0.1:1", "timeout_s": 0.5}  # noqa: RUF012
    bindings = (Binding(address="holding/0", twin="press", property="count"),)


def bound(address: str, property: str = "value", **more: Any) -> Binding:
    return Binding(address=address, twin="press", property=property, **more)


@contextlib.asynccontextmanager
async def running(url: str, *bindings: Binding, **settings: Any) -> AsyncIterator[tuple[RecordingPort, asyncio.Task]]:
    settings = {"poll_s": 0.02, "timeout_s": 60.0, "retries": 0, **settings}
    source = ModbusSource(msgspec.convert({"url": url, **settings}, ModbusSettings), bindings)
    port = RecordingPort()
    task = asyncio.create_task(source.run(port))
    try:
        yield port, task
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.asynccontextmanager
async def kept_running(
    url: str, *bindings: Binding, **settings: Any
) -> AsyncIterator[tuple[RecordingPort, list[ConnectionError]]]:
    """Begun anew whenever a run ends, as connectors are: on a machine that stalls any answer may be late."""
    source = ModbusSource(
        msgspec.convert({"url": url, "poll_s": 0.02, "retries": 0, **settings}, ModbusSettings), bindings
    )
    port, ends = RecordingPort(), list[ConnectionError]()

    async def run() -> None:
        while True:
            try:
                await source.run(port)
            except ConnectionError as error:
                ends.append(error)

    task = asyncio.create_task(run())
    try:
        yield port, ends
    finally:
        task.cancel()
        await asyncio.wait([task])


def told(port: RecordingPort, property: str = "value") -> list[Any]:
    return [reading.value for reading in port.readings if reading.property == property]


class TestEncoding:
    @given(st.sampled_from(sorted(TYPES)), st.sampled_from(ORDERS), st.data())
    def test_what_a_device_writes_in_any_order_is_read_as_it_was(self, type: str, order: str, data: Any):
        code = TYPES[type]
        if type.startswith("float"):
            value = data.draw(st.floats(width=32 if type == "float32" else 64, allow_nan=False))
        else:
            bits, signed = 8 * struct.calcsize(code), type.startswith("int")
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
            value = data.draw(st.integers(low, high))
        raw = struct.pack(f">{code}", value)
        pairs = [raw[at : at + 2] for at in range(0, len(raw), 2)]
        if order in ("cdab", "dcba"):
            pairs.reverse()
        words = [int.from_bytes(pair, "little" if order in ("badc", "dcba") else "big") for pair in pairs]
        assert decode(words, type, order) == value

    @given(st.integers(0, 65_535), st.integers(0, 15))
    def test_bit_zero_of_a_word_is_its_lowest(self, word: int, bit: int):
        assert decode([word], "bool", "abcd", bit) is bool(word & 2**bit)

    def test_the_four_orders_are_those_of_the_books(self):
        wanted = struct.unpack(">f", bytes.fromhex("41d88000"))[0]
        words = {
            "abcd": [0x41D8, 0x8000],
            "cdab": [0x8000, 0x41D8],
            "badc": [0xD841, 0x0080],
            "dcba": [0x0080, 0xD841],
        }
        assert {order: decode(words[order], "float32", order) for order in words} == dict.fromkeys(words, wanted)

    def test_a_text_ends_at_its_zero_byte(self):
        assert decode([0x5052, 0x4553, 0x5300, 0x4141], "string8", "cdab") == "PRESS"


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("holding/100", ("holding", 1, 100, "uint16")),
            ("3/input/7:float32:cdab", ("input", 3, 7, "float32")),
            ("40101", ("holding", 1, 100, "uint16")),
            ("9/400101:int32", ("holding", 9, 100, "int32")),
            ("30001", ("input", 1, 0, "uint16")),
            ("10001", ("discrete", 1, 0, "bool")),
            ("00017", ("coil", 1, 16, "bool")),
            ("holding/4.15", ("holding", 1, 4, "bool")),
        ],
    )
    def test_both_notations_are_read(self, text: str, wanted: tuple[str, int, int, str]):
        at = parse_address(text)
        assert (at.table, at.unit, at.start, at.type) == wanted

    def test_numbering_says_what_the_first_register_is_called(self):
        assert parse_address("holding/1", numbering=1).start == 0
        assert parse_address("40001", numbering=0).start == 0
        with pytest.raises(InvalidInput, match="none of 1 to"):
            parse_address("holding/0", numbering=1)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("holding", "write it like"),
            ("coil/3:float32", "a coil is one bit"),
            ("discrete/3.1", "a discrete is one bit"),
            ("holding/1.16", ".15"),
            ("holding/1:string7", "odd length"),
            ("holding/1:word", "no type 'word'"),
            ("holding/1:int32:acbd", "none of abcd"),
            ("holding/65535:int32", "pass the last"),
            ("300/holding/1", "between 0 and 255"),
            ("40000", "none of 1 to"),
        ],
    )
    def test_a_wrong_one_is_told_with_the_way_out(self, text: str, reason: str):
        with pytest.raises(InvalidInput, match=reason):
            parse_address(text)


class TestMap:
    def test_faults_name_their_binding_at_apply_with_the_line(self, tmp_path):
        document = """gemel: 1
types: [{id: press, properties: [{name: a}, {name: b}, {name: c}]}]
twins: [{id: press, types: [press]}]
connectors:
  - id: plc
    kind: modbus
    settings: {url: "tcp://127.0.0.1:502"}
    bindings:
      - {address: "holding/0:float32", twin: press, property: a}
      - {address: "holding/1", twin: press, property: b}
      - {address: "coil/1:float32", twin: press, property: c}
"""
        with gemel.open(tmp_path / "plant", run_connectors=False) as plant, pytest.raises(InvalidDocument) as caught:
            plant.apply(document)
        found = {problem.field: problem for problem in caught.value.problems}
        assert "overlaps 'holding/0:float32'" in found["connectors[0].bindings[1].address"].message
        assert found["connectors[0].bindings[1].address"].line == 10
        assert found["connectors[0].bindings[2].address"].line == 11

    @pytest.mark.parametrize(
        ("binding", "reason"),
        [
            (bound("holding/1:string4", scale=Scale(factor=2)), "cannot be scaled"),
            (bound("holding/1", rate_hz=0.0), "rate_hz"),
            (Binding(address="holding/1", twin="{x}", property="y"), "variables"),
        ],
    )
    def test_what_no_register_can_do_is_refused(self, binding: Binding, reason: str):
        spec = ConnectorSpec(id="a", kind="modbus", settings={"url": "tcp://h:1"}, bindings=(binding,))
        assert reason in check(spec)[0].message

    @given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["", ":int32", ":float64"])), max_size=20))
    def test_requests_cover_every_point_within_the_limits(self, chosen: list[tuple[int, str]]):
        bindings = []
        taken: set[int] = set()
        for start, type_ in chosen:
            width = {"": 1, ":int32": 2, ":float64": 4}[type_]
            if not taken & set(range(start, start + width)):
                taken |= set(range(start, start + width))
                bindings.append(bound(f"holding/{start}{type_}"))
        settings = ModbusSettings(url="tcp://h:1", gap=5, max_registers=20)
        requests = requests_of(points_of(settings, bindings), settings)
        assert sum(len(request.points) for request in requests) == len(bindings)
        for request in requests:
            assert request.count <= 20
            assert all(
                request.start <= p.at.start and p.at.end <= request.start + request.count for p in request.points
            )
        for one, after in itertools.pairwise(requests):  # nothing is read twice, and nothing left apart
            assert one.start + one.count <= after.start
            reach = after.points[0].at.end - one.start
            assert after.start - one.start - one.count > 5 or reach > 20


class TestDevice:
    async def test_values_of_all_tables_types_and_orders_arrive(self):
        device = Device(3)
        device.put(100, [0x8000, 0x41D8])
        device.put(110, [0x4142, 0x4300])
        device.holding[120] = 0b100
        device.holding[121] = 2
        device.input[5] = 1234
        device.coils[17] = True
        async with (
            Plc(device) as plc,
            running(
                plc.url,
                bound("3/holding/100:float32:cdab", "temperature"),
                bound("3/holding/110:string4", "name"),
                bound("3/holding/120.2", "ready"),
                bound("3/holding/121", "mode"),
                bound("3/input/5:int16", "pressure", scale=Scale(factor=0.1, offset=-20)),
                bound("3/coil/17", "running"),
                registers={"3/holding/121": {"values": {"1": "MANUAL", "2": "AUTOMATIC"}}},
            ) as (port, _),
        ):
            await port.until(lambda: len(port.readings) >= 6)
            assert {reading.property: reading.value for reading in port.readings} == {
                "temperature": pytest.approx(27.0625),
                "name": "ABC",
                "ready": True,
                "mode": "AUTOMATIC",
                "pressure": pytest.approx(103.4),
                "running": True,
            }
            assert device.asked.count((3, 100, 22)) >= 1  # neighbours, in one request
            assert all(reading.quality is Quality.GOOD for reading in port.readings)

    async def test_changes_are_told_once_and_samples_at_each_poll(self):
        device = Device(1)
        async with (
            Plc(device) as plc,
            running(
                plc.url, bound("holding/0", "changes"), bound("holding/1", "samples", mode=FreshnessMode.SAMPLES)
            ) as (port, _),
        ):
            await port.until(lambda: len(told(port, "samples")) >= 3)
            assert told(port, "changes") == [0]
            assert port.heartbeats >= 3
            device.holding[0] = 7
            await port.until(lambda: told(port, "changes") == [0, 7])

    async def test_a_gap_that_a_device_refuses_costs_nobody_else(self):
        device = Device(1)
        device.holding[1003] = 5
        async with (
            Plc(device) as plc,
            running(
                plc.url, bound("holding/199", "last"), bound("holding/205", "beyond"), bound("holding/1003", "far")
            ) as (port, _),
        ):
            await port.until(lambda: len(port.readings) >= 3)
            found = {reading.property: reading for reading in port.readings}
            assert (found["last"].value, found["far"].value) == (0, 5)
            assert found["beyond"].quality is Quality.UNAVAILABLE
            assert [reason for reason, _ in port.rejected] == ["exception 2: illegal data address (holding/205)"]

    async def test_a_refusal_makes_the_last_value_bad_until_it_is_read_again(self):
        device = Device(1)
        device.holding[0] = 4
        async with Plc(device) as plc, running(plc.url, bound("holding/0")) as (port, _):
            await port.until(lambda: port.readings)
            device.refuses = ExcCodes.DEVICE_BUSY
            await port.until(lambda: len(port.readings) == 2)
            device.refuses = None
            await port.until(lambda: len(port.readings) == 3)
            assert [(r.value, r.quality) for r in port.readings] == [
                (4, Quality.GOOD),
                (4, Quality.BAD),
                (4, Quality.GOOD),
            ]

    async def test_a_silent_unit_holds_up_no_other(self):
        lively, silent = Device(1), Device(2)
        silent.hold = asyncio.Event()
        async with (
            Plc(lively, silent) as plc,
            kept_running(
                plc.url,
                bound("1/holding/0", "lively", mode=FreshnessMode.SAMPLES),
                bound("2/holding/0", "silent"),
                backoff={"initial_s": 0.05, "maximum_s": 0.1},
                timeout_s=1.0,
            ) as (port, _),
        ):
            await port.until(lambda: None in told(port, "silent") and told(port, "lively").count(0) > 5)
            assert set(told(port, "silent")) == {None}
            silent.hold.set()
            await port.until(lambda: told(port, "silent")[-1] == 0)

    async def test_a_late_answer_is_not_taken_for_another_ones(self):
        device = Device(1)
        device.holding[0], device.holding[100] = 11, 22
        async with (
            Plc(device) as plc,
            kept_running(
                plc.url, bound("holding/0", "a"), bound("holding/100", "b"), backoff={"initial_s": 0.05}, timeout_s=1.0
            ) as (port, ends),
        ):
            await port.until(lambda: 11 in told(port, "a") and 22 in told(port, "b"))
            device.hold = asyncio.Event()
            before = len(ends)
            await port.until(lambda: len(ends) > before)  # the only unit is silent: begin anew
            assert "no answer within" in str(ends[-1])
            counts = len(told(port, "a")), len(told(port, "b"))
            device.hold.set()
            await port.until(lambda: 11 in told(port, "a")[counts[0] :] and 22 in told(port, "b")[counts[1] :])
            assert set(told(port, "a")) <= {11, None}
            assert set(told(port, "b")) <= {22, None}

    async def test_a_cut_ends_the_run_and_the_next_one_goes_on(self):
        device = Device(1)
        device.holding[0] = 1
        source = ModbusSource(ModbusSettings(url=(plc := Plc(device)).url, poll_s=0.02), [bound("holding/0")])
        port = RecordingPort()
        await plc.start()
        task = asyncio.create_task(source.run(port))
        await port.until(lambda: port.readings)
        await plc.stop()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(task, 60)
        await plc.start()
        device.holding[0] = 2
        task = asyncio.create_task(source.run(port))
        await port.until(lambda: told(port) == [1, 2])
        task.cancel()
        await asyncio.wait([task])
        await plc.stop()

    async def test_rtu_frames_through_a_serial_server(self):
        device = Device(7)
        device.put(0, [0x0001, 0x0000])
        async with Plc(device, rtu=True) as plc, running(plc.url, bound("7/holding/0:int32:cdab")) as (port, _):
            await port.until(lambda: told(port) == [1])

    async def test_what_is_not_a_number_is_unavailable(self):
        device = Device(1)
        device.put(0, struct.unpack(">2H", struct.pack(">f", math.nan)))
        async with Plc(device) as plc, running(plc.url, bound("holding/0:float32")) as (port, _):
            await port.until(lambda: port.readings)
            assert (port.readings[0].value, port.readings[0].quality) == (None, Quality.UNAVAILABLE)

"""What may come in over HTTP: JSON, Arrow, CloudEvents."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.http import BATCH, STRUCTURED, decode_arrow, decode_cloudevents, decode_json, is_cloudevent
from gemel.connectors.sizes import MAX_BODY_BYTES
from gemel.errors import InvalidInput
from gemel.twin import Quality

NOON = "2026-03-01T12:00:00Z"


def body(**message: Any) -> bytes:
    return json.dumps({"messages": [message], "source": "line-1"}).encode()


def reading(**more: Any) -> dict[str, Any]:
    return {"twin": "press-7", "property": "oil_temperature", "value": 41.5, **more}


class TestJson:
    def test_a_body_becomes_messages(self) -> None:
        ingest = decode_json(
            body(readings=[reading(time="2026-03-01T13:00:00+01:00", unit="Cel", quality="uncertain")], id="m-1")
        )
        message = ingest.messages[0]
        assert (ingest.source, message.id) == ("line-1", "m-1")
        told = message.readings[0]
        assert (told.twin, told.property, told.value, told.unit) == ("press-7", "oil_temperature", 41.5, "Cel")
        assert told.time == parse_time(NOON)
        assert told.quality is Quality.UNCERTAIN

    def test_no_value_is_unavailable(self) -> None:
        assert decode_json(body(readings=[reading(value=None)])).messages[0].readings[0].quality is Quality.UNAVAILABLE

    def test_an_event_keeps_its_id_and_fields(self) -> None:
        event = {"twin": "press-7", "event": "overheated", "time": NOON, "fields": {"peak": 93}, "id": "e-1"}
        happened = decode_json(body(events=[event])).messages[0].events[0]
        assert (happened.event, happened.fields, happened.id) == ("overheated", {"peak": 93}, "e-1")

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"{", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b'{"messages": 1}', "$.messages"),
            (body(readings=[reading(time="yesterday")]), "$.messages[0].readings[0].time"),
            (body(readings=[reading(time="2026-03-01T12:00:00")]), "$.messages[0].readings[0].time"),
            (body(readings=[reading(time=1772366400)]), "$.messages[0].readings[0].time"),
            (body(readings=[reading(), {"twin": "press-7"}]), "$.messages[0].readings[1]"),
            (body(readings=[reading(valeu=1)]), "valeu"),
            (body(readings=[reading(quality="fine")]), "$.messages[0].readings[0].quality"),
            (b'{"messages": [{"readings": [{"twin": "a", "property": "b", "value": NaN}]}]}', "not JSON"),
        ],
    )
    def test_a_fault_is_named_with_its_place(self, raw: bytes, said: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            decode_json(raw)
        assert said in refused.value.detail

    def test_deep_values_are_refused_not_crashed_on(self) -> None:
        deep = b'{"messages": [{"readings": [{"twin": "a", "property": "b", "value": ' + b"[" * 5_000 + b"]" * 5_000
        with pytest.raises(InvalidInput):
            decode_json(deep + b"}]}]}")

    def test_deeper_than_the_stack_is_refused_too(self) -> None:
        with pytest.raises(InvalidInput, match="nested too deeply"):
            decode_json(b'{"messages": [{"readings": [{"twin": "a", "property": "b", "value": ' + b"[" * 1_000_000)

    def test_a_body_that_is_too_large_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="at most"):
            decode_json(b" " * (MAX_BODY_BYTES + 1))

    @given(st.datetimes(datetime(1901, 1, 1), datetime(2261, 1, 1)), st.integers(-720, 720))
    def test_times_survive_any_offset(self, moment: datetime, offset_minutes: int) -> None:
        micros = parse_time(moment.replace(tzinfo=UTC).isoformat())
        told = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset_minutes))).isoformat()
        assert decode_json(body(readings=[reading(time=told)])).messages[0].readings[0].time == micros

    @given(st.binary(max_size=200))
    def test_whatever_comes_is_taken_or_refused(self, raw: bytes) -> None:
        with suppress(InvalidInput):
            decode_json(raw)


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def table(**columns: Any) -> pa.Table:
    given = {
        "twin": pa.array(["press-7", "press-8"]),
        "property": pa.array(["oil_temperature"] * 2),
        "time": pa.array([1, 2], pa.timestamp("ms", tz="UTC")),
        "value": pa.array([1.5, None], pa.float64()),
        **columns,
    }
    return pa.table({name: column for name, column in given.items() if column is not None})


class TestArrow:
    def test_a_stream_becomes_batches_with_keys_as_dictionaries(self) -> None:
        (batch,) = decode_arrow(stream(table()))
        assert pa.types.is_dictionary(batch.schema.field("twin").type)
        assert batch.column("time").type == pa.timestamp("us", tz="UTC")
        assert batch.column("time").cast(pa.int64()).to_pylist() == [1000, 2000]
        assert batch.column("value").to_pylist() == [1.5, None]

    @pytest.mark.parametrize(
        "kind", [pa.dictionary(pa.int8(), pa.utf8()), pa.dictionary(pa.int64(), pa.large_utf8()), pa.large_utf8()]
    )
    def test_any_text_will_do_for_keys(self, kind: pa.DataType) -> None:
        (batch,) = decode_arrow(stream(table(twin=pa.array(["a", "b"]).cast(kind))))
        assert batch.column("twin").to_pylist() == ["a", "b"]

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"", "not an Arrow IPC stream"),
            (b"\xff\xff\xff\xff\x10\x00\x00\x00garbage", "not an Arrow IPC stream"),
            (stream(table(value=None)), "wanted are twin, property, time, value"),
            (stream(table(twin=pa.array([1, 2]))), "column twin is int64"),
            (stream(table(time=pa.array([1, 2], pa.timestamp("us")))), "time zone"),
            (stream(table(time=pa.array([1, None], pa.timestamp("us", tz="UTC")))), "1 empty places"),
            (stream(table(quality=pa.array(["good", "bad"]))), "integers from 0 to 3"),
        ],
    )
    def test_a_fault_is_named(self, raw: bytes, said: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            decode_arrow(raw)
        assert said in refused.value.detail

    @given(st.data())
    def test_a_damaged_stream_is_refused_not_crashed_on(self, data: st.DataObject) -> None:
        raw = bytearray(stream(table()))
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        with suppress(InvalidInput):
            for batch in decode_arrow(bytes(raw)):
                for name in ("twin", "property", "value"):
                    batch.column(name).to_pylist()


def event(**more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "42",
        "source": "/plant/line-1",
        "type": "com.example.measured",
        "subject": "press-7",
        "time": NOON,
        "data": {"oil_temperature": 41.5, "mode": "AUTOMATIC"},
        **more,
    }


class TestCloudEvents:
    def structured(self, **more: Any) -> list[Any]:
        return decode_cloudevents({"content-type": STRUCTURED}, json.dumps(event(**more)).encode())

    def test_a_structured_event_is_a_message_with_its_identity(self) -> None:
        ((source, message),) = self.structured()
        assert (source, message.id) == ("/plant/line-1", "42")
        assert {(one.twin, one.property, one.value) for one in message.readings} == {
            ("press-7", "oil_temperature", 41.5),
            ("press-7", "mode", "AUTOMATIC"),
        }
        assert {to_rfc3339(one.time or 0) for one in message.readings} == {NOON}

    def test_a_batch_keeps_its_order(self) -> None:
        raw = json.dumps([event(id=str(number)) for number in range(3)]).encode()
        decoded = decode_cloudevents({"content-type": f"{BATCH}; charset=utf-8"}, raw)
        assert [message.id for _, message in decoded] == ["0", "1", "2"]

    def test_a_binary_event_has_its_attributes_in_headers(self) -> None:
        headers = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": "42",
            "ce-source": "/plant/line%201",
            "ce-type": "com.example.measured",
            "ce-subject": "press-7",
            "ce-time": NOON,
            "ce-myextension": "x",
        }
        assert is_cloudevent(headers)
        ((source, message),) = decode_cloudevents(headers, b'{"oil_temperature": 41.5}')
        assert source == "/plant/line 1"
        assert message.readings[0].value == 41.5
        assert message.readings[0].time == parse_time(NOON)

    def test_data_may_be_base64(self) -> None:
        raw = event(data_base64=base64.b64encode(b'{"oil_temperature": 1}').decode())
        del raw["data"]
        ((_, message),) = decode_cloudevents({"content-type": STRUCTURED}, json.dumps(raw).encode())
        assert message.readings[0].value == 1

    def test_a_happening_is_an_event_of_the_subject(self) -> None:
        ((_, message),) = self.structured(type="io.gemel.happened.overheated", data={"peak": 93})
        assert (message.events[0].twin, message.events[0].event, message.events[0].fields) == (
            "press-7",
            "overheated",
            {"peak": 93},
        )

    def test_a_whole_message_may_be_the_data(self) -> None:
        ((_, message),) = self.structured(type="io.gemel.message", subject="", data={"readings": [reading()]})
        assert message.id == "42"
        assert message.readings[0].time == parse_time(NOON)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"specversion": "0.3"}, "specversion"),
            ({"id": ""}, "empty id"),
            ({"subject": ""}, "no subject"),
            ({"data": [1, 2]}, "the data of the event"),
            ({"datacontenttype": "text/plain"}, "text/plain"),
            ({"time": "noon"}, "$.time"),
            ({"type": "io.gemel.message"}, "the data of the event"),
        ],
    )
    def test_a_fault_is_named(self, more: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            self.structured(**more)
        assert said in refused.value.detail

    def test_a_fault_in_a_batch_names_its_event(self) -> None:
        raw = json.dumps([event(), event(specversion="2.0")]).encode()
        with pytest.raises(InvalidInput, match="event 1 of the batch"):
            decode_cloudevents({"content-type": BATCH}, raw)

    def test_a_header_missing_is_named(self) -> None:
        with pytest.raises(InvalidInput, match="source"):
            decode_cloudevents({"ce-specversion": "1.0", "ce-id": "1", "ce-type": "t"}, b"{}")

"""Bytes and packets, filters and topics: what must hold for any of them."""

from __future__ import annotations

import re

import mqtt5
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.connectors.mqtt_endpoint import EndpointSettings, legacy
from gemel.connectors.mqtt_endpoint.filters import FilterTree, split_shared, valid_filter, valid_topic
from gemel.connectors.mqtt_endpoint.layout import layout_reader
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.wire import Refused, Wire
from gemel.connectors.payloads import Unreadable
from gemel.intake import Happened, Reported
from gemel.twin import Quality
from tests.connectors.mqtt_client import connect, packet, text

LEVEL = st.sampled_from(["a", "b", "", "$x", "ä"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = (
    st.tuples(st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), max_size=4), st.booleans())
    .map(lambda made: "/".join([*made[0], "#"] if made[1] else made[0]))
    .filter(bool)
)


def meets(pattern: str, topic: str) -> bool:
    """The same by a regular expression (MQTT 5, 4.7.1 and 4.7.2)."""
    if topic.startswith("$") and pattern[0] in "+#":
        return False
    if pattern == "#":
        return True
    told = re.escape(pattern).replace(r"\+", "[^/]*")
    told = re.sub(r"/\\#$|/#$", "(/.*)?", told)
    return re.fullmatch(told, topic, re.DOTALL) is not None


@given(st.lists(FILTER, max_size=8), TOPIC)
def test_a_topic_meets_exactly_the_filters_that_it_should(patterns: list[str], topic: str):
    tree: FilterTree[str] = FilterTree()
    for number, pattern in enumerate(patterns):
        tree.put(pattern, number, pattern)
    assert sorted(tree.match(topic)) == sorted(one for one in patterns if meets(one, topic))
    for number, pattern in enumerate(patterns):
        assert tree.remove(pattern, number)
        assert not tree.remove(pattern, number)
    assert (len(tree), list(tree.match(topic)), tree._root.below) == (0, [], {})


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [("#", True), ("a/+/b", True), ("+", True), ("/", True), ("a#", False), ("#/a", False), ("a+", False), ("", False)],
)
def test_which_filters_are_allowed(pattern: str, valid: bool):
    assert valid_filter(pattern) is valid
    assert not valid_filter("/".join("a" * 100))


def test_shared_subscriptions_have_a_group():
    assert split_shared("$share/g/a/+") == ("g", "a/+")
    assert split_shared("a/b") == ("", "a/b")
    assert [split_shared(one) for one in ("$share/g", "$share//a", "$share/+/a", "$share/g/")] == [None] * 4
    assert not valid_topic("a/+")
    assert not valid_topic("a\0b")


PUBLISH = st.builds(
    lambda topic, payload, qos, retain, number: mqtt5.PublishPacket(
        topic, payload, qos=mqtt5.QoS(qos), retain=retain, packet_id=number if qos else None
    ),
    TOPIC,
    st.binary(max_size=300),
    st.integers(0, 2),
    st.booleans(),
    st.integers(1, 65_535),
)


@given(st.lists(PUBLISH, min_size=1, max_size=5), st.data(), st.booleans())
def test_packets_come_out_as_they_went_in_however_they_are_cut(
    packets: list[mqtt5.PublishPacket], data: st.DataObject, five: bool
):
    stream = connect(five=five) + b"".join(one.write() if five else legacy.write(one) for one in packets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    wire, found = Wire(100_000), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if start < end:
            found += wire.feed(stream[start:end])
    assert isinstance(found[0], mqtt5.ConnectPacket)
    told = [(one.topic, one.payload, int(one.qos), one.retain, one.packet_id) for one in found[1:]]
    assert told == [(one.topic, one.payload, int(one.qos), one.retain, one.packet_id) for one in packets]
    assert not wire.waiting


@settings(max_examples=300)
@given(st.binary(max_size=60), st.booleans(), st.integers(0, 255))
def test_whatever_comes_is_a_packet_or_refused(data: bytes, five: bool, head: int):
    told: list[Refused] = []
    for stream in (data, connect(five=five) + data, connect(five=five) + packet(head, data)):
        wire = Wire(1_024)
        try:
            wire.feed(stream)
        except Refused as refused:
            told.append(refused)
    assert all(one.reason.failed and one.detail for one in told)


def test_a_packet_is_refused_by_its_size_before_it_has_come():
    wire = Wire(2_000)
    wire.feed(connect())
    with pytest.raises(Refused) as refused:
        wire.feed(b"\x30\xff\x7f")
    assert refused.value.reason is Reason.PACKET_TOO_LARGE
    with pytest.raises(Refused):
        Wire(1 << 20).feed(b"\x10\xff\xff\x03")  # of a stranger, less


@pytest.mark.parametrize(
    "body",
    [
        text("MQTT") + b"\x04\x03\x00\x3c" + text("a"),  # a reserved flag
        text("MQTT") + b"\x04\x42\x00\x3c" + text("a") + text("p"),  # a password without a name
        text("MQTT") + b"\x04\x1e\x00\x3c" + text("a") + text("t") + text("m"),  # a will of quality 3
        text("MQTT") + b"\x04\x02\x00\x3c" + text("a") + b"more",
        text("MQTT") + b"\x04\x02\x00\x3c" + b"\x00\x05ab",
        text("MQTT") + b"\x04\x02\x00\x3c" + b"\x00\x02\xff\xfe",
    ],
)
def test_a_connect_that_contradicts_itself_is_refused(body: bytes):
    with pytest.raises(Refused):
        Wire(1_000).feed(packet(0x10, body))


READINGS = {
    "80.5": 80.5,
    "true": True,
    '"AUTOMATIC"': "AUTOMATIC",
    "AUTOMATIC": "AUTOMATIC",
    "null": None,
    '{"level": "warning"}': {"level": "warning"},
    '{"value": 3}': 3,
}


@pytest.mark.parametrize("payload", READINGS)
def test_a_value_is_written_as_json_or_as_a_bare_word(payload: str):
    reader = layout_reader("gemel", "gemel/press-7/x")
    assert reader is not None
    (reading,) = reader.read(payload.encode()).readings
    quality = Quality.UNAVAILABLE if READINGS[payload] is None else Quality.GOOD
    assert reading == Reported(twin="press-7", property="x", value=READINGS[payload], quality=quality)


def test_a_twin_may_be_told_at_once_and_events_have_an_id_for_ever():
    reader = layout_reader("gemel", "gemel/press-7")
    assert reader is not None
    message = reader.read(b'{"values": {"a": 1, "b": null}, "time": "2026-01-05T10:00:00Z", "sequence": 7, "epoch": 3}')
    assert [(one.property, one.value, one.time) for one in message.readings] == [
        ("a", 1, 1_767_607_200_000_000),
        ("b", None, 1_767_607_200_000_000),
    ]
    assert (message.sequence, message.epoch) == (7, "gemel/press-7:3")
    assert reader.read(b'{"a": 1}', {"id": "9"}).id == "gemel/press-7:9"
    event = layout_reader("gemel", "gemel/press-7/!gone")
    assert event is not None
    assert event.read(b"", {"id": "9"}).events == [Happened(twin="press-7", event="gone", id="gemel/press-7/!gone:9")]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("gemel/p", b"[1]"),
        ("gemel/p/x", b'{"value": 1, "time": 5}'),
        ("gemel/p/x", b'{"value": 1, "quality": "fine"}'),
        ("gemel/p/x", b'{"value": 1, "unit": 5}'),
        ("gemel/p/x", b'{"value": 1, "sequence": "x"}'),
        ("gemel/p/x", b'{"value": '),
        ("gemel/p/x", b"\xff\xfe"),
        ("gemel/p/!e", b'{"peak": 1}'),
        ("gemel/p/!e", b"5"),
        ("gemel/p/x", b"[" * 100_000),
    ],
)
def test_what_is_no_value_is_refused_with_a_reason(topic: str, payload: bytes):
    reader = layout_reader("gemel", topic)
    assert reader is not None
    with pytest.raises(Unreadable, match=r"\w"):
        reader.read(payload)


@pytest.mark.parametrize(
    "topic", ["gemel", "gemel/", "gemel/p/", "gemel/p/x/y", "gemel/../x", "gemel/p/!", "other/p/x"]
)
def test_other_topics_are_no_twins(topic: str):
    assert layout_reader("gemel", topic) is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"listen": ["mqtt://0.0.0.0:1883"]}, "in the clear"),
        ({"listen": ["mqtt://0.0.0.0:1883"], "plaintext": True, "anonymous": True}, "this machine"),
        ({"listen": ["mqtts://0.0.0.0:8883"]}, r"tls\.names"),
        ({"listen": ["http://127.0.0.1"]}, "not allowed"),
        ({"listen": ["mqtt://user:secret@127.0.0.1"]}, "not allowed"),
        ({"listen": []}, "empty"),
        ({"tls": {"certificate": "a.pem"}}, "certificate and key"),
        ({"prefix": "a/b"}, "one level"),
        ({"relay": ["a/#"]}, r"\*\*"),
        ({"keep_alive_s": 1}, "keep_alive_s"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_the_way_out(said: dict[str, object], why: str):
    with pytest.raises((ValueError, msgspec.ValidationError), match=why):
        msgspec.convert(said, EndpointSettings)

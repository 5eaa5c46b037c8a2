"""The parts of the MQTT connector: paths, topics, times, payloads, packets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from gemel.connectors.mqtt.session import Arrival, Session
from gemel.connectors.mqtt.settings import MqttSettings
from gemel.connectors.paths import MISSING, parse_path
from gemel.connectors.payloads import Payload, Router, Unreadable
from gemel.connectors.times import time_reader
from gemel.connectors.topics import Template, filters
from gemel.errors import InvalidInput, InvalidTime
from gemel.twin import Quality, Scale
from gemel.twin.binding import Binding

LEVEL = st.sampled_from(["a", "b", "plant", "+", "{x}", "{y}"])
LEVELS = st.lists(LEVEL, min_size=1, max_size=4, unique=True)
NAMES = st.sampled_from(["a", "b", "plant", "press-7", ""])


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("oil.temp", 41.5),
            ("axes[1].load", 7),
            ("axes[-1].load", 7),
            ('["a.b"].c', 1),
            ("none", None),
            ("oil.nothing", MISSING),
            ("axes[9]", MISSING),
            ("oil[0]", MISSING),
            ("axes.load", MISSING),
        ],
    )
    def test_a_path_finds_what_is_there(self, path: str, found: Any) -> None:
        document = {"oil": {"temp": 41.5}, "axes": [{"load": 5}, {"load": 7}], "a.b": {"c": 1}, "none": None}
        assert parse_path(path).get(document) is found or parse_path(path).get(document) == found

    @pytest.mark.parametrize("path", ["a..b", "a.", "a[", "a[x]", "*.b", "a*", "a]", '["a]'])
    def test_a_path_that_is_none_is_refused_with_the_place(self, path: str) -> None:
        with pytest.raises(InvalidInput, match="character"):
            parse_path(path)

    @given(st.lists(st.one_of(st.text(min_size=1, max_size=5), st.integers(-3, 3)), max_size=5))
    def test_any_key_can_be_written(self, keys: list[str | int]) -> None:
        text = "".join(f"[{json.dumps(key)}]" for key in keys)
        assert parse_path(text).keys == tuple(keys)


class TestTopics:
    @given(LEVELS, st.booleans(), st.lists(NAMES, min_size=1, max_size=5))
    def test_a_template_matches_what_is_subscribed(self, levels: list[str], deep: bool, names: list[str]) -> None:
        template = Template.parse("/".join([*levels, "**"] if deep else levels))
        topic = "/".join(names)
        if template.match(topic) is not None:
            assert topic_matches_sub(template.filter, topic)
        elif topic_matches_sub(template.filter, topic):
            # an empty level binds no variable, and `a/#` also matches `a`
            assert "" in names or len(names) == len(levels)

    @given(
        st.lists(st.lists(LEVEL, min_size=1, max_size=3, unique=True), min_size=1, max_size=5),
        st.lists(NAMES, max_size=3),
    )
    def test_no_topic_is_lost_or_subscribed_to_needlessly(self, templates: list[list[str]], names: list[str]) -> None:
        parsed = [Template.parse("/".join(levels)) for levels in templates]
        kept, topic = filters(parsed), "/".join(["a", *names])
        matched = [one for one in kept if topic_matches_sub(one, topic)]
        assert bool(matched) == any(topic_matches_sub(one.filter, topic) for one in parsed)
        assert len(kept) == len(set(kept)) <= len({one.filter for one in parsed})

    @pytest.mark.parametrize("text", ["", "a/**/b", "a/b+", "a/#", "{x}/{x}", "a/{x", "a/x{y}"])
    def test_a_template_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="topic"):
            Template.parse(text)


class TestTimes:
    @given(st.integers(0, 4_000_000_000_000_000))
    def test_the_declared_unit_counts(self, micros: int) -> None:
        assert time_reader("us")(micros) == micros
        assert time_reader("ns")(micros * 1000) == micros
        assert time_reader("ms")(micros // 1000) == micros // 1000 * 1000
        assert time_reader("s")(micros // 1_000_000) == micros // 1_000_000 * 1_000_000

    @pytest.mark.parametrize("value", ["1700000000", True, None, float("nan"), float("inf"), 10**40, -(10**40), [1]])
    def test_what_is_no_time_is_refused(self, value: Any) -> None:
        for form in ("s", "ms", "us", "ns", "rfc3339"):
            with pytest.raises(InvalidTime):
                time_reader(form)(value)  # type: ignore[arg-type]


def router(*addresses: str, payload: Payload | None = None, **more: Any) -> Router:
    bindings = [
        Binding(
            address=address, twin=more.get("twin", "t"), property=more.get("property", f"p{n}"), scale=more.get("scale")
        )
        for n, address in enumerate(addresses)
    ]
    return Router(bindings, payload or Payload(), {})


def read(router: Router, topic: str, payload: Any, **more: Any) -> list[tuple[str, str, Any]]:
    reader = router.reader(topic.encode())
    assert reader is not None
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [(one.twin, one.property, one.value) for one in reader.read(raw, **more).readings]


class TestPayloads:
    def test_every_key_of_an_object_is_a_property(self) -> None:
        whole = router("m/{twin}#values.*", twin="{twin}", property="{key}")
        assert read(whole, "m/x", {"values": {"a": 1, "b": None}}) == [("x", "a", 1), ("x", "b", None)]

    def test_a_bare_word_is_a_value(self) -> None:
        assert read(router("m/mode"), "m/mode", b"AUTOMATIC") == [("t", "p0", "AUTOMATIC")]
        assert read(router("m/mode"), "m/mode", b"21.5") == [("t", "p0", 21.5)]
        assert read(router("m/mode", payload=Payload(format="text")), "m/mode", b"21.5") == [("t", "p0", "21.5")]

    def test_a_scale_is_applied_to_numbers(self) -> None:
        assert read(router("m#v", scale=Scale(factor=2, offset=1)), "m", {"v": 3}) == [("t", "p0", 7.0)]

    def test_null_is_unavailable(self) -> None:
        reader = router("m#v").reader(b"m")
        assert reader is not None
        assert reader.read(b'{"v": null}').readings[0].quality is Quality.UNAVAILABLE

    def test_numbers_of_messages_are_kept_apart_by_topic_and_epoch(self) -> None:
        reader = router("m/{d}#v", payload=Payload(sequence="n", epoch="boot")).reader(b"m/x")
        assert reader is not None
        message = reader.read(b'{"v": 1, "n": 7, "boot": "b1"}')
        assert (message.sequence, message.epoch) == (7, "m/x:b1")

    @pytest.mark.parametrize(
        ("payload", "raw", "said"),
        [
            (Payload(time="ts"), b'{"v": 1, "ts": 5}', "set the time format"),
            (Payload(time="ts", time_format="s"), b'{"v": 1, "ts": 1e18}', "outside the years"),
            (Payload(id="id"), b'{"v": 1}', "id is missing"),
            (Payload(sequence="n"), b'{"v": 1, "n": "7"}', "not a whole number"),
            (Payload(), b"AUTO", "not JSON"),
        ],
    )
    def test_what_cannot_be_read_says_why(self, payload: Payload, raw: bytes, said: str) -> None:
        reader = router("m#v", payload=payload).reader(b"m")
        assert reader is not None
        with pytest.raises(Unreadable, match=said):
            reader.read(raw)

    @given(st.binary(max_size=60))
    def test_whatever_comes_is_read_or_unreadable(self, raw: bytes) -> None:
        for reader in (router("m#v").reader(b"m"), router("m", "m#a[0].b", "m#c").reader(b"m")):
            assert reader is not None
            try:
                reader.read(raw)
            except Unreadable as error:
                said = str(error)
                assert said.startswith(("not JSON", "neither JSON"))

    def test_a_variable_that_the_topic_does_not_name_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="which its topic does not name"):
            router("m/{a}#v", twin="{b}")


def body_length(arrival: Arrival) -> int:
    return 2 + len(arrival.topic) + (2 if arrival.qos else 0) + len(arrival.payload or b"")


def packet(arrival: Arrival) -> bytes:
    """The PUBLISH of an arrival. MQTT 3.1.1, 3.3."""
    assert arrival.payload is not None
    body = len(arrival.topic).to_bytes(2, "big") + arrival.topic
    if arrival.qos:
        body += arrival.identifier.to_bytes(2, "big")
    body += arrival.payload
    head = bytes([0x30 | arrival.repeated << 3 | arrival.qos << 1 | arrival.retained])
    length, size = len(body), b""
    while True:
        length, low = divmod(length, 128)
        size += bytes([low | (0x80 if length else 0)])
        if not length:
            return head + size + body


ARRIVALS = st.builds(
    Arrival,
    topic=st.binary(min_size=1, max_size=20),
    payload=st.binary(max_size=400),
    qos=st.integers(0, 2),
    identifier=st.integers(1, 65_535),
    retained=st.booleans(),
    repeated=st.booleans(),
).map(lambda one: one if one.qos else one._replace(identifier=0))


class TestPackets:
    @given(st.lists(ARRIVALS, max_size=8), st.data())
    def test_messages_survive_any_cut_of_the_stream(self, sent: list[Arrival], data: st.DataObject) -> None:
        stream = b"".join(map(packet, sent))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
        session = Session("x", five=False, maximum_bytes=250, arrived=lambda: None)  # a draw may end the example
        try:
            for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                session._parse(session._unread + stream[start:end])
            taken = session.take(100)
        finally:
            session.stop()
        assert taken == [one if body_length(one) <= 250 else one._replace(payload=None) for one in sent]
        assert session._held_bytes == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"url": "http://x"}, "mqtt://host:1883"),
        ({"url": "mqtt://gemel:secret@x"}, "no user or password in the url"),
        ({"url": "mqtt://x", "keep_alive_s": 1}, "keep_alive_s"),
    ],
)
def test_settings_that_cannot_be_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        MqttSettings(**more)
    assert "secret" not in str(refused.value)

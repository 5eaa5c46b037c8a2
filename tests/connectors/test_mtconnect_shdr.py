"""Lines of adapters: split, put together, told in time, and never fatal."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.mtconnect.address import Address, Shape, parse_address
from gemel.connectors.mtconnect.items import ItemTable, LineReader
from gemel.connectors.mtconnect.shdr import (
    LineBuffer,
    TimeReader,
    format_fields,
    join_assets,
    pong_period_s,
    split_fields,
)
from gemel.errors import InvalidInput, InvalidTime
from gemel.twin import Binding, Kind, Quality, Scale

NOW = parse_time("2020-01-01T00:00:00Z")
# A field in quotes that ends in a backslash has two readings; adapters do not write it.
FIELD = st.text(
    st.characters(blacklist_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", blacklist_categories=["Cs"])
).filter(lambda text: not (text.startswith('"') or text.endswith("\\")))
KINDS = {
    "Xload": Kind.NUMBER,
    "count": Kind.INTEGER,
    "on": Kind.BOOLEAN,
    "program": Kind.TEXT,
    "pos": Kind.ARRAY,
    "tools": Kind.OBJECT,
    "cond": Kind.CONDITION,
    "note": Kind.OBJECT,
    "wave": Kind.ARRAY,
}
SHAPES = {"note": "message", "wave": "time_series", "tools": "data_set"}


def reader(**options) -> LineReader:
    bindings = [
        Binding(address=f"{name};shape={SHAPES[name]}" if name in SHAPES else name, twin="m", property=name)
        for name in KINDS
    ]
    table = ItemTable(bindings, lambda _twin, name: KINDS.get(name), **options)
    return LineReader(table, lambda: NOW)


def read(*lines, of=None):
    of = of or reader()
    return [(r.property, r.value) for message in of.read(lines) for r in message.readings]


@given(st.lists(FIELD, min_size=1, max_size=8))
def test_fields_survive_being_written_and_read(fields):
    assert split_fields(format_fields(fields)) == fields


@given(st.integers(-2_000_000_000_000_000, 8_000_000_000_000_000))
def test_times_survive_being_written_and_read(moment):
    assert TimeReader(lambda: 0)(to_rfc3339(moment)) == moment


@given(st.lists(st.integers(1_489_000_000_000_000, 1_489_000_003_000_000), max_size=20))
def test_a_time_reads_the_same_whatever_came_before(moments):
    one = TimeReader(lambda: 0)
    assert [one(to_rfc3339(m)) for m in moments] == moments


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2017-03-20T08:34:14.784Z", "2017-03-20T08:34:14.784Z"),
        ("2017-03-20T08:34:14", "2017-03-20T08:34:14Z"),
        ("2017-03-20T08:34:14.7841234567Z", "2017-03-20T08:34:14.784123Z"),
        ("2017-03-20T09:34:14.5+01:00", "2017-03-20T08:34:14.5Z"),
        ("2017-03-20T08:34:14Z@100.0", "2017-03-20T08:34:14Z"),
        ("", "2020-01-01T00:00:00Z"),
    ],
)
def test_times_are_read_as_adapters_write_them(text, meant):
    assert to_rfc3339(TimeReader(lambda: NOW)(text)) == meant


@pytest.mark.parametrize(
    "text", ["yesterday", "12345", "2017-13-45T00:00:00Z", "2017-03-20T08:34:14.²Z", "1017-03-20T08:34:14Z"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InvalidTime):
        TimeReader(lambda: NOW)(text)


@given(st.lists(st.binary(max_size=60), max_size=10), st.integers(1, 30))
def test_a_stream_cut_anywhere_gives_the_same_lines(chunks, size):
    data = b"\n".join(chunks)
    whole, pieces = LineBuffer(10_000), LineBuffer(10_000)
    cut = [data[at : at + size] for at in range(0, len(data), size)]
    assert [line for piece in cut for line in pieces.feed(piece)] == whole.feed(data)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 17))
def test_lines_that_are_too_long_are_dropped_alone(lengths, size):
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    buffer = LineBuffer(20)
    kept = [line for at in range(0, len(data), size) for line in buffer.feed(data[at : at + size])]
    assert [len(line) for line in kept if line] == [length for length in lengths if 0 < length <= 20]
    assert buffer.overlong == sum(length > 20 for length in lengths)


def test_a_line_brings_several_items_of_several_kinds():
    line = '2017-03-20T08:00:00Z|Xload|12.5|count|3|on|ON|program|O1234|pos|1 2.5 -3|tools|a=1 b="x y" c'
    assert read(line) == [
        ("Xload", 12.5),
        ("count", 3),
        ("on", True),
        ("program", "O1234"),
        ("pos", [1.0, 2.5, -3.0]),
        ("tools", {"a": 1.0, "b": "x y", "c": None}),
    ]


def test_a_line_is_one_message_with_its_time():
    [message] = reader().read(["2017-03-20T08:00:00Z|Xload|1|count|2"])
    assert [to_rfc3339(r.time) for r in message.readings] == ["2017-03-20T08:00:00Z"] * 2


def test_unavailable_is_a_quality_and_not_a_value():
    [message] = reader().read(["|Xload|UNAVAILABLE|cond|Unavailable||||"])
    assert [(r.value, r.quality) for r in message.readings] == [(None, Quality.UNAVAILABLE)] * 2


def test_conditions_messages_and_time_series_have_fields_of_their_own():
    lines = [
        "2017-03-20T10:30:50Z|cond|Warning|428|1|HIGH|MEMORY PROTECT|Xload|7",
        "2017-03-20T10:30:51Z|cond|Normal||||",
        "2017-03-20T10:30:52Z|note|N1|change the tool",
        "2017-03-20T10:30:53Z|wave|3|100|1 2 3",
    ]
    assert read(*lines) == [
        ("cond", {"level": "warning", "code": "428", "severity": "1", "qualifier": "HIGH", "text": "MEMORY PROTECT"}),
        ("Xload", 7.0),
        ("cond", {"level": "normal", "code": "", "severity": "", "qualifier": "", "text": ""}),
        ("note", {"code": "N1", "text": "change the tool"}),
        ("wave", [1.0, 2.0, 3.0]),
    ]


def test_a_condition_that_is_not_told_after_a_reconnect_went_off_meanwhile():
    lines = reader()
    read("|cond|FAULT|A|||too hot", "|cond|WARNING|B|||low oil", of=lines)
    lines.reconnected()
    after = [value for _, value in read("|cond|WARNING|B|||low oil", "|Xload|1", of=lines) if isinstance(value, dict)]
    assert [(v["level"], v["code"]) for v in after] == [("warning", "B"), ("normal", "A")]
    assert read("|cond|WARNING|B|||low oil", of=lines)[1:] == []


def test_an_escaped_pipe_belongs_to_the_value():
    assert read(r'|program|"a\|b"|Xload|1') == [("program", "a|b"), ("Xload", 1.0)]


def test_text_that_is_no_number_is_handed_on_to_be_quarantined():
    assert read("|Xload|abc|count|1.5|Xload|1_000") == [("Xload", "abc"), ("count", "1.5"), ("Xload", "1_000")]


def test_a_scale_is_applied_to_numbers_and_arrays():
    table = ItemTable(
        [Binding(address=name, twin="m", property=name, scale=Scale(factor=2, offset=1)) for name in ("Xload", "pos")],
        lambda _twin, name: KINDS[name],
    )
    assert read("|Xload|10|pos|1 2", of=LineReader(table, lambda: NOW)) == [("Xload", 21.0), ("pos", [3.0, 5.0])]


def test_an_item_is_found_by_name_id_source_and_device():
    bindings = [
        Binding(address="S1load;id=M-S_3;source=Sload", twin="m", property="load"),
        Binding(address="Sload;id=M-S_9", twin="m", property="other"),
    ]
    table = ItemTable(bindings, lambda *_: Kind.NUMBER, "M")
    found = read("|S1load|1", "|M-S_3|2", "|M:S1load|3", "|Sload|4", of=LineReader(table, lambda: NOW))
    assert found == [("load", 1.0), ("load", 2.0), ("load", 3.0), ("other", 4.0)]


def test_what_no_binding_names_is_counted_and_the_rest_is_read():
    lines = reader()
    assert read("|Bload|5|Xload|1", "|Btravel|Normal||||", "|Bload|6", of=lines) == [("Xload", 1.0)]
    assert lines.take_refused() == ([], {"Bload": 2, "Btravel": 1})
    assert lines.take_refused() == ([], {})


@given(st.lists(st.text(st.sampled_from(string.printable + '|||"\\@é\x00'), max_size=60), max_size=20))
def test_no_line_is_fatal(garbage):
    lines = reader()
    read(*garbage, "2017-03-20T08:00:00Z|Xload|1", of=lines)
    assert lines.lines == sum(bool(line.strip()) for line in garbage) + 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "the first field is not a time"),
        ("nonsense|Xload|1", "is not a time"),
        ("2017-03-20T08:00:00Z|Xload", "needs a time, an item and a value"),
        ("2017-03-20T08:00:00Z|Xload|1|count", "'count' comes without a value"),
        ("2017-03-20T08:00:00Z|cond|Broken|1|||x", "is not a condition's level"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(line, reason):
    lines = reader()
    read(line, of=lines)
    [(said, raw)], _ = lines.take_refused()
    assert reason in said
    assert raw == line


def test_an_asset_of_many_lines_is_one_field():
    feed = join_assets(1_000)
    told = [
        "2020-01-01T00:00:00Z|@ASSET@|T1|CuttingTool|--multiline--X7",
        "<a>",
        "1|2",
        "</a>",
        "--multiline--X7",
        "|Xload|1",
    ]
    whole = [line for line in map(feed, told) if line is not None]
    assert split_fields(whole[0])[-1] == "<a>\n1|2\n</a>"
    assert whole[1] == "|Xload|1"
    bound = ItemTable([Binding(address="@ASSET@;shape=asset", twin="m", property="asset_changed")], lambda *_: None)
    [message] = LineReader(bound, lambda: NOW).read(whole[:1])
    assert message.events[0].fields["asset_id"] == "T1"


def test_a_giant_asset_keeps_its_head_only():
    feed = join_assets(10)
    lines = ["|@ASSET@|T1|CuttingTool|--multiline--X", "x" * 11, "y", "--multiline--X"]
    assert [line for line in map(feed, lines) if line is not None] == ["|@ASSET@|T1|CuttingTool|"]


def test_pong_tells_the_period():
    assert pong_period_s("* PONG 10000") == 10.0
    assert pong_period_s("* manufacturer: Mazak") is None


def test_addresses_survive_being_written_and_read():
    address = Address(name="Xload", id="M-X_3", source="xl", device="M", shape=Shape.TIME_SERIES)
    assert parse_address(str(address)) == address
    assert parse_address("Xload") == Address(name="Xload")


@pytest.mark.parametrize("text", ["", "a;b", "a;colour=red", "a;shape=round", "a;id="])
def test_an_address_that_cannot_be_read_is_refused(text):
    with pytest.raises(InvalidInput, match="address"):
        parse_address(text)

"""Twin types and plants from text: what is read, and how faults are told."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.errors import InvalidDocument
from gemel.twin import Kind, PartOf, located, merge_plants, parse_plant, parse_type
from gemel.twin.yaml import parse_yaml

PRESS = """\
id: press
title: Hydraulic press
properties:
  - {name: oil_temperature, unit: Cel, minimum: -40, maximum: 200, normal: [20, 60]}
  - {name: mode, kind: enumeration, values: [ON, OFF]}
  - {name: health, kind: condition}
commands: [{name: start_cycle}]
events: [{name: overheated, severity: warning}]
slots: [{name: pump, type: pump, maximum: null}]
"""


def problems(text, parse=parse_type):
    with pytest.raises(InvalidDocument) as refused:
        parse(text, "press.yaml")
    return refused.value.problems


def told(text, parse=parse_type):
    return [(p.line, p.column, p.field) for p in problems(text, parse)]


def test_a_type_is_read_from_yaml():
    type_ = parse_type(PRESS)
    assert [(p.name, p.kind) for p in type_.properties] == [
        ("oil_temperature", Kind.NUMBER),
        ("mode", Kind.ENUMERATION),
        ("health", Kind.CONDITION),
    ]
    assert type_.properties[0].normal == (20.0, 60.0)
    assert type_.slots[0].maximum is None


def test_the_same_type_is_read_from_json():
    assert parse_type(msgspec.json.encode(parse_type(PRESS))) == parse_type(PRESS)


def test_on_and_off_are_words():
    assert parse_type(PRESS).properties[1].values == ("ON", "OFF")
    assert parse_yaml("[on, No, 2017-03-20, 1_000, 1:30, 012, '5', 5, -1.5e3, .5, ~, true, null, 0x1F]") == [
        *("on", "No", "2017-03-20", "1_000", "1:30", 12, "5", 5, -1500.0, 0.5, None, True, None, 31)
    ]


def test_all_faults_are_told_with_their_places():
    text = (
        PRESS.replace("unit: Cel", "unti: Cel").replace("kind: condition", "kind: conditon").replace("id: press\n", "")
    )
    assert told(text) == [
        (3, 29, "properties[0].unti"),
        (5, 26, "properties[2].kind"),
        (1, 1, "id"),
    ]


def test_a_misspelt_field_is_met_with_the_likely_one():
    assert problems(PRESS.replace("title:", "titel:"))[0].message == "there is no field 'titel'; did you mean title?"
    assert "did you mean condition?" in problems(PRESS.replace("kind: condition", "kind: conditoin"))[0].message


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("unit: Cel", "unit: Celsius", "properties[0].unit", "UCUM"),
        ("maximum: 200", "maximum: -50", "properties[0].maximum", "below minimum"),
        ("[20, 60]", "[60, 20]", "properties[0].normal", "ends before"),
        ("[20, 60]", "[20]", "properties[0].normal", "a list of 2"),
        ("maximum: 200", "maximum: .inf", "properties[0].maximum", "a number or empty"),
        ("name: mode", "name: Oil_Temperature", "properties[1].name", "differ by more than case"),
        ("name: mode", "name: ../mode", "properties[1].name", "not allowed"),
        ("name: mode", "name: mode, aliases: [health]", "properties[2].aliases", "names both mode and health"),
        ("name: health", "name: health, unit: mm", "properties[2].unit", "has no unit"),
        ("name: health", "name: health, minimum: 1", "properties[2].minimum", "has no range"),
        ("name: health", "name: health, values: [A]", "properties[2].values", "only an enumeration"),
        ("[ON, OFF]", "[ON, ON]", "properties[1].values", "listed twice"),
        ("severity: warning", "severity: loud", "events[0].severity", "info, warning or fault"),
        ("maximum: null", "minimum: 2", "slots[0].maximum", "no range"),
        ("name: mode", "name: mode, freshness: {within_s: 0}", "properties[1].freshness.within_s", "above 0"),
    ],
)
def test_what_a_type_cannot_be_is_refused(old, new, field, says):
    (problem,) = problems(PRESS.replace(old, new))
    assert problem.field == field
    assert says in problem.message
    assert problem.line > 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1, 2", "expected ',' or ']'"),
        ("a: 1\na: 2", "'a' is here twice"),
        ("- 1", "is a mapping"),
        ("", "is a mapping"),
        ("a: 1\n---\nb: 2", "one document a file"),
        ("a: !!python/object/apply:os.system [id]", "tag"),
        ("a: !secret x", "tag"),
        ("? [a]\n: 1", "a key is text"),
        ("a: &a [*a]", "stands for nothing"),
        ("a: *b", "stands for nothing"),
        ("<<: 5", "takes a mapping"),
        ("a: " + "[" * 100_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("a: " + "9" * 5000, "5000 digits"),
        ("a: \x07", "not allowed"),
        (b"a: \xff\xfe", "not UTF-8"),
        ('{"a": ' * 5000, "nested deeper"),
    ],
)
def test_hostile_and_broken_text_is_refused(text, says):
    (problem,) = problems(text, parse_plant)
    assert says in problem.message


def test_a_billion_laughs_are_refused_before_they_are_laughed():
    lines = ["a: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{i}: &l{i + 1} [{', '.join([f'*l{i}'] * 10)}]" for i in range(9)]
    (problem,) = problems("\n".join(lines), parse_plant)
    assert "aliases stand for more than" in problem.message


def test_a_document_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("gemel.twin.yaml.MAX_TEXT", 100)
    (problem,) = problems("a" * 101, parse_plant)
    assert "split it" in problem.message


def test_anchors_and_merges_save_writing():
    text = """
gemel: 1
twins:
  - &press {id: press-7, types: [press], attributes: {maker: Acme}}
  - {<<: *press, id: press-8}
"""
    one, other = parse_plant(text).twins
    assert (one.id, other.id) == ("press-7", "press-8")
    assert one.attributes == other.attributes


def test_parts_and_links_are_written_short_or_long():
    text = """
gemel: 1
twins:
  - {id: a, types: [x], part_of: b}
  - {id: c, types: [x], part_of: {twin: b, slot: s}, links: {feeds: a, located_in: [h, i]}}
  - {id: d, types: [x], part_of: [b, {twin: c}]}
"""
    a, c, d = parse_plant(text).twins
    assert a.declared_links() == [("part_of", "b", "")]
    assert c.declared_links() == [
        ("part_of", "b", "s"),
        ("feeds", "a", ""),
        ("located_in", "h", ""),
        ("located_in", "i", ""),
    ]
    assert d.part_of == ("b", PartOf(twin="c"))


@pytest.mark.parametrize(
    "settings",
    [
        "{password: hunter2}",
        "{tls: {key_password: hunter2}}",
        "{brokers: [{api_key: hunter2}]}",
        "{Token: hunter2}",
        "{client_secret: {env: A, file: hunter2}}",
    ],
)
def test_a_secret_in_the_clear_is_refused_and_not_repeated(settings):
    text = f"gemel: 1\nconnectors:\n  - {{id: c, kind: mqtt, settings: {settings}}}\n"
    (problem,) = problems(text, parse_plant)
    assert "never written here" in problem.message
    assert "hunter2" not in str(problem)


URLS = [
    "mqtt://gemel:hunter2@broker",
    "mqtt://:hunter2@broker:1883",
    "mqtt://gemel:1883@broker",
    "mqtt://gemel:hun/ter2#?@broker",
    "mqtt://gemel%3Ahunter2@broker",
    "http://agent:5000/sample?token=hunter2",
    "https://agent/?a=1&API_KEY=hunter2",
    "https://agent/#access_token=hunter2",
    "https://agent/?pass%77ord=hunter2",
    "see https://anna:hunter2@wiki/press",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("where", ["url: {}", "brokers: [{{url: {}}}]", "password: {{env: {}}}"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(url, where):
    settings = where.format(json.dumps(url))
    document = "gemel: 1\nconnectors:\n  - {id: c, kind: mqtt, settings: {%s}}\n" % settings  # noqa: UP031
    (problem,) = problems(document, parse_plant)
    assert "a URL holds no password" in problem.message
    assert "hunter" not in str(problem)
    twin = "gemel: 1\ntwins:\n  - {id: c, types: [t], attributes: {%s}}\n" % settings  # noqa: UP031
    (problem,) = problems(twin, parse_plant)
    assert problem.field.startswith("twins[0].attributes.")


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://broker:1883",
        "mqtt://gemel@broker:1883",
        "http://agent:5000/devices/a:b@c?count=5&path=//Axes",
        "opc.tcp://[::1]:4840/x@y",
        "plant/line:1@press?token=x",
        "https://wiki/tokens?page=2",
    ],
)
def test_a_url_without_a_secret_is_accepted(url):
    settings = json.dumps({"url": url})
    parse_plant(f"gemel: 1\nconnectors:\n  - {{id: c, kind: mqtt, settings: {settings}}}\n")


@pytest.mark.parametrize(
    ("twin", "property_", "sound"),
    [
        ("press-{id}", "oil_{place}", True),
        ("{site}.{line}.press", "flow", True),
        ("press-{", "flow", False),
        ("press-{../x}", "flow", False),
        ("../{id}", "flow", False),
        ("press-7", "{a}-{b}", False),
    ],
)
def test_a_binding_of_many_devices_names_its_twins_by_variables(twin, property_, sound):
    binding = f'{{address: "a/{{id}}", twin: "{twin}", property: "{property_}"}}'
    text = f"gemel: 1\nconnectors:\n  - {{id: c, kind: mqtt, bindings: [{binding}]}}\n"
    if sound:
        assert parse_plant(text).connectors[0].bindings[0].is_template == ("{" in twin + property_)
    else:
        (problem,) = problems(text, parse_plant)
        assert "not allowed" in problem.message


def test_a_secret_by_reference_is_accepted():
    for reference in ("{env: P}", "{file: /run/p}", "{keyring: p}"):
        parse_plant(f"gemel: 1\nconnectors:\n  - {{id: c, kind: mqtt, settings: {{password: {reference}}}}}\n")


def test_what_is_declared_twice_in_two_documents_is_told_with_the_document():
    one = parse_plant("gemel: 1\ntwins:\n  - {id: a, types: [x]}\n", "one.yaml")
    two = parse_plant("gemel: 1\ntwins:\n\n  - {id: b, types: [x]}\n  - {id: a, types: [x]}\n", "two.yaml")
    with pytest.raises(InvalidDocument) as refused:
        merge_plants([one, two])
    (problem,) = refused.value.problems
    assert (problem.line, problem.field) == (5, "twins[1].id")
    assert "two.yaml" in problem.message
    assert located(merge_plants([one]), []) == []


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz_", min_size=1), inner, max_size=4),
        max_leaves=20,
    )
)
def test_json_is_read_as_it_is(value):
    assert parse_yaml(msgspec.json.encode(value).decode()) == value


@given(st.text(max_size=200))
def test_no_text_does_worse_than_be_refused(text):
    try:
        parse_plant(text)
    except InvalidDocument as refused:
        told = refused.problems
    else:
        told = [None]
    assert told

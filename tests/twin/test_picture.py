"""Pictures of types: what may stand in one, and what is refused, with the line and the way out."""

import json

import pytest

from gemel.errors import InvalidDocument
from gemel.twin import parse_type

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">'


def with_picture(body, *, head=HEAD, tail="</svg>"):
    return parse_type(
        json.dumps(
            {
                "id": "tank",
                "slots": [{"name": "pump", "type": "pump"}],
                "properties": [
                    {"name": "level", "unit": "%", "minimum": 0, "maximum": 100},
                    {"name": "flow", "unit": "m3/h"},
                    {"name": "state", "kind": "enumeration", "values": ["running", "stopped"]},
                ],
                "picture": f"{head}\n{body}\n{tail}",
            }
        )
    )


def faults(body, **how):
    with pytest.raises(InvalidDocument) as raised:
        with_picture(body, **how)
    assert {problem.field.rpartition(".")[2] for problem in raised.value.problems} == {"picture"}
    return " ".join(problem.message for problem in raised.value.problems)


def test_a_picture_binds_properties_of_the_twin_and_of_what_fills_its_slots():
    type_ = with_picture(
        '<!-- a tank --><g class="equipment" data-active="state=running"><path class="pipe" d="M1 2 L3,4.5e1 Z"/></g>'
        '<rect class="liquid" x="1" y="2" width="3" height="4" transform="translate(3 4)" data-fill="level"/>'
        '<text class="value" data-value="pump.speed"/>'
        '<text class="name" text-anchor="middle">Tank <tspan>1</tspan></text>'
    )
    assert "data-fill" in type_.picture


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<style>* {fill: red}</style>",
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>',
        '<image href="https://elsewhere.example/x.png"/>',
        '<a href="javascript:alert(1)"><path d="M0 0"/></a>',
        '<use href="#x"/>',
        '<path d="M0 0" onclick="alert(1)"/>',
        '<path d="M0 0" style="fill: url(https://elsewhere.example/x)"/>',
        '<path d="M0 0" fill="url(#x)"/>',
        '<path d="url(https://elsewhere.example/x)"/>',
        '<animate attributeName="d"/>',
        '<set attributeName="onload" to="alert(1)"/>',
        '<path xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#x" d="M0 0"/>',
        "<?xml-stylesheet href='x.css'?>",
    ],
)
def test_what_could_do_more_than_be_looked_at_is_refused(hostile):
    assert "line 2" in faults(hostile)


def test_entities_and_doctypes_are_refused():
    head = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + HEAD
    assert "DOCTYPE" in faults("<text>&x;</text>", head=head)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<text data-value="levle"/>', "no property levle"),
        ('<text data-value="motor.speed"/>', "no slot motor; it has pump"),
        ('<rect data-fill="flow"/>', "flow needs minimum and maximum"),
        ('<g data-active="state=runs"/>', "never runs; it is one of running, stopped"),
        ('<text data-value="state=running"/>', "name a property, or slot.property"),
        ('<path class="nice" d="M0 0"/>', "there is no class nice; there is equipment"),
        ("<path d='M0 0'", "no well-formed SVG"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(body, told):
    assert told in faults(body)


def test_it_is_an_svg_of_bounded_size():
    assert "begins with <svg" in faults("", head='<html xmlns="http://www.w3.org/1999/xhtml">', tail="</html>")
    assert "at most 65,536 characters" in faults("<g/>" * 20_000)
    assert "at most 2,000 elements" in faults("<g/>" * 2_001)
    assert "in 32 levels" in faults("<g>" * 40 + "</g>" * 40)

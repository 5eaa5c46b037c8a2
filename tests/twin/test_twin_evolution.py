"""How types change: what is kept, what is converted, what is refused."""

import msgspec
import pyarrow as pa
import pytest

from gemel.errors import InvalidDocument, UnknownProperty
from gemel.twin import (
    CommandType,
    Conversion,
    EventType,
    Form,
    Kind,
    PropertyType,
    Slot,
    TwinType,
    convert_generation,
    evolve,
)
from gemel.twin.frame import VALUE_TYPES


def type_of(*properties, **fields):
    return TwinType(id="press", properties=properties, **fields)


def prop(name, kind=Kind.NUMBER, **fields):
    return PropertyType(name=name, kind=kind, **fields)


def refusal(current, declared):
    with pytest.raises(InvalidDocument) as refused:
        evolve(current, declared)
    return [problem.message for problem in refused.value.problems]


def test_the_same_content_is_the_same_version():
    current = type_of(prop("a", unit="mm"))
    assert evolve(current, type_of(prop("a", unit="mm"))) is current
    assert evolve(current, type_of(prop("a", unit="mm"), version=77)) is current


def test_aliases_are_remembered_even_when_the_document_forgets_them():
    renamed = evolve(type_of(prop("a")), type_of(prop("b", aliases=("a",))))
    assert renamed.version == 2
    assert evolve(renamed, type_of(prop("b"))) is renamed
    again = evolve(renamed, type_of(prop("c", aliases=("b",))))
    assert again.properties[0].aliases == ("a", "b")


def test_a_name_can_be_taken_back_only_by_saying_so():
    renamed = evolve(type_of(prop("a")), type_of(prop("b", aliases=("a",))))
    assert "a is an earlier name of b" in refusal(renamed, type_of(prop("a")))[0]
    back = evolve(renamed, type_of(prop("a", aliases=("b",))))
    assert (back.properties[0].name, back.properties[0].aliases) == ("a", ("b",))


def test_two_names_can_be_swapped():
    swapped = evolve(type_of(prop("a", unit="mm"), prop("b")), type_of(prop("c", aliases=("a",), unit="mm"), prop("b")))
    assert [p.name for p in swapped.properties] == ["c", "b"]


def test_two_properties_cannot_continue_one():
    assert any(
        "both a and b continue a" in m
        for m in refusal(type_of(prop("a")), type_of(prop("a"), prop("b", aliases=("a",))))
    )


def test_a_unit_of_the_same_dimension_is_converted_by_itself():
    (changed,) = evolve(type_of(prop("a", unit="Cel")), type_of(prop("a", unit="K"))).properties
    assert changed.generation == 2
    assert changed.earlier == (Conversion(generation=1, kind=Kind.NUMBER, unit="Cel", how="unit"),)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (prop("a", unit="Cel"), prop("a", unit="mm"), "measure different things"),
        (prop("a"), prop("a", Kind.INTEGER), "say how"),
        (prop("a", Kind.TEXT), prop("a"), "say how"),
        (prop("a"), prop("a", unit="mm"), "say how"),
        (prop("a", Kind.TEXT), prop("a", earlier=(Conversion(kind=Kind.TEXT, how="cast"),)), "cannot be cast"),
        (prop("a", Kind.TEXT), prop("a", earlier=(Conversion(kind=Kind.TEXT, how="map"),)), "needs a mapping"),
        (
            prop("a", Kind.TEXT),
            prop("a", earlier=(Conversion(kind=Kind.TEXT, how="unit"),)),
            "needs numbers with units",
        ),
    ],
)
def test_a_retyping_that_would_lose_readings_is_refused(before, after, says):
    assert says in refusal(type_of(before), type_of(after))[0]


def test_what_is_gone_is_refused_all_at_once():
    full = type_of(
        prop("a"),
        commands=(CommandType(name="go"),),
        events=(EventType(name="gone"),),
        slots=(Slot(name="s", type="t"),),
    )
    assert [m.partition(" is gone")[0] for m in refusal(full, type_of())] == [
        "property a",
        "command go",
        "event gone",
        "slot s",
    ]


def test_deprecating_keeps_everything():
    (kept,) = evolve(type_of(prop("a")), type_of(prop("a", deprecated="use b"))).properties
    assert (kept.deprecated, kept.generation) == ("use b", 1)


def convert(property_, generation, values):
    form = next((e.kind.form for e in property_.earlier if e.generation == generation), property_.form)
    return convert_generation(property_, generation, pa.array(values, VALUE_TYPES[form])).to_pylist()


def test_readings_are_converted_through_all_generations():
    type_ = type_of(prop("a", Kind.INTEGER))
    type_ = evolve(type_, type_of(prop("a")))
    type_ = evolve(type_, type_of(prop("a", unit="Cel", earlier=(Conversion(kind=Kind.NUMBER, how="cast"),))))
    type_ = evolve(type_, type_of(prop("a", unit="K")))
    (property_,) = type_.properties
    assert [e.how for e in property_.earlier] == ["cast", "cast", "unit"]
    assert property_.generation == 4
    for generation in (1, 2, 3):
        assert convert(property_, generation, [20, None]) == pytest.approx([293.15, None])
    assert convert(property_, 4, [20.0]) == [20.0]
    with pytest.raises(UnknownProperty, match="no generation 9"):
        convert(property_, 9, [])


@pytest.mark.parametrize(
    ("before", "after", "values", "wanted"),
    [
        (prop("a", Kind.BOOLEAN), prop("a", Kind.TEXT), [0, 1, None], ["false", "true", None]),
        (prop("a", Kind.BOOLEAN), prop("a", Kind.INTEGER), [0, 1], [0, 1]),
        (prop("a", Kind.NUMBER), prop("a", Kind.TEXT), [1.5], ["1.5"]),
        (prop("a", Kind.ARRAY), prop("a", Kind.TEXT), [[1.0, 2.5]], ["[1.0,2.5]"]),
        (prop("a", Kind.ARRAY, unit="mm"), prop("a", Kind.ARRAY, unit="m"), [[1000.0], None], [[1.0], None]),
        (prop("a", Kind.ENUMERATION), prop("a", Kind.TEXT), ["X"], ["X"]),
        (
            prop("a", Kind.NUMBER),
            prop("a", Kind.INTEGER, earlier=(Conversion(kind=Kind.NUMBER, how="cast"),)),
            [1.6, 1e300, float("nan")],
            [2, None, None],
        ),
        (prop("a", Kind.TEXT), prop("a", earlier=(Conversion(kind=Kind.TEXT, how="none"),)), ["x"], [None]),
        (
            prop("a", Kind.INTEGER),
            prop(
                "a",
                Kind.ENUMERATION,
                earlier=(Conversion(kind=Kind.INTEGER, how="map", mapping={"0": "MANUAL", "1": "AUTO"}),),
            ),
            [1, 0, 7, None, 1],
            ["AUTO", "MANUAL", None, None, "AUTO"],
        ),
        (
            prop("a", Kind.TEXT),
            prop(
                "a",
                Kind.BOOLEAN,
                earlier=(Conversion(kind=Kind.TEXT, how="map", mapping={"open": True, "shut": False}),),
            ),
            ["open", "shut", "?"],
            [1, 0, None],
        ),
        (
            prop("a", Kind.NUMBER),
            prop("a", Kind.ARRAY, earlier=(Conversion(kind=Kind.NUMBER, how="map", mapping={"1": [1.0], "1.5": "x"}),)),
            [1.0, 1.5],
            [[1.0], None],
        ),
    ],
)
def test_each_way_of_converting(before, after, values, wanted):
    (property_,) = evolve(type_of(before), type_of(after)).properties
    assert convert(property_, 1, values) == wanted


def test_a_converted_array_has_the_form_of_today():
    for kind in Kind:
        property_ = prop("a", kind, generation=2, earlier=(Conversion(generation=1, kind=Kind.TEXT, how="none"),))
        assert convert_generation(property_, 1, pa.array(["x"])).type == VALUE_TYPES[kind.form]


def test_types_survive_json():
    type_ = evolve(type_of(prop("a", unit="Cel")), type_of(prop("b", unit="K", aliases=("a",))))
    assert msgspec.json.decode(msgspec.json.encode(type_), type=TwinType) == type_
    assert Form.NUMBER is type_.properties[0].form

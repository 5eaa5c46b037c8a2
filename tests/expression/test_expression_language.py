"""The language: what it says, what it refuses and where, and that Arrow gives what plain Python would."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.errors import InvalidExpression
from gemel.expression import Expression, Kind, Parts, Quantity

NUMBER, BOOLEAN, TEXT = Quantity(), Quantity(Kind.BOOLEAN), Quantity(Kind.TEXT)
KNOWN = {
    "a": NUMBER,
    "b": NUMBER,
    "on": BOOLEAN,
    "p": BOOLEAN,
    "door": Quantity(Kind.TEXT, values=("OPEN", "CLOSED")),
    "note": TEXT,
    "power": Quantity(unit="kW"),
    "small": Quantity(unit="W"),
    "hours": Quantity(unit="h"),
    "outlet": Quantity(unit="Cel"),
    "inlet": Quantity(unit="Cel"),
    "absolute": Quantity(unit="K"),
    "angle": Quantity(unit="deg"),
    "spindle.load": Quantity(unit="%"),
}
PARTS = {"parts": {"power": Quantity(unit="kW"), "running": BOOLEAN, "system": TEXT, "outlet": Quantity(unit="Cel")}}


def formula(text: str, **how: Any):
    return Expression.parse(text).check(KNOWN, PARTS, **how)


def value(text: str, result: Quantity | None = None, **values: Any) -> Any:
    return formula(text, result=result).one(values, moment=10_000_000)


# --- against a plain evaluator -------------------------------------------------------------------------------------

Plain = Callable[[dict[str, Any]], Any]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _arithmetic(operator: str, left: Plain, right: Plain) -> Plain:
    def run(row: dict[str, Any]) -> float | None:
        a, b = left(row), right(row)
        if a is None or b is None or (operator == "/" and b == 0):
            return None
        try:
            found = {
                "+": lambda: a + b,
                "-": lambda: a - b,
                "*": lambda: a * b,
                "/": lambda: a / b,
            }[operator]()
        except OverflowError:
            return None
        return _finite(found)

    return run


def _compared(operator: str, left: Plain, right: Plain) -> Plain:
    def run(row: dict[str, Any]) -> bool | None:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        return {"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]

    return run


def _and(left: Plain, right: Plain) -> Plain:
    def run(row: dict[str, Any]) -> bool | None:
        both = left(row), right(row)
        return False if False in both else None if None in both else True

    return run


def _or(left: Plain, right: Plain) -> Plain:
    def run(row: dict[str, Any]) -> bool | None:
        both = left(row), right(row)
        return True if True in both else None if None in both else False

    return run


def _not(inner: Plain) -> Plain:
    return lambda row: None if (found := inner(row)) is None else not found


def _chosen(condition: Plain, yes: Plain, no: Plain) -> Plain:
    return lambda row: yes(row) if condition(row) is True else no(row)


def _coalesced(first: Plain, second: Plain) -> Plain:
    return lambda row: second(row) if (found := first(row)) is None else found


def named(name: str) -> Plain:
    return lambda row: row[name]


def constant(number: float) -> Plain:
    return lambda _: number


NUMBERS = st.one_of(
    st.sampled_from(["a", "b"]).map(lambda name: (name, named(name))),
    st.integers(-1000, 1000).map(lambda n: (f"({n})", constant(float(n)))),
    st.floats(-1e6, 1e6).map(lambda x: (f"({x!r})", constant(x))),
)
CONDITIONS = st.one_of(
    st.sampled_from(["on", "p"]).map(lambda name: (name, named(name))),
    st.booleans().map(lambda b: (str(b), constant(b))),
)


def deeper(depth: int, *, boolean: bool) -> st.SearchStrategy[tuple[str, Plain]]:
    leaves = CONDITIONS if boolean else NUMBERS
    if depth == 0:
        return leaves
    numbers, truths = deeper(depth - 1, boolean=False), deeper(depth - 1, boolean=True)
    if boolean:
        compared = st.tuples(numbers, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), numbers)
        return st.one_of(
            leaves,
            compared.map(lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", _compared(t[1], t[0][1], t[2][1]))),
            st.tuples(truths, truths).map(lambda t: (f"({t[0][0]} AND {t[1][0]})", _and(t[0][1], t[1][1]))),
            st.tuples(truths, truths).map(lambda t: (f"({t[0][0]} or {t[1][0]})", _or(t[0][1], t[1][1]))),
            truths.map(lambda t: (f"(NOT {t[0]})", _not(t[1]))),
            numbers.map(lambda t: (f"({t[0]} IS NULL)", lambda row: t[1](row) is None)),
        )
    counted = st.tuples(numbers, st.sampled_from("+-*/"), numbers)
    chosen = st.tuples(truths, numbers, numbers)
    return st.one_of(
        leaves,
        counted.map(lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", _arithmetic(t[1], t[0][1], t[2][1]))),
        chosen.map(
            lambda t: (f"CASE WHEN {t[0][0]} THEN {t[1][0]} ELSE {t[2][0]} END", _chosen(t[0][1], t[1][1], t[2][1]))
        ),
        st.tuples(numbers, numbers).map(lambda t: (f"coalesce({t[0][0]}, {t[1][0]})", _coalesced(t[0][1], t[1][1]))),
    )


MADE = st.one_of(deeper(3, boolean=False), deeper(3, boolean=True))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.none() | st.floats(-1e9, 1e9),
            "b": st.none() | st.floats(-1e9, 1e9),
            "on": st.none() | st.booleans(),
            "p": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(MADE, ROWS)
def test_an_expression_gives_what_plain_python_gives_for_many_rows_and_for_one(made, rows):
    text, plain = made
    ready = formula(text)
    types = {"a": pa.float64(), "b": pa.float64(), "on": pa.bool_(), "p": pa.bool_()}
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()})
    wanted = [plain(row) for row in rows]
    assert ready.evaluate(table).to_pylist() == wanted
    assert [ready.one(row) for row in rows] == wanted


# --- what it says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("1.5e-3 * a", {"a": 2000}, 3.0),
        ("a % 3", {"a": -7}, -1.0),
        ("2 ^ a", {"a": 3}, 8.0),
        ("round(a, 1)", {"a": 2.25}, 2.3),
        ("round(a)", {"a": -2.5}, -3.0),
        ("a BETWEEN 1 AND 2", {"a": 2}, True),
        ("a NOT IN (1, 2)", {"a": 3}, True),
        ("a IN (1, 2)", {}, None),
        ("CASE door WHEN 'OPEN' THEN 1 ELSE 0 END", {"door": "OPEN"}, 1.0),
        ("if(on, a, b)", {"a": 1, "b": 2}, 2.0),
        ("on IS TRUE", {}, False),
        ("a IS DISTINCT FROM b", {"a": 1}, True),
        ("nullif(a, b)", {"a": 1, "b": 1}, None),
        ("least(a, b)", {"a": 1}, None),
        ("note LIKE 'a%_'", {"note": "abc"}, True),
        ("length(upper(trim(note)))", {"note": " ab "}, 2.0),
        ("a / b", {"a": 1, "b": 0}, None),
        ("sqrt(a)", {"a": -1}, None),
        ("exp(a)", {"a": 1e6}, None),
        ("fresh(a)", {"a": 1, "a__fresh": False}, False),
        ("fresh(a)", {}, False),
        ("quality(a) = 'bad'", {"a__quality": "bad"}, True),
        ("age(a)", {"a__time": 4_000_000}, 6.0),
        ('"on" AND "a" > 1', {"on": True, "a": 2}, True),
        ("spindle.load > 80", {"spindle.load": 81}, True),
    ],
)
def test_the_language_means_what_its_page_says(text, values, wanted):
    assert value(text, **values) == wanted


def test_false_decides_and_unknown_refuses():
    assert value("on AND a > 1", on=False) is False
    assert value("on OR a > 1", on=True) is True
    assert value("on AND a > 1", on=True) is None


# --- units ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "result", "wanted"),
    [
        ("power + small", {"power": 1, "small": 500}, None, 1.5),
        ("power > small", {"power": 1, "small": 2000}, None, False),
        ("power * hours", {"power": 2, "hours": 3}, Quantity(unit="kJ"), 21_600.0),
        ("sqrt(power * power + small * small)", {"power": 3, "small": 4000}, Quantity(unit="kW"), 5.0),
        ("outlet - inlet", {"outlet": 24.5, "inlet": 20}, Quantity(unit="K"), 4.5),
        ("outlet + quantity(5, 'K')", {"outlet": 20}, Quantity(unit="[degF]"), 77.0),
        ("outlet > 80", {"outlet": 81}, None, True),
        ("outlet > absolute", {"outlet": 0, "absolute": 273}, None, True),
        ("convert(outlet, 'K') * 2", {"outlet": 0}, None, 546.3),
        ("sin(angle)", {"angle": 90}, None, 1.0),
        ("value(outlet) * 1.8 + 32", {"outlet": 100}, None, 212.0),
        ("power / power", {"power": 3}, Quantity(), 1.0),
    ],
)
def test_numbers_are_calculated_with_their_units(text, values, result, wanted):
    assert value(text, result, **values) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("text", "result", "told", "position"),
    [
        ("power + hours", None, "measure different things", 9),
        ("outlet * 2", None, "whose 0 is not nothing", 1),
        ("outlet + inlet", None, "have no sum", 8),
        ("outlet - 20", None, "quantity(20, 'Cel') or quantity(20, 'K')", 10),
        ("outlet - inlet", Quantity(unit="Cel"), "not a reading in Cel", 8),
        ("power * hours", Quantity(), "declare unit: kW.h", 7),
        ("power * hours", Quantity(unit="m"), "measure different things", 7),
        ("exp(power)", None, "measure different things", 5),
        ("power ^ a", None, "only for a number as exponent", 7),
        ("sum(parts.outlet)", None, "have no sum", 5),
    ],
)
def test_units_that_do_not_fit_are_refused_with_the_place(text, result, told, position):
    with pytest.raises(InvalidExpression, match=told.replace("(", r"\(").replace(")", r"\)")) as refused:
        formula(text, result=result)
    assert refused.value.position == position


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told", "position"),
    [
        ("spindel.load > 8", "did you mean spindle.load", 1),
        ("a + abss(b)", "did you mean abs", 5),
        ("a +", "end of input", 4),
        ("a > 'x'", "one kind", 5),
        ("note > 'x'", "compares numbers", 6),
        ("on + 1", "takes a number", 1),
        ("door = 'OPN'", "never 'OPN'", 8),
        ("a = NULL", "IS NULL", 3),
        ("  a AND on", "takes a boolean", 3),
        ("parts.power > 1", "are many", 1),
        ("sum(a)", "sum\\(parts.a\\)", 5),
        ("sum(parts.power + cells.power)", "one set of parts", 1),
        ("sum(sum(parts.power))", "needs a value of parts", 1),
        ("max(a, b)", "greatest", 1),
        ("is_a('x')", "FILTER", 1),
        ("fresh(a + 1)", "name of a property", 1),
        ("äö > 1", "no 'äö'", 1),
        ("'ü' = nope", "no 'nope'", 7),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_the_way_out(text, told, position):
    with pytest.raises(InvalidExpression, match=told) as refused:
        formula(text)
    assert refused.value.position == position
    assert f"at character {position}" in refused.value.detail


HOSTILE = [
    "",
    "   ",
    "\0",
    "\ud800",
    "a\u202eb",
    "(" * 3000,
    "(" * 99 + "a" + ")" * 98,
    "-" * 3900 + "a",
    "NOT " * 900 + "on",
    "+".join(["a"] * 1900),
    "a" * 4001,
    "CASE " + "WHEN on THEN 1 " * 260 + "END",
    "SELECT 1",
    "(SELECT 1)",
    "EXISTS (SELECT 1)",
    "a; DROP TABLE x",
    "a FROM b",
    "a WHERE on",
    "a AS b",
    "a, b",
    "*",
    "a::INTEGER",
    "CAST(a AS INTEGER)",
    "[1, 2]",
    "{'a': 1}",
    "x -> x + 1",
    "list_transform([1], lambda x: x)",
    "$1",
    "?",
    "a -- all of it",
    "a /* all of it */",
    "read_csv('/etc/passwd')",
    "read_text('/etc/passwd')",
    "getenv('HOME')",
    "current_setting('x')",
    "now()",
    "random()",
    "nextval('s')",
    "query('SELECT 1')",
    "error('x')",
    "repeat('x', 1000000000)",
    "regexp_matches(note, '(a+)+$')",
    "note SIMILAR TO '(a+)+'",
    "note ~ '(a+)+$'",
    "sum(parts.power) OVER ()",
    "sum(DISTINCT parts.power)",
    "sum(parts.power ORDER BY parts.power)",
    "abs(a) FILTER (WHERE on)",
    "other.abs(a)",
    "a.b.c.d.e.f.g.h.i",
    "1e400",
    "99999999999999999999999",
    "INTERVAL '1' DAY",
    "DATE '2020-01-01'",
    "a COLLATE nocase",
    "a[1]",
    "COLUMNS('a')",
    "~ a",
    "a << 2",
    "a @> b",
    "'" + "x" * 3000,
    '"' + "x" * 3000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_as_an_expression_and_nothing_else(text):
    with pytest.raises(InvalidExpression):
        formula(text)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_an_expression_or_refused(text):
    place = 0
    try:
        Expression.parse(text).check(KNOWN, PARTS)
    except InvalidExpression as refused:
        place = refused.position
    assert 0 <= place <= len(text) + 1


# --- parts ---------------------------------------------------------------------------------------------------------


def over_parts(text: str, whole: list[int], n: int, **columns: Any) -> list[Any]:
    parts = Parts(np.array(whole, np.int64), pa.table(columns))
    return formula(text).evaluate(pa.table({"": pa.nulls(n)}), {"parts": parts}).to_pylist()


def test_aggregates_are_per_whole_and_one_unknown_part_makes_the_whole_unknown():
    power = pa.array([1.0, 2.0, None, 4.0])
    assert over_parts("sum(parts.power)", [0, 0, 1, 1], 3, power=power) == [3.0, None, 0.0]
    assert over_parts("avg(parts.power)", [0, 0, 1, 1], 3, power=power) == [1.5, None, None]
    assert over_parts("max(parts.power)", [0, 0, 1, 1], 3, power=power) == [2.0, None, None]
    assert over_parts("count(parts)", [0, 0, 1, 1], 3, power=power) == [2.0, 2.0, 0.0]
    assert over_parts("count(parts.power)", [0, 0, 1, 1], 3, power=power) == [2.0, 1.0, 0.0]
    assert over_parts("sum(coalesce(parts.power, 0))", [0, 0, 1, 1], 3, power=power) == [3.0, 4.0, 0.0]
    chosen = "sum(parts.power) FILTER (WHERE parts.power IS NOT NULL)"
    assert over_parts(chosen, [0, 0, 1, 1], 3, power=power) == [3.0, 4.0, 0.0]


def test_a_weighted_mean_and_a_filter_by_type():
    columns = {
        "power": [1.0, 3.0, 9.0],
        "running": [True, True, False],
        "is_a pump": [True, False, True],
    }
    weighted = "weighted_avg(parts.power, CASE WHEN parts.running THEN 1 ELSE 0 END)"
    assert over_parts(weighted, [0, 0, 0], 1, **columns) == [2.0]
    assert over_parts("sum(parts.power) FILTER (WHERE is_a('pump'))", [0, 0, 0], 1, **columns) == [10.0]


def test_parts_without_the_property_are_left_out():
    columns = {"power": [1.0, None], "has power": [True, False]}
    assert over_parts("sum(parts.power)", [0, 0], 1, **columns) == [1.0]
    assert over_parts("count(parts)", [0, 0], 1, **columns) == [2.0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.none() | st.booleans()), max_size=12))
def test_some_and_every_are_three_valued(pairs):
    pairs = sorted(pairs, key=lambda pair: pair[0])
    whole, running = [w for w, _ in pairs], pa.array([r for _, r in pairs], pa.bool_())
    by_whole = [[r for w, r in pairs if w == i] for i in range(5)]
    some = [True if True in one else None if None in one else False for one in by_whole]
    every = [False if False in one else None if None in one else True for one in by_whole]
    assert over_parts("bool_or(parts.running)", whole, 5, running=running) == some
    assert over_parts("bool_and(parts.running)", whole, 5, running=running) == every


def test_the_worst_condition_of_parts():
    system = pa.array(["normal", "warning", None, "fault", None, "normal"])
    assert over_parts("worst(parts.system)", [0, 0, 1, 1, 3, 3], 4, system=system) == ["warning", "fault", None, None]


def test_inputs_and_sets_are_told_once_with_what_is_asked_of_them():
    asked = Expression.parse("a + a > age(b) AND fresh(b) AND sum(parts.power) FILTER (WHERE is_a('x')) > count(parts)")
    assert {(one.name, one.about) for one in asked.inputs} == {("a", frozenset()), ("b", frozenset({"age", "fresh"}))}
    (parts,) = asked.members
    assert (parts.name, [one.name for one in parts.inputs], parts.types) == ("parts", ["power"], ("x",))
    assert Expression.parse(asked.text) is asked

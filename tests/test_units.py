"""Units are UCUM codes; readings and intervals convert differently."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.errors import InvalidUnit
from gemel.units import affine, check_unit, convert, same_dimension


@pytest.mark.parametrize(
    ("value", "source", "target", "wanted"),
    [
        (100.0, "Cel", "K", 373.15),
        (212.0, "[degF]", "Cel", 100.0),
        (1.0, "m", "mm", 1000.0),
        (60.0, "/min", "Hz", 1.0),
        (1.0, "bar", "kPa", 100.0),
        (50.0, "%", "1", 0.5),
        (1.0, "N.m", "J", 1.0),
        (3.0, "mm", "mm", 3.0),
    ],
)
def test_readings_convert(value, source, target, wanted):
    assert convert(value, source, target) == pytest.approx(wanted)


def test_a_difference_of_a_degree_is_a_kelvin():
    assert convert(4.5, "Cel", "K", interval=True) == pytest.approx(4.5)
    assert convert(9.0, "[degF]", "Cel", interval=True) == pytest.approx(5.0)


def test_arrays_convert_at_once():
    assert convert(np.array([0.0, 100.0]), "Cel", "[degF]") == pytest.approx(np.array([32.0, 212.0]))


@pytest.mark.parametrize("code", ["", "Celsius", "°C", "m" * 65, "mm/", "NOT_A_UNIT", "__import__('os')"])
def test_what_is_not_ucum_is_refused(code):
    with pytest.raises(InvalidUnit):
        check_unit(code)


def test_units_of_other_dimensions_are_refused():
    with pytest.raises(InvalidUnit, match="measure different things"):
        affine("mm", "s")
    assert not same_dimension("mm", "s")
    assert same_dimension("mm", "[in_i]")


def test_a_scale_that_is_not_linear_is_refused():
    with pytest.raises(InvalidUnit):
        affine("B[SPL]", "Pa")


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.sampled_from([("Cel", "[degF]"), ("m", "[in_i]"), ("kW.h", "J"), ("deg", "rad")]))
def test_there_and_back_is_the_same(value, pair):
    there = convert(value, *pair)
    assert convert(there, pair[1], pair[0]) == pytest.approx(value, rel=1e-9, abs=1e-6)

"""Results in the form that their property has; what does not fit it is unknown."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from gemel.twin import VALUE_TYPES, Form, Kind, PropertyType

__all__ = ["fitted"]

MOST = 2.0**62
MAX_TEXT = 10_000


def fitted(property_: PropertyType, values: pa.Array) -> tuple[pa.Array, int]:
    """(values in the type of the property's form, how many were known and did not fit)."""
    known = len(values) - values.null_count
    fits = values
    if property_.form in (Form.NUMBER, Form.INTEGER):
        fits = _number(property_, values.cast(pa.float64()))
    elif property_.kind is Kind.ENUMERATION and property_.values:
        allowed = pc.is_in(values, pa.array(property_.values, values.type))
        fits = pc.if_else(allowed, values, pa.scalar(None, values.type))
    else:
        fits = pc.if_else(pc.less_equal(pc.binary_length(values), MAX_TEXT), values, pa.scalar(None, values.type))
    return fits.cast(VALUE_TYPES[property_.form]), known - (len(fits) - fits.null_count)


def _number(property_: PropertyType, values: pa.Array) -> pa.Array:
    if property_.form is Form.INTEGER:
        values = pc.round(values, round_mode="half_towards_infinity")  # as round() has it
        values = pc.if_else(pc.less(pc.abs(values), MOST), values, pa.scalar(None, pa.float64()))
    for bound, holds in ((property_.minimum, pc.greater_equal), (property_.maximum, pc.less_equal)):
        if bound is not None:
            values = pc.if_else(holds(values, bound), values, pa.scalar(None, pa.float64()))
    return values

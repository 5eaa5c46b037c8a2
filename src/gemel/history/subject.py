"""Which series a property of a twin is, through all its generations, and how their values are told today."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from gemel.errors import UnknownProperty, UnknownTwin
from gemel.history.rows import Rows
from gemel.registry import Directory, Entry, PropertyRef
from gemel.twin import (
    VALUE_TYPES,
    Conversion,
    Form,
    Kind,
    PropertyType,
    Quality,
    convert_generation,
    series_of,
    split_series,
)

__all__ = ["Source", "Subject", "convert_value", "decode", "sources_of", "subject", "subject_of_series"]


class Source(msgspec.Struct, frozen=True, gc=False):
    """One series that holds readings of a property: today's, or one from before it was retyped."""

    series: int
    form: Form
    conversion: Conversion | None = None
    """How its values become today's; None for today's own series."""


class Subject(msgspec.Struct, frozen=True, gc=False):
    """A property of a twin, as history sees it."""

    twin: str
    ref: PropertyRef
    sources: tuple[Source, ...]
    """Today's series first."""

    @property
    def property(self) -> PropertyType:
        return self.ref.property


def entry_of(directory: Directory, twin: str) -> Entry:
    """The twin of this id or alias; raises UnknownTwin."""
    entry = directory.twin(twin)
    if entry is None:
        raise UnknownTwin(f"there is no twin {twin!r:.130}; search for it by id, alias or serial number")
    return entry


def subject(directory: Directory, twin: str, name: str) -> Subject:
    """The property `name` (or an alias) of a twin; raises UnknownTwin, UnknownProperty."""
    entry = entry_of(directory, twin)
    ref = entry.properties.get(name)
    if ref is None:
        known = ", ".join(sorted({r.property.name for r in entry.properties.values()})[:12])
        raise UnknownProperty(f"{entry.id} has no property {name!r:.70}; it has {known or 'none'}")
    return Subject(entry.id, ref, sources_of(directory, entry, ref))


def subject_of_series(directory: Directory, series: int) -> Subject:
    """The twin and property of one series alone, in its own generation; raises UnknownTwin, UnknownProperty."""
    twin_number, property_number = split_series(series)
    entry = directory.entry(twin_number)
    if entry is None:
        raise UnknownTwin(f"series {series} belongs to no twin")
    ref = directory.property(property_number)
    if ref is None:
        raise UnknownProperty(f"series {series} belongs to no property of {entry.id}")
    return Subject(entry.id, ref, (Source(series, ref.form),))


def sources_of(directory: Directory, entry: Entry, ref: PropertyRef) -> tuple[Source, ...]:
    """Every series of a property that can be told in today's kind and unit, today's first."""
    today = Source(series_of(entry.number, ref.number), ref.form)
    earlier = ref.property.earlier
    if not earlier:
        return (today,)
    found = [today]
    broken = max((c.generation for c in earlier if c.how == "none"), default=0)  # what is before it cannot be told
    conversions = {c.generation: c for c in earlier if c.generation > broken}
    if conversions:
        for old in directory.generations(ref):
            conversion = conversions.get(old.property.generation)
            if conversion is not None and old.number != ref.number:
                found.append(Source(series_of(entry.number, old.number), old.form, conversion))
    return tuple(found)


def converted(rows: Rows, source: Source, target: PropertyType) -> Rows:
    """The rows of an earlier generation, told in today's kind and unit; unavailable where it has no word for them."""
    if source.conversion is None or len(rows) == 0:
        return rows
    value = convert_generation(target, source.conversion.generation, rows.value)
    gone = value.is_null().to_numpy(zero_copy_only=False)
    return Rows(
        form=target.form,
        series=rows.series,
        time=rows.time,
        recorded=rows.recorded,
        value=value,
        quality=np.where(gone, np.uint8(Quality.UNAVAILABLE), rows.quality).astype(rows.quality.dtype),
        position=rows.position,
    )


def convert_value(value: Any, conversion: Conversion, target: PropertyType) -> Any:
    """One value of an earlier generation, told in today's kind and unit; None where there is no word for it."""
    return convert_generation(target, conversion.generation, pa.array([value], VALUE_TYPES[conversion.kind.form]))[
        0
    ].as_py()


def decode(value: Any, kind: Kind) -> Any:
    """A stored value as the property's kind has it: bool, dict or list from JSON, list of float."""
    if value is None:
        return None
    if kind is Kind.BOOLEAN:
        return bool(value)
    if kind in (Kind.OBJECT, Kind.CONDITION):
        return msgspec.json.decode(value)
    return value


def series_array(subjects: list[Source]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """int64[k], rising: the series of these sources."""
    return np.unique(np.array([source.series for source in subjects], np.int64))

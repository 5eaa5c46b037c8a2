"""Which columns of a file are whose property, for bulk loads."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gemel.errors import GemelError, InvalidDocument, InvalidInput, Problem
from gemel.history.subject import subject
from gemel.registry import Directory
from gemel.twin import Kind, PropertyType
from gemel.units import affine

__all__ = ["Column", "Mapping", "Target", "targets_of"]


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of a wide file: a property of one twin."""

    column: str
    property: str
    twin: str = ""
    """Empty: the mapping's twin."""
    unit: str = ""
    """The file's unit (UCUM); empty when it is the property's."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read a file. Wide files give `columns`; long ones `property_column` and `value_column`."""

    time: str = "time"
    """The column with the source time: timestamps, RFC 3339 texts, or numbers by `time_unit`."""
    time_unit: str = "s"
    """What numbers in the time column count since 1970: s, ms, us or ns."""
    time_zone: str = "UTC"
    """Of times without an offset; an IANA name."""
    twin: str = ""
    """The twin of the whole file."""
    twin_column: str = ""
    """Long files: the column with the twin's id or alias; empty when `twin` is given."""
    property_column: str = ""
    value_column: str = ""
    columns: tuple[Column, ...] = ()

    @property
    def is_long(self) -> bool:
        return bool(self.value_column)


@dataclass(frozen=True, slots=True)
class Target:
    """One series that a load writes, and how its values become today's unit."""

    column: str
    twin: str
    name: str
    series: int
    property: PropertyType
    factor: float = 1.0
    offset: float = 0.0


def targets_of(mapping: Mapping, directory: Directory, names: list[tuple[str, str]]) -> list[Target]:
    """The series that the file may write. `names`: the (twin, property) pairs of a long file.

    Raises InvalidDocument with every fault of the mapping. Pairs of a long file that are not known are left out:
    their rows become problems of the load.
    """
    found: list[Target] = []
    problems: list[Problem] = []
    if mapping.is_long:
        for twin, name in names:
            try:
                found.append(_target(directory, mapping.value_column, twin, name, ""))
            except GemelError:
                continue
        return found
    for place, column in enumerate(mapping.columns):
        try:
            found.append(_target(directory, column.column, column.twin or mapping.twin, column.property, column.unit))
        except GemelError as error:
            problems.append(Problem(error.detail, field=f"columns[{place}]"))
    if not mapping.columns:
        problems.append(Problem("say which columns are which properties", field="columns"))
    if problems:
        raise InvalidDocument("the mapping", problems)
    return found


def _target(directory: Directory, column: str, twin: str, name: str, unit: str) -> Target:
    asked = subject(directory, twin, name)
    kind = asked.property.kind
    if kind in (Kind.OBJECT, Kind.CONDITION):
        raise InvalidInput(f"{name} is a {kind}; objects and conditions cannot be loaded from columns")
    factor, offset = 1.0, 0.0
    if unit and unit != asked.property.unit:
        if kind is not Kind.NUMBER:
            raise InvalidInput(f"{name} is a {kind} and is stored as it comes; leave the unit out")
        factor, offset = affine(unit, asked.property.unit or "1")
    return Target(column, twin, name, asked.sources[0].series, asked.property, factor, offset)

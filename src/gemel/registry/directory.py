"""Who is who, in memory: from a twin's id to its number, types and properties, for the hot paths."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.twin import Form, PropertyType, TwinType

__all__ = ["Directory", "Entry", "PropertyRef", "Shape"]


@dataclass(frozen=True, slots=True)
class PropertyRef:
    """One property of one type, in one generation."""

    number: int
    """The lower part of its series ids."""
    type_id: str
    property: PropertyType
    form: Form
    index: int
    """Its column in the type: given once, kept when it is renamed or retyped."""


class Shape:
    """A combination of types, and the properties that twins of it have, by name and alias."""

    __slots__ = ("number", "properties", "types")

    def __init__(self, number: int, types: tuple[str, ...], properties: Mapping[str, PropertyRef]) -> None:
        self.number = number
        self.types = types
        self.properties = properties


class Entry:
    """A twin as the hot paths need it. Holds the properties as they were when it was asked for."""

    __slots__ = ("id", "number", "shape")

    def __init__(self, number: int, id: str, shape: Shape) -> None:
        self.number = number
        self.id = id
        self.shape = shape

    @property
    def types(self) -> tuple[str, ...]:
        return self.shape.types

    @property
    def properties(self) -> Mapping[str, PropertyRef]:
        """By name and by earlier name."""
        return self.shape.properties

    def __repr__(self) -> str:
        return f"Entry({self.number}, {self.id!r}, {self.types})"


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a reader holds. Twins are appended in place; everything else is replaced as a whole.

    Numbers above `last` came later: whoever holds this does not see them.
    """

    numbers: dict[str, int]  # id or alias → twin number; plain values, so the garbage collector need not look inside
    ids: list[str]  # by twin number; "" where a number was never used
    shape_of: array[int]  # by twin number
    last: int
    shapes: Mapping[int, Shape]
    types: Mapping[str, TwinType]
    refs: Mapping[int, PropertyRef]
    families: Mapping[
        str, Mapping[int, tuple[PropertyRef, ...]]
    ]  # type → column → its generations, the first one first
    revision: int


class Directory:
    """All twins and their properties, in memory: about 200 bytes a twin.

    Reads are thread-safe and never wait. Each read sees one moment; `snapshot()` gives a directory that stays at
    one moment over several reads. Only the registry changes it, after each commit.
    """

    def __init__(self) -> None:
        self._now = _Contents({}, [""], array("i", [0]), 0, {}, {}, {}, {}, 0)
        self._staged: dict[int, list[Any]] = {}  # batch → twins that become visible when it is applied

    @property
    def revision(self) -> int:
        """Rises at every change of a type, twin, alias or of a twin's types."""
        return self._now.revision

    @property
    def types(self) -> Mapping[str, TwinType]:
        """Id → current version."""
        return MappingProxyType(dict(self._now.types))

    def twin(self, id_or_alias: str) -> Entry | None:
        now = self._now
        number = now.numbers.get(id_or_alias)
        if number is None or number > now.last:
            return None
        return Entry(number, now.ids[number], now.shapes[now.shape_of[number]])

    def entry(self, number: int) -> Entry | None:
        """The twin of this number."""
        now = self._now
        if not 0 < number <= now.last or not now.ids[number]:
            return None
        return Entry(number, now.ids[number], now.shapes[now.shape_of[number]])

    def property(self, number: int) -> PropertyRef | None:
        """The property of this number, also of an earlier generation."""
        return self._now.refs.get(number)

    def generations(self, ref: PropertyRef) -> list[PropertyRef]:
        """All generations of a property, the first one first."""
        return list(self._now.families[ref.type_id][ref.index])

    def type(self, id: str) -> TwinType | None:
        return self._now.types.get(id)

    def type_properties(self, type_id: str) -> list[PropertyRef]:
        """The properties of a type as they are now, by column."""
        columns = self._now.families.get(type_id, {})
        return [columns[index][-1] for index in sorted(columns)]

    def shapes(self) -> list[Shape]:
        return list(self._now.shapes.values())

    def numbers(self, type_id: str | None = None) -> NDArray[np.int64]:
        """int64[n]: the numbers of all twins, or of those that have this type, rising."""
        now = self._now
        of = np.array(now.shape_of[: now.last + 1], dtype=np.int64)
        if type_id is None:
            return np.flatnonzero(of > 0)
        wanted = [s.number for s in now.shapes.values() if type_id in s.types]
        return np.flatnonzero(np.isin(of, wanted))

    def ids(self, numbers: Iterable[int]) -> list[str]:
        """The ids of twin numbers; "" for one that is not known."""
        now = self._now
        return [now.ids[n] if 0 < n <= now.last else "" for n in numbers]

    def __len__(self) -> int:
        return len(self.numbers())

    def __contains__(self, id_or_alias: object) -> bool:
        return isinstance(id_or_alias, str) and self.twin(id_or_alias) is not None

    def snapshot(self) -> Directory:
        """A directory that stays as this one is now."""
        held = Directory()
        held._now = self._now
        return held

    def _replace(self, contents: _Contents) -> None:
        self._now = contents  # one reference: a reader has the old or the new, never a mixture

"""What a reader wants to hear of: twins, by id, type or place in the composition, and which of their properties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.errors import InvalidQuery, UnknownTwin, UnknownType
from gemel.registry import Directory
from gemel.twin import MAX_PROPERTIES, PROPERTY_BITS, Change

__all__ = ["Composition", "Resolved", "Resolver", "Selection", "Sight"]

_Once = Callable[[object, Callable[[], NDArray[Any]]], NDArray[Any]]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Twins and properties. Without `twins`, `type` and `roots` it is every twin there is and will be."""

    twins: tuple[str, ...] = ()
    """Ids or aliases."""
    type: str = ""
    """All twins of this type."""
    roots: bool = False
    """Only twins that are part of no other; with `type`, those of it."""
    depth: int | None = 0
    """How many levels of parts below those are included; None: all."""
    properties: tuple[str, ...] | None = None
    """Names or earlier names; None: all."""
    headline: bool = False
    """Only properties that overviews show."""
    events: bool = True
    """Events and other changes of the selected twins, too."""


class Composition(Protocol):
    """How twins are made of twins; the platform gives the registry's."""

    def parts(self, twins: Sequence[str], depth: int | None) -> Iterable[str]:
        """Ids of what is part of any of these, downwards; `depth` None: all levels. One question for all of them."""

    def roots(self, type_id: str) -> Iterable[str]:
        """Ids of the twins that are part of no other; of one type unless `type_id` is empty."""


class Sight(Protocol):
    """What a reader may see. Another object whenever that is something else."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """int64[n], ascending: twins of which anything may be seen."""

    def holds(self, series: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: which series may be."""

    def tells(self, change: Change) -> bool:
        """Whether a change of a twin may be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A selection as numbers, as of one revision of the registry."""

    numbers: NDArray[np.int64]
    """int64[n], ascending: twin numbers."""
    allowed: NDArray[np.bool_]
    """By property number: whether it is wanted. Only today's generations are."""
    wide: str | None
    """The type (or "" for all) whose twins these are; None: the twins are listed one by one."""
    sight: Sight | None = None
    """What of it may be seen; None: everything."""

    def holds(self, series: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: which series are selected."""
        property_ = series & (MAX_PROPERTIES - 1)
        inside = self.allowed.take(property_, mode="clip") & (property_ < len(self.allowed))
        inside &= self.has_twins(series >> PROPERTY_BITS)
        return inside if self.sight is None else inside & self.sight.holds(series)

    def without(self, twins: set[int]) -> Resolved:
        """The same without these twins."""
        if not twins:
            return self
        left = self.numbers[~np.isin(self.numbers, np.fromiter(twins, np.int64))]
        return Resolved(left, self.allowed, self.wide, self.sight)

    def has_twins(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: which twins are selected."""
        if not len(self.numbers):
            return np.zeros(len(numbers), np.bool_)
        found = np.searchsorted(self.numbers, numbers)
        return np.equal(self.numbers.take(found, mode="clip"), numbers)


class Resolver:
    """Resolves selections; remembers what many readers share for as long as the directory is the same."""

    def __init__(self, directory: Directory, composition: Composition | None) -> None:
        self._directory = directory
        self._composition = composition
        self._known: tuple[int, dict[object, NDArray[Any]]] = (-1, {})

    def resolve(self, selection: Selection, *, strict: bool = True, sight: Sight | None = None) -> Resolved:
        """The selection as of now, as far as it may be seen.

        Raises UnknownType, InvalidQuery, and if `strict` UnknownTwin for an id or alias that means no twin (any more).
        """
        if selection.twins:
            numbers, wide = _of_ids(selection.twins, self._directory, strict=strict), None
        else:
            numbers, wide = _of_all(selection, self._directory, self._composition, self._once)
        if selection.depth != 0:
            numbers, wide = _with_parts(numbers, selection.depth, self._directory, self._composition), None
        if sight is not None:
            numbers, wide = np.intersect1d(numbers, sight.numbers, assume_unique=True), None
        key = (selection.properties, selection.headline)
        return Resolved(numbers, self._once(key, lambda: _allowed(selection, self._directory)), wide, sight)

    def _once(self, key: object, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        revision = self._directory.revision
        if self._known[0] != revision:
            self._known = (revision, {})
        known = self._known[1]
        if key not in known:
            known[key] = make()
        return known[key]


def _of_all(
    selection: Selection, directory: Directory, composition: Composition | None, once: _Once
) -> tuple[NDArray[np.int64], str | None]:
    """The twins of a type, or all, or the roots of them; and the type when it is all of its twins."""
    if selection.roots:
        return _of_ids(_needed(composition).roots(selection.type), directory), None
    if selection.type and directory.type(selection.type) is None:
        raise UnknownType(f"there is no twin type {selection.type!r:.160}; list them with types()")
    return once(selection.type, lambda: directory.numbers(selection.type or None)), selection.type


def _with_parts(
    numbers: NDArray[np.int64], depth: int | None, directory: Directory, composition: Composition | None
) -> NDArray[np.int64]:
    parts = _needed(composition).parts
    below = parts([id for id in directory.ids(numbers.tolist()) if id], depth)
    return np.union1d(numbers, _of_ids(below, directory))


def _of_ids(ids: Iterable[str], directory: Directory, *, strict: bool = False) -> NDArray[np.int64]:
    found = []
    for id in ids:
        entry = directory.twin(id)
        if entry is not None:
            found.append(entry.number)
        elif strict:
            raise UnknownTwin(f"there is no twin {id!r}")
    return np.unique(np.array(found, np.int64))


def _needed(composition: Composition | None) -> Composition:
    if composition is None:
        raise InvalidQuery("parts and roots cannot be selected here: this state was given no composition")
    return composition


def _allowed(selection: Selection, directory: Directory) -> NDArray[np.bool_]:
    wanted = None if selection.properties is None else set(selection.properties)
    chosen = []
    for type_id in directory.types:
        for ref in directory.type_properties(type_id):
            property_ = ref.property
            if selection.headline and not property_.headline:
                continue
            if wanted is None or property_.name in wanted or not wanted.isdisjoint(property_.aliases):
                chosen.append(ref.number)
    allowed = np.zeros(max(chosen, default=0) + 1, np.bool_)
    allowed[chosen] = True
    return allowed

"""What a principal may see, as numbers: which twins, which groups of their properties, from which moment on.

Made by asking the gate once for each combination of grants and group that occurs, not for each twin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gemel.access.item_view import ItemsSeen
from gemel.clock import MAX_TIME
from gemel.registry import Directory, Entry, PropertyRef
from gemel.state import Projection as Columns
from gemel.twin import MAX_PROPERTIES, PROPERTY_BITS, Change, PropertyGroup, series_of

__all__ = ["Projection", "Seen", "group_of_change"]

Numbers = NDArray[np.int64]

GROUP_OF_AREA = {
    "event.": PropertyGroup.CONDITION,
    "link.": PropertyGroup.CONFIGURATION,
    "command.": PropertyGroup.PROCESS,
}
"""What changes of a twin tell of, by how their kind begins; those of one property tell of what that does."""
UNTOLD = ("form.", "item.", "licence.", "offer.")
"""Changes that name other machines, or who sold what to whom by which contract: their rooms tell what may be told."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of some twins."""

    groups: Mapping[str, int]
    """Group → the earliest moment of the past that is; microseconds since the epoch."""
    policies: tuple[str, ...] = ()
    """Grants and rules that say so."""

    @property
    def whole(self) -> bool:
        """Every group."""
        return len(self.groups) == len(PropertyGroup)

    def since(self, group: str) -> int:
        """From when on; MAX_TIME where nothing is seen of it."""
        return self.groups.get(group, MAX_TIME)


NOTHING = Seen({})


@dataclass(frozen=True, eq=False)
class Projection:
    """As of one moment, one set of rights and one state of the links; `Gate.projection` makes a new one when needed."""

    directory: Directory
    numbers: Numbers
    """int64[n], rising: the twins of which anything is seen."""
    kinds: NDArray[np.int64]
    """int64[n]: the place of each in `seen`."""
    seen: tuple[Seen, ...]
    until: int = MAX_TIME
    """The moment at which rights begin or end."""
    items: tuple[ItemsSeen, ...] = ()
    """Views of the configuration of machines, those that tell most first."""
    _allowed: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    def of(self, number: int) -> Seen:
        """What is seen of a twin."""
        at = int(np.searchsorted(self.numbers, number))
        if at < len(self.numbers) and self.numbers.item(at) == number:
            return self.seen[self.kinds.item(at)]
        return NOTHING

    def since_of_all(self, numbers: Numbers, group: str) -> Numbers:
        """int64[n]: from when on this group of each twin is seen; MAX_TIME where it is not."""
        if not len(self.numbers):
            return np.full(len(numbers), MAX_TIME, np.int64)
        at = np.searchsorted(self.numbers, numbers)
        since = np.array([one.since(group) for one in self.seen], np.int64)[self.kinds.take(at, mode="clip")]
        return np.where(self.numbers.take(at, mode="clip") == numbers, since, MAX_TIME)

    def shows(self, number: int) -> bool:
        """Whether it is there at all for who asks."""
        return bool(self.of(number).groups)

    def shows_as(self, entry: Entry, named: str) -> bool:
        """Whether it is there, called so: another name of a twin tells of its identity."""
        return self.shows(entry.number) and (named == entry.id or self.has(entry, PropertyGroup.IDENTITY))

    def has(self, entry: Entry, group: str) -> bool:
        """Whether this group of a twin is seen."""
        return group in self.of(entry.number).groups

    def names(self, entry: Entry) -> set[str]:
        """Names, earlier ones included, of the properties of a twin that are seen."""
        groups = self.of(entry.number).groups
        return {name for name, ref in entry.properties.items() if ref.property.shared_as in groups}

    def since(self, entry: Entry, ref: PropertyRef) -> int:
        """The earliest moment of a property that is seen."""
        return self.of(entry.number).since(ref.property.shared_as)

    def is_like(self, other: Projection | None) -> bool:
        """Whether the same is seen of the same twins, however far back."""
        return (
            other is not None
            and np.array_equal(self.numbers, other.numbers)
            and np.array_equal(self.kinds, other.kinds)
            and [one.groups.keys() for one in self.seen] == [one.groups.keys() for one in other.seen]
            and len(self.items) == len(other.items)
            and all(one.is_like(two) for one, two in zip(self.items, other.items, strict=True))
        )

    # of series, for streams

    def holds(self, series: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: which series are seen."""
        numbers, property_ = series >> PROPERTY_BITS, series & (MAX_PROPERTIES - 1)
        if not len(self.numbers):
            return np.zeros(len(series), np.bool_)
        at = np.searchsorted(self.numbers, numbers)
        inside = np.equal(self.numbers.take(at, mode="clip"), numbers)
        allowed = self._matrix
        inside &= property_ < allowed.shape[1]
        kinds = self.kinds.take(at, mode="clip")
        inside &= allowed[kinds, np.minimum(property_, allowed.shape[1] - 1)]
        return np.asarray(inside, np.bool_)

    @property
    def _matrix(self) -> NDArray[np.bool_]:
        """bool[kinds, property numbers], as of the directory's revision."""
        revision = self.directory.revision
        found = self._allowed.get(revision)
        if found is None:
            refs = [ref for id in self.directory.types for ref in self.directory.type_properties(id)]
            refs = [one for ref in refs for one in self.directory.generations(ref)]
            found = np.zeros((len(self.seen), max((ref.number for ref in refs), default=0) + 1), np.bool_)
            for ref in refs:
                for kind, seen in enumerate(self.seen):
                    found[kind, ref.number] = ref.property.shared_as in seen.groups
            self._allowed.clear()
            self._allowed[revision] = found
        return found

    def tells(self, change: Change) -> bool:
        """Whether a change of a twin may be told."""
        if change.kind.startswith(UNTOLD):
            return False
        entry = self.directory.twin(change.subject)
        if entry is None or not (groups := self.of(entry.number).groups):
            return False
        if change.kind.startswith("link.") and not all(self._shows(end) for end in _ends(change)):
            return False
        group = group_of_change(change, entry)
        return group in groups and change.time >= groups[group]

    def _shows(self, twin: str) -> bool:
        entry = self.directory.twin(twin)
        return entry is not None and self.shows(entry.number)

    # of types, for tables

    def columns(self, type_id: str) -> Columns | None:
        """What is seen of a type's table; None if nothing."""
        members = np.intersect1d(self.directory.numbers(type_id), self.numbers, assume_unique=True)
        if not len(members):
            return None
        kinds = self.kinds[np.searchsorted(self.numbers, members)]
        shown: dict[str, Numbers | None] = {}
        for ref in self.directory.type_properties(type_id):
            having = np.array([ref.property.shared_as in seen.groups for seen in self.seen], np.bool_)[kinds]
            if having.all():
                shown[ref.property.name] = None
            elif having.any():
                shown[ref.property.name] = members[having]
        return Columns(twins=members, properties=shown)

    def groups_of_type(self, type_id: str) -> set[str]:
        """The groups that are seen of any twin of a type."""
        members = np.intersect1d(self.directory.numbers(type_id), self.numbers, assume_unique=True)
        kinds = np.unique(self.kinds[np.searchsorted(self.numbers, members)]).tolist()
        return {group for kind in kinds for group in self.seen[kind].groups}

    def series(self) -> tuple[Numbers, Numbers]:
        """int64[n], int64[n]: every series that is seen, earlier generations included, and from when on."""
        found: list[int] = []
        since: list[int] = []
        for number, kind in zip(self.numbers.tolist(), self.kinds.tolist(), strict=True):
            entry, groups = self.directory.entry(number), self.seen[kind].groups
            for ref in {ref.number: ref for ref in entry.properties.values()}.values() if entry is not None else ():
                if (start := groups.get(ref.property.shared_as)) is not None:
                    for each in self.directory.generations(ref):
                        found.append(series_of(number, each.number))
                        since.append(start)
        return np.array(found, np.int64), np.array(since, np.int64)


def _ends(change: Change) -> tuple[str, str]:
    return str(change.body.get("source", "")), str(change.body.get("target", ""))


def group_of_change(change: Change, entry: Entry) -> str:
    """Which group of properties a change of a twin tells of."""
    named = change.body.get("property")
    if isinstance(named, str):
        ref = entry.properties.get(named)
        return ref.property.shared_as if ref is not None else PropertyGroup.PROCESS
    for area, group in GROUP_OF_AREA.items():
        if change.kind.startswith(area):
            return group
    return PropertyGroup.IDENTITY if change.kind.startswith("twin.") else PropertyGroup.CONFIGURATION

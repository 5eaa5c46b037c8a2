"""Which twins a grant is for, or a token is kept to: by id, type, place among links, stage of life."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.errors import InvalidInput
from gemel.registry import LinkPath, Registry, TwinQuery
from gemel.twin import Block, LifeStage, check_id

__all__ = ["Covers", "Selector", "check_selector"]

MOST_NAMES = 1_000
_PAGE = 1_000
Numbers = NDArray[np.int64]
NOBODY: Numbers = np.zeros(0, np.int64)


class Selector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that is given must hold; of several names, any."""

    everything: bool = False
    """Every twin there is and will be; then nothing else may be given."""
    twins: tuple[str, ...] = ()
    """Ids."""
    parts: bool = True
    """With `twins`: also what is part of them, at any depth, now."""
    types: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    """Ways along links, as in a search: part_of*:site-a, located_in:hall-2."""
    stages: tuple[LifeStage, ...] = ()

    def __str__(self) -> str:
        if self.everything:
            return "every twin"
        said = [
            f"{', '.join(self.twins)}{' and parts' * self.parts}" if self.twins else "",
            f"of type {' or '.join(self.types)}" if self.types else "",
            f"linked {' or '.join(self.linked)}" if self.linked else "",
            f"{' or '.join(self.stages)}" if self.stages else "",
        ]
        return "; ".join(one for one in said if one)


def check_selector(selector: Selector) -> Selector:
    """Raises InvalidInput with what is wrong, and the way out."""
    named = bool(selector.twins or selector.types or selector.linked or selector.stages)
    if selector.everything == named:
        raise InvalidInput(
            "a selector names twins, types, linked or stages; for every twin say everything: true and nothing else"
        )
    for listed in (selector.twins, selector.types, selector.linked):
        if len(listed) > MOST_NAMES:
            raise InvalidInput(
                f"a selector may have {MOST_NAMES} names of a kind, not {len(listed)}; use types or links"
            )
    for twin in selector.twins:
        check_id(twin, "twin")
    for type_id in selector.types:
        check_id(type_id, "type")
    for path in selector.linked:
        LinkPath.parse(path)
    return selector


class Covers:
    """The twins of selectors, as numbers, as of now; worked out again when twins or links have changed."""

    def __init__(self, registry: Registry | None) -> None:
        """Without a registry a selector means no twin."""
        self._registry = registry
        self._lock = threading.Lock()
        self._known: dict[Selector, Numbers] = {}
        self.topology = 0
        """Rises whenever selectors may mean other twins than before."""

    def follow(self, block: Block) -> None:
        """Twins or links may have changed with this block (called by the writer)."""
        if any(change.kind.startswith(("link.", "twin.", "plant.", "type.")) for change in block.changes):
            with self._lock:
                self.topology += 1
                self._known = {}

    def number(self, twin: str) -> int:
        """The number of a twin by id or alias; 0 for none."""
        entry = self._registry.directory.twin(twin) if self._registry is not None else None
        return 0 if entry is None else entry.number

    def numbers_of(self, twins: Iterable[str]) -> Numbers:
        """int64[n], rising: the numbers of these twins."""
        found = {self.number(twin) for twin in twins} - {0}
        return np.array(sorted(found), np.int64)

    def numbers(self, selector: Selector) -> Numbers:
        """int64[n], rising: the twins that it means."""
        known = self._known
        if (found := known.get(selector)) is None:
            found = known[selector] = self._resolved(selector)
        return found

    def covers(self, selector: Selector, number: int) -> bool:
        """Whether it means this twin."""
        if selector.everything:
            return number > 0
        numbers = self.numbers(selector)
        at = int(np.searchsorted(numbers, number))
        return at < len(numbers) and numbers.item(at) == number

    def _resolved(self, selector: Selector) -> Numbers:
        registry = self._registry
        if registry is None:
            return NOBODY
        if selector.everything:
            return registry.directory.numbers()
        parts: list[Numbers] = []
        if selector.twins:
            below = registry.part_ids(selector.twins) if selector.parts else set()
            parts.append(self.numbers_of({*selector.twins, *below}))
        if selector.types:
            parts.append(np.unique(np.concatenate([registry.directory.numbers(one) for one in selector.types])))
        if selector.linked:
            paths = [LinkPath.parse(one) for one in selector.linked]
            parts.append(self._found([TwinQuery(linked=(path,), limit=_PAGE) for path in paths]))
        if selector.stages:
            parts.append(self._found([TwinQuery(stage=stage, limit=_PAGE) for stage in selector.stages]))
        found = parts[0]
        for part in parts[1:]:
            found = np.intersect1d(found, part, assume_unique=True)
        return found

    def _found(self, queries: Iterable[TwinQuery]) -> Numbers:
        assert self._registry is not None
        found: set[int] = set()
        for query in queries:
            cursor: str | None = ""
            while cursor is not None:
                page = self._registry.search(msgspec.structs.replace(query, cursor=cursor))
                found.update(twin.number for twin in page.items)
                cursor = page.next
        return np.array(sorted(found), np.int64)

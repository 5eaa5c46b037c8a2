"""Searches over what is seen: what is not is as if it were not there, in hits, pages and cursors alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from gemel.access.projection import Projection
from gemel.errors import InvalidQuery
from gemel.registry import Registry, TwinQuery, cursor_at
from gemel.twin import Link, Page, PropertyGroup, Twin

__all__ = ["PART_OF", "Finder"]

PART_OF = "part_of"
FEW = 10_000
"""Twins that are named to the database one by one."""


class Finder:
    """Of one principal. `links`: of some twins, those that the principal sees."""

    def __init__(
        self, registry: Registry, seen: Projection | None, links: Callable[[Iterable[str]], list[Link]]
    ) -> None:
        self._registry = registry
        self._seen = seen
        self._links = links

    def find(self, query: TwinQuery, fits: Callable[[Twin], bool] | None, scanned: int) -> Page[Twin]:
        """Twins that the query finds, and that also fit. After `scanned` twins a page may be short.

        Raises InvalidQuery for ways along links through what may not be seen.
        """
        if self._seen is not None and not self._may_follow(query, self._seen):
            return Page([], None)
        asked = query if self._seen is None else msgspec.structs.replace(query, roots=False)
        found: list[Twin] = []
        cursor: str | None = query.cursor
        looked_at = 0
        while cursor is not None and len(found) < query.limit and looked_at < scanned:
            wanted = query.limit - len(found)
            page = self._page(msgspec.structs.replace(asked, cursor=cursor, limit=wanted))
            shown = [twin for twin in page.items if self._found_by(twin, query)]
            if query.roots and self._seen is not None:
                whole = {link.source for link in self._links([twin.id for twin in shown]) if link.kind == PART_OF}
                shown = [twin for twin in shown if twin.id not in whole]
            found += [twin for twin in shown if fits is None or fits(twin)]
            looked_at += len(page.items)
            cursor = page.next
        if self._seen is not None and cursor is not None:
            cursor = cursor_at(found[-1].id) if found else cursor
            cursor = cursor if self._is_more(asked, cursor, query) else None
        return Page(found, cursor)

    def _page(self, query: TwinQuery) -> Page[Twin]:
        seen = self._seen
        only = seen.numbers.tolist() if seen is not None and len(seen.numbers) <= FEW else None
        return self._registry.search(query, only=only)

    def _is_more(self, asked: TwinQuery, cursor: str, query: TwinQuery) -> bool:
        """Whether anything that is seen comes after: a cursor must not tell of twins that are not."""
        while True:
            page = self._page(msgspec.structs.replace(asked, cursor=cursor, limit=1000))
            if any(self._found_by(twin, query) for twin in page.items):
                return True
            if page.next is None:
                return False
            cursor = page.next

    def _found_by(self, twin: Twin, query: TwinQuery) -> bool:
        """Whether it is seen, and the query asks for nothing of it that is not."""
        seen = self._seen
        if seen is None:
            return True
        entry = self._registry.directory.twin(twin.id)
        if entry is None or not seen.shows(twin.number):
            return False
        if not {one.name for one in query.properties} <= seen.names(entry):
            return False
        by_identity = bool(query.serial or query.alias or query.attributes)
        if seen.has(entry, PropertyGroup.IDENTITY):
            return True
        return not by_identity and query.q.casefold() in twin.id.casefold()

    def _may_follow(self, query: TwinQuery, seen: Projection) -> bool:
        """Whether all ways along links end at twins that are seen. Raises InvalidQuery for ways through others."""
        for path in query.linked:
            if len(path.steps) > 1 or any(step.any_depth and step.kind != PART_OF for step in path.steps):
                raise InvalidQuery("a search along several links is for who sees all twins; follow one link at a time")
        targets = [(self._registry.directory.twin(path.target), path.target) for path in query.linked]
        return all(entry is not None and seen.shows_as(entry, named) for entry, named in targets)

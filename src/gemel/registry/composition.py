"""How twins are made of twins, for selections of parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gemel.registry.query import TwinQuery
from gemel.registry.registry import Registry

__all__ = ["Composition"]


class Composition:
    """The parts of twins, and the twins that are part of none, as the registry knows them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def parts(self, twins: Sequence[str], depth: int | None) -> Iterable[str]:
        return self._registry.part_ids(twins, depth=depth)

    def roots(self, type_id: str) -> Iterator[str]:
        query = TwinQuery(roots=True, type=type_id, limit=1000)
        while True:
            page = self._registry.search(query)
            yield from (twin.id for twin in page.items)
            if not page.next:
                return
            query = msgspec.structs.replace(query, cursor=page.next)

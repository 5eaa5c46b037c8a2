"""Lives, risks and predictions as far as a caller may see the items: of a life that was not seen from end to end,
nothing; of what models learnt from, only to whoever sees all of the plant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import pyarrow as pa

from gemel.configuration import ELSEWHERE, Seen, Span
from gemel.errors import Denied
from gemel.health.lifetimes import Asked, Lifetimes, Model, Prediction, Recorded, Risks
from gemel.server.call import Call
from gemel.twin import PropertyGroup

__all__ = ["LifetimesSeen"]

GROUPS = (PropertyGroup.CONFIGURATION, PropertyGroup.USAGE)
OF_THE_MACHINE = ("machine", "machine_type", "position", "software")
Times = dict[str, int | None]


class LifetimesSeen:
    """Of one caller. Cheap to make; made for each request."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._of: Lifetimes = call.services.platform.lifetimes

    @cached_property
    def _items(self) -> Seen:
        return self._call.items

    @property
    def _whole(self) -> bool:
        return self._items.everything

    def all_told(self) -> Lifetimes:
        """For models and what they learnt from. Raises Denied where the caller sees only some of the plant."""
        if not self._whole:
            raise Denied(
                "models learn from all lives, so they are told to those who see the whole plant; ask of an item",
                action="read",
                policy="lifetimes-of-the-whole",
            )
        return self._of

    def table(self, asked: Asked, *, changing: bool, when: Times) -> pa.Table:
        """The lives that are seen."""
        sees = None if self._whole else self._sees
        table = self._of.table(asked, when["at"], known=when["known"], changing=changing, sees=sees)
        if self._whole:
            return table
        rows = [self._masked(row) for row in table.to_pylist()]
        return pa.Table.from_pylist(rows, table.schema)

    def risks(self, model: str, *, more: float | None, root: str, limit: int, when: Times) -> Risks:
        """Of the items whose lives are seen."""
        if self._whole:
            return self._of.risks(model, more=more, root=root, limit=limit, at=when["at"], known=when["known"])
        if root:
            self._items.require(root, when["at"], known=when["known"])
        found = self._of.risks(
            model, more=more, root=root, limit=limit, at=when["at"], known=when["known"], sees=self._sees
        )
        at = found.at
        items = [one if self._names(one.machine, at) else _bare(one) for one in found.items]
        return msgspec.structs.replace(found, items=tuple(items), why="")

    def predict(self, item: str, *, model: str, more: float | None, until: int | None, when: Times) -> Prediction:
        """Of an item that is seen whole. Raises NotFound, Denied."""
        for group in GROUPS:
            self._items.require(item, when["at"], known=when["known"], group=group)
        found = self._of.predict(item, model=model, more=more, until=until, **when)
        if self._whole:
            return found
        told: dict[str, Any] = {"failures": None, "lives": None, "influences": (), "why": ""}
        if not self._names(found.machine, found.at):
            told["machine"] = ""
        if found.probability is None:
            told["why"] = "nothing is known of it; ask whoever operates the machines"
        return msgspec.structs.replace(found, **told)

    def recorded(self, item: str, limit: int) -> Sequence[Recorded]:
        """Of an item that is seen whole now, what was expected while it was. Raises NotFound."""
        for group in GROUPS:
            self._items.require(item, group=group)
        found = self._of.recorded(self._items.item(item).item.id, limit=limit)
        return found if self._whole else [one for one in found if self._items.sees(item, one.at)]

    def model(self, id: str, version: int | None) -> Model:
        return self.all_told().model(id, version)

    # what is seen

    def _sees(self, item: str, begin: int, end: int) -> bool:
        """Whether an item was seen from `begin` to `end`, its use too."""
        during = Span(begin, max(end, begin + 1))
        return all(self._items.sees_through(item, during, group) for group in GROUPS)

    def _names(self, machine: str, at: int) -> bool:
        return machine == ELSEWHERE or self._items.sees(machine, at)

    def _masked(self, row: dict[str, Any]) -> dict[str, Any]:
        begin = round(row["begin"].timestamp() * 1e6)
        return row if self._names(row["machine"], begin) else row | dict.fromkeys(OF_THE_MACHINE, "")


def _bare(one: Any) -> Any:
    return msgspec.structs.replace(one, machine="", position="")

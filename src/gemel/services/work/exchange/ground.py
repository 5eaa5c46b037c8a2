"""What both directions of an exchange share: what they are of, what is told of rows and things, how runs are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from gemel.clock import SECOND, Clock
from gemel.connectors.reach import Reach
from gemel.database import Database
from gemel.services.base import Run
from gemel.services.work.exchange import keeping
from gemel.services.work.exchange.declared import Exchange
from gemel.services.work.exchange.keeping import Agreed, Fault, Ran, Thing
from gemel.services.work.exchange.mapping import LookUps
from gemel.services.work.exchange.sides import Side

__all__ = [
    "MOST_TOLD",
    "Ground",
    "Look",
    "Outgoing",
    "What",
    "digest",
    "in_order",
    "micros",
    "new_thing",
    "none_yet",
    "same",
]

What = Literal["new", "updated", "same", "late", "conflict", "refused"]
MOST_TOLD = 100
"""Faults of a run, and rows of a preview, that are told one by one."""
_EMPTY: tuple[Any, ...] = (None, "", [])


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one row."""

    place: str
    external: str
    what: What
    fields: dict[str, tuple[Any, Any]] = {}
    """Of those that change: before, after."""
    message: str = ""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What they would be told, and are not yet."""

    ours: str
    external: str
    body: dict[str, Any]
    due: int = 0
    """Not before; 0: now."""
    detail: str = ""
    """Why it waits."""


class Ground:
    """One declared exchange over our side. Not for two threads at once."""

    def __init__(
        self,
        exchange: Exchange,
        side: Side,
        *,
        reach: Reach,
        house: tuple[Callable[[str], Path], Callable[[], bool]],
        look: LookUps,
        rooms: tuple[Database, Clock, Run],
    ) -> None:
        """`house`: a folder of the plant by its name; whether the platform closes."""
        self.exchange, self._side, self._look = exchange, side, look
        self._reach = reach
        self._places, self._closing = house
        self._database, self._clock, self._run = rooms
        self._actor = f"exchange:{exchange.id}"[:80]

    # runs

    def _ran(
        self, direction: Literal["pull", "push"], start: int, counts: dict[str, int], faults: list[Fault], detail: str
    ) -> Ran:
        ran = Ran(
            exchange=self.exchange.id,
            direction=direction,
            start=start,
            end=self._clock.now(),
            outcome="failed" if detail else "done",
            counts=counts,
            faults=tuple(faults[:MOST_TOLD]),
            detail=detail,
        )
        if detail or any(many for what, many in counts.items() if what not in ("same", "waiting")):
            self._write(lambda tx: keeping.add_run(tx, ran))
        return ran

    def _write(self, work: Callable[[Connection], None]) -> None:
        def whole(tx: Connection) -> list[Any]:
            work(tx)
            return []

        self._run(whole, actor=self._actor)


def none_yet() -> dict[str, int]:
    return dict.fromkeys(("new", "updated", "same", "late", "conflict", "refused"), 0)


def new_thing(exchange: str, external: str) -> Thing:
    return Thing(
        number=0,
        exchange=exchange,
        external=external,
        ours="",
        state="waiting",
        theirs={},
        mark="",
        agreed=Agreed(),
        attempts=0,
        due=0,
        detail="",
        changed=0,
    )


def same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one in _EMPTY and other in _EMPTY)


def in_order(mark: str) -> tuple[int, float, str]:
    """Numbers by their size, other texts (RFC 3339 in UTC, say) as they are."""
    try:
        return 1, float(mark), ""
    except ValueError:
        return (0 if not mark else 2), 0.0, mark


def digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()


def micros(seconds: float) -> int:
    return round(seconds * SECOND)

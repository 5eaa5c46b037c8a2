"""What is shared by all callers and cannot be had without end: bodies in memory, open streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gemel.access import Principal
from gemel.errors import Overloaded

__all__ = ["Budget", "caller", "sharer"]

caller: ContextVar[str] = ContextVar("caller", default="")
"""Whose room what is done now takes: set for each request and socket."""


def sharer(who: Principal | None, address: str) -> str:
    """With whom somebody shares room: all of another organisation are one, as all are who have not said who they are
    and come from one address."""
    if who is None:
        return f"address:{address}"
    return f"party:{who.party}" if who.party else who.id


class Budget:
    """Nobody may hold more than is left free: one caller alone gets half, two a third each, and whoever comes next
    always finds some. Used on the event loop alone."""

    def __init__(self, most: int, what: str) -> None:
        """`what`: for the refusal, as in "bytes of bodies"."""
        self.most = most
        self._what = what
        self.held = 0
        self._by: dict[str, int] = {}

    @contextmanager
    def hold(self, who: str, amount: int) -> Iterator[None]:
        """Raises Overloaded when `who` must wait until others, or itself, are done."""
        own = self._by.get(who, 0)
        if self.held and own + amount > self.most - self.held:
            raise Overloaded(
                f"{self.held} of {self.most} {self._what} are in use, {own} of them by this caller; "
                "wait for earlier requests to end, then send again",
                retry_after_s=1.0,
            )
        self._by[who] = own + amount
        self.held += amount
        try:
            yield
        finally:
            self.held -= amount
            self._by[who] -= amount
            if not self._by[who]:
                del self._by[who]

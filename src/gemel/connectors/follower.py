"""Runs a sink like a source: follows the journal for it, remembers how far it came, gives up on what nobody takes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gemel.clock import SECOND
from gemel.connectors.base import NotWanted, Sink, Undelivered
from gemel.errors import GemelError
from gemel.twin import Change, Position

if TYPE_CHECKING:
    from gemel.connectors.outbox import Outbox
    from gemel.connectors.port import ConnectorPort
    from gemel.history import Fact

__all__ = ["Follower"]

_WAIT_S = 0.5
_REMEMBER_EVERY_S = 30.0
"""How often a sink to which nothing goes remembers how far it has looked."""
_LONGEST_WAIT_S = 600.0
ABANDONED, STOPPED = "delivery.abandoned", "delivery.stopped"
_PRIVATE = ("access.",)
"""Who may do what is not told to other systems."""


class Follower:
    """One sink. What it wants is sent in the order of the journal, one fact at a time."""

    def __init__(self, sink: Sink, outbox: Outbox) -> None:
        self._sink, self._outbox = sink, outbox
        self._failing: int | None = None
        """Since when nothing could be delivered."""
        self._reached: Position = 0
        self._remembered: Position = 0
        self._looked_s = 0.0
        self._conditions = outbox.conditions() if sink.hears_conditions else None

    async def run(self, port: ConnectorPort) -> None:
        """Until cancelled, or until the other side wants no more. Raises what a delivery raised."""
        begun = await asyncio.to_thread(self._outbox.begin, port.spec.id)
        self._reached, self._remembered = max(begun, self._reached), begun
        if self._failing is None:
            port.connected("follows what happens")
        try:
            while True:
                facts, until = await asyncio.to_thread(self._outbox.after, self._reached, _WAIT_S, self._conditions)
                for fact in facts:
                    if self._concerns(fact, port) and not await self._delivered(fact, port):
                        return
                    self._reached = fact.position
                self._reached = until
                self._remember(port, sent=any(self._concerns(fact, port) for fact in facts))
        finally:
            self._remember(port, sent=True)
            await self._sink.close()

    def _concerns(self, fact: Fact, port: ConnectorPort) -> bool:
        change = fact.change
        own = change.subject == port.spec.id and change.kind in (ABANDONED, STOPPED)
        return not own and not change.kind.startswith(_PRIVATE) and self._sink.wants(change)

    async def _delivered(self, fact: Fact, port: ConnectorPort) -> bool:
        """False when the other side wants no more. Raises what stands against it, to be tried again."""
        now = port.clock.now()
        if self._is_over(fact, now):
            await self._abandon(fact, port)
            return True
        try:
            await self._sink.send(fact, port)
        except NotWanted as error:
            told = self._told(STOPPED, fact, port, str(error))
            await asyncio.to_thread(self._outbox.disable, port.spec, self._reached, told)
            return False
        except Exception as error:
            self._failing = self._failing or now
            if isinstance(error, Undelivered) and error.retry_after_s > 0:
                port.lost(str(error))
                await asyncio.sleep(min(error.retry_after_s, _LONGEST_WAIT_S))
            raise
        if self._failing is not None:
            self._failing = None
            port.connected("delivers again")
        port.carried(fact.change.time)
        return True

    def _is_over(self, fact: Fact, now: int) -> bool:
        """It has waited for too long, and was or would have been tried all the time."""
        if self._failing is None:
            return False
        return now - max(self._failing, fact.recorded) >= self._sink.give_up_s * SECOND

    async def _abandon(self, fact: Fact, port: ConnectorPort) -> None:
        reason = port.health.last_error
        port.reject("given up: could not be delivered in time", f"{fact.position} {fact.change.kind}: {reason}")
        told = self._told(ABANDONED, fact, port, reason)
        await asyncio.wrap_future(self._outbox.reached(port.spec.id, fact.position, [told]))
        self._remembered = fact.position

    def _told(self, kind: str, fact: Fact, port: ConnectorPort, reason: str) -> Change:
        body = {"position": fact.position, "kind": fact.change.kind, "subject": fact.change.subject, "reason": reason}
        return Change(kind=kind, subject=port.spec.id, time=port.clock.now(), body=body)

    def _remember(self, port: ConnectorPort, *, sent: bool) -> None:
        now = port.clock.monotonic()
        if self._reached > self._remembered and (sent or now - self._looked_s >= _REMEMBER_EVERY_S):
            self._looked_s, self._remembered = now, self._reached
            with contextlib.suppress(GemelError):  # a full disk: it is sent again
                self._outbox.reached(port.spec.id, self._reached)

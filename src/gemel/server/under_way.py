"""Requests that hand in messages and have not done so yet: who takes another's place must not be followed by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gemel.errors import Conflict
from gemel.intake import Message

__all__ = ["Ticket", "UnderWay"]


class Ticket:
    """One request's."""

    __slots__ = ("passed_over",)

    def __init__(self) -> None:
        self.passed_over: set[str] = set()
        """Epochs with which another caller goes on."""

    def check(self, messages: Iterable[Message]) -> None:
        """Raises Conflict for messages that come too late: another caller tells them again."""
        if self.passed_over and any(one.sequence is not None and one.epoch in self.passed_over for one in messages):
            raise Conflict(
                "another token goes on with these numbers: it has asked how far this one came; ask where to go on"
            )


class UnderWay:
    """All of a server, by caller; used on its event loop alone."""

    def __init__(self) -> None:
        self._of: dict[str, set[Ticket]] = {}

    @contextmanager
    def entered(self, who: str) -> Iterator[Ticket]:
        """From when a request begins until it is answered."""
        ticket = Ticket()
        self._of.setdefault(who, set()).add(ticket)
        try:
            yield ticket
        finally:
            self._of[who].discard(ticket)
            if not self._of[who]:
                del self._of[who]

    def pass_over(self, who: str, epoch: str) -> None:
        """What requests of `who` have not handed in yet of this epoch, they never will."""
        for ticket in self._of.get(who, ()):
            ticket.passed_over.add(epoch)

"""What each caller costs: requests, refusals, time of answering, bytes sent; since the server started."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from gemel.access import Principal

__all__ = ["Caller", "Callers"]

REMEMBERED = 10_000


class Caller(msgspec.Struct):
    """One user, token or device."""

    id: str
    party: str
    requests: int = 0
    failed: int = 0
    """Answered with an error of ours (5xx)."""
    refused: int = 0
    """That came too fast, or found no room (429)."""
    busy_s: float = 0.0
    """From when each request came until it was answered; streams do not count."""
    sent_bytes: int = 0
    last: int = 0


class Callers:
    """Counted on the event loop alone. Whoever has not asked for longest is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Caller] = OrderedDict()

    def of(self, who: Principal) -> Caller:
        """Their sums so far."""
        found = self._known.get(who.id)
        if found is None:
            found = self._known[who.id] = Caller(who.id, who.party)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(who.id)
        return found

    def all(self) -> list[Caller]:
        """Whoever has kept the server busiest comes first."""
        return sorted(self._known.values(), key=lambda one: (-one.busy_s, one.id))

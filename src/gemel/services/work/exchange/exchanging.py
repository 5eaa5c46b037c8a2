"""One exchange, once: what came is taken in, row by row; what changed here is told there. Safe to be cut anywhere."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from gemel.errors import GemelError, NotFound
from gemel.services.work.exchange import keeping
from gemel.services.work.exchange.calling import NotNow, Refused
from gemel.services.work.exchange.ground import MOST_TOLD, Look, Outgoing, none_yet
from gemel.services.work.exchange.keeping import Agreed, Thing
from gemel.services.work.exchange.taking import Taking
from gemel.services.work.exchange.telling import Telling

__all__ = ["Exchanging", "Look", "Outgoing", "Preview"]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do. Nothing was done."""

    counts: dict[str, int]
    rows: tuple[Look, ...]
    """The first hundred of those that are not the same."""
    outgoing: tuple[Outgoing, ...]
    detail: str = ""
    """What could not be read."""


class Exchanging(Taking, Telling):
    """Both ways of one declared exchange. Not for two threads at once."""

    def preview(self) -> Preview:
        """What a pull and a push would do."""
        counts, rows, detail = none_yet(), list[Look](), ""
        try:
            if self.exchange.pull is not None:
                for place, row in self.incoming(taking=False):
                    told, _ = self.judged(place, row)
                    counts[told.what] += 1
                    if told.what != "same" and len(rows) < MOST_TOLD:
                        rows.append(told)
        except (GemelError, NotNow, Refused) as error:
            detail = error.detail
        outgoing = list(self.outgoing()) if self.exchange.push is not None else []
        counts["waiting"] = len(outgoing)
        return Preview(counts=counts, rows=tuple(rows), outgoing=tuple(outgoing[:MOST_TOLD]), detail=detail)

    def settle(self, external: str, keep: Literal["ours", "theirs"]) -> Thing:
        """Say whose the fields are that both changed. Raises NotFound, GemelError."""
        with self._database.read() as tx:
            thing = keeping.thing(tx, self.exchange.id, external=external)
        if thing is None or not thing.agreed.conflict:
            raise NotFound(f"nothing of {external!r:.80} is in conflict in {self.exchange.id}")
        theirs = dict(thing.agreed.conflict)
        now = self._clock.now()  # what is changed by it is looked at once more
        if keep == "theirs":
            self._side.take(self.exchange, thing.ours, {**theirs, "external": external}, self._actor)
        agreed = Agreed(fields={**thing.agreed.fields, **theirs})
        kept = replace(
            thing, agreed=agreed, state="same" if keep == "theirs" else "waiting", detail="", due=0, changed=now
        )
        self._write(lambda tx: keeping.keep(tx, kept))
        return kept

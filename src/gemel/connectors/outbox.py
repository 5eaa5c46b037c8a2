"""What sinks read: changes from the journal, each sink from where it has got to."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from gemel.history import Fact
from gemel.twin import Change, ConnectorSpec, Position

if TYPE_CHECKING:
    from gemel.history import ConditionFeed, History
    from gemel.intake import Intake
    from gemel.journal import Journal
    from gemel.registry import Registry

__all__ = ["Outbox"]

_BLOCKS = 256
_SETTLE_S = 10.0


class Outbox:
    """One for all sinks. Its verbs block: use a thread."""

    def __init__(self, journal: Journal, registry: Registry, intake: Intake, history: History | None = None) -> None:
        """Without a history, no sink hears of conditions: they are values, and what they were is asked there."""
        self._journal, self._registry, self._intake, self._history = journal, registry, intake, history

    def conditions(self) -> ConditionFeed | None:
        """For one sink that wants to hear of them."""
        return None if self._history is None else self._history.condition_feed()

    def begin(self, sink: str) -> Position:
        """How far `sink` has come; a new one begins at what comes next."""
        position = self._registry.cursor(sink)
        if position is None:
            position = self._journal.head().position
            self.reached(sink, position).result(_SETTLE_S)
        return position

    def after(
        self, position: Position, wait_s: float, conditions: ConditionFeed | None = None
    ) -> tuple[list[Fact], Position]:
        """The changes that follow `position`, those of conditions too if there is a feed of them, and up to where they
        were looked for. Waits when there is nothing."""
        if not self._journal.wait(position + 1, wait_s):
            return [], position
        facts: list[Fact] = []
        begin = position  # in the middle of a block, when something of it was not taken
        for block in islice(self._journal.blocks(position), _BLOCKS):
            facts += [Fact(block.first + change.ordinal, block.recorded, change) for change in block.changes]
            position = block.last
        if conditions is not None and self._history is not None:
            if not self._history.wait(position, wait_s):
                return [], begin
            facts = sorted([*facts, *conditions.between(begin, position)], key=lambda fact: fact.position)
        return [self._shown(fact) for fact in facts if fact.position > begin], position

    def reached(self, sink: str, position: Position, changes: Sequence[Change] = ()) -> Future[Any]:
        """Remember that everything up to `position` is done, and journal what there is to tell of it."""

        def work(tx: Any) -> tuple[None, Sequence[Change]]:
            self._registry.put_cursor(tx, sink, position)
            return None, changes

        return self._intake.transact(work, actor=f"connector.{sink}" if changes else "")

    def disable(self, spec: ConnectorSpec, position: Position, told: Change) -> None:
        """The other side wants no more: declare the sink as not enabled."""
        off = msgspec.structs.replace(spec, enabled=False)

        def work(tx: Any) -> tuple[None, Sequence[Change]]:
            self._registry.put_cursor(tx, spec.id, position)
            return None, [told, *self._registry.put_connector(tx, off)]

        self._intake.transact(work, actor=f"connector.{spec.id}").result(_SETTLE_S)

    @staticmethod
    def _shown(fact: Fact) -> Fact:
        """As it may leave: settings of connectors say where other systems are."""
        body = fact.change.body
        if not fact.change.kind.startswith("connector.") or "connector" not in body:
            return fact
        kept = {key: value for key, value in body["connector"].items() if key != "settings"}
        return replace(fact, change=msgspec.structs.replace(fact.change, body={**body, "connector": kept}))

"""Where operations are handed in: each by itself, several together, or only on trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration.acts.doing import Wish, do
from gemel.configuration.acts.trying import apart
from gemel.configuration.parts.book import PartsBook, Run
from gemel.configuration.values import Outcome
from gemel.database import Database, telling
from gemel.errors import GemelError, InvalidInput
from gemel.twin import Change

__all__ = ["MOST_TRIED", "Desk"]

MOST_TRIED = 50
"""Operations on one machine that are tried at once."""

Also = Callable[[Connection, Sequence[Outcome]], Sequence[Change]]
Wishes = Sequence[Wish] | Callable[[Connection], Sequence[Wish]]
"""Or what says them in the transaction, of what is believed there."""


class Desk:
    """Does what is wished, in the writer's transactions."""

    def __init__(self, database: Database, clock: Clock, run: Run, parts: PartsBook, *, actor: str = "") -> None:
        self._database = database
        self._clock = clock
        self._run = run
        self._parts = parts
        self._actor = actor

    def each(self, wishes: Sequence[Wish], *, dry_run: bool = False) -> list[Outcome | GemelError]:
        """One after another, each in a transaction of its own, or an error in its place.

        With `dry_run` each upon what those before it would have done, and nothing of it stays; of one machine the first
        `MOST_TRIED`, for nothing else is written meanwhile.
        """
        if dry_run:
            return self._try(wishes)
        return [self._one(wish) for wish in wishes]

    def together(self, wishes: Wishes, also: Also) -> list[Outcome]:
        """All or none, in one transaction, with what `also` does there. Raises what the first refused one raises."""
        done: list[Outcome] = []

        def work(tx: Connection) -> Sequence[Change]:
            done.clear()
            changes: list[Change] = []
            for wish in wishes(tx) if callable(wishes) else wishes:
                outcome, told = self._do(tx, wish)
                done.append(outcome)
                changes += told
            return [*changes, *also(tx, done)]

        self._run(work, actor=self._actor)
        return done

    def _do(self, tx: Connection, wish: Wish) -> tuple[Outcome, list[Change]]:
        return do(tx, wish, self._parts.read(tx), now=self._clock.now(), actor=self._actor)

    def _one(self, wish: Wish) -> Outcome | GemelError:
        try:
            (done,) = self.together([wish], lambda _tx, _done: ())
        except GemelError as error:
            return error
        return done

    def _try(self, wishes: Sequence[Wish]) -> list[Outcome | GemelError]:
        with self._database.read() as tx:
            lots = apart(tx, [wish.operation for wish in wishes])
        done: dict[int, Outcome | GemelError] = {}
        for lot in lots:
            self._run(partial(self._try_lot, wishes, lot[:MOST_TRIED], done), actor=self._actor)
            for late in lot[MOST_TRIED:]:
                done[late] = InvalidInput(
                    f"it was not tried: {MOST_TRIED} operations on one machine are tried at once; carry out those "
                    "before it first, or try fewer"
                )
        return [done[at] for at in range(len(wishes))]

    def _try_lot(
        self, wishes: Sequence[Wish], lot: Sequence[int], done: dict[int, Outcome | GemelError], tx: Connection
    ) -> Sequence[Change]:
        trial = tx.begin_nested()
        for at in lot:
            try:
                with telling(), tx.begin_nested():
                    done[at] = msgspec.structs.replace(self._do(tx, wishes[at])[0], act=0, nonconformances=())
            except GemelError as error:
                done[at] = error
        trial.rollback()
        return ()

"""Runs towards goals: asked for, carried on stage by stage, each stage a transaction."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, select

from gemel.clock import SECOND, Clock
from gemel.commands.aiming import Aiming
from gemel.commands.asking import LONGEST_KEY
from gemel.commands.goal import OVER, AskGoal, GoalRun, GoalState
from gemel.commands.goal_rows import came, find_run, open_runs, put_run, run_by_key, run_of, write_run
from gemel.commands.ledger import put_transaction
from gemel.commands.order import Order
from gemel.commands.rules import Rules
from gemel.commands.tables import goal_table
from gemel.commands.transaction import AskTogether, Transaction, TransactionState
from gemel.commands.transactions import Transactions
from gemel.commands.waiting import Waiting
from gemel.database import Database
from gemel.errors import ConfigurationDiffers, Conflict, GemelError, InvalidInput, KeyReused, NotFound
from gemel.intake import Intake, fitted
from gemel.registry import Directory, Entry
from gemel.twin import Change, GoalType, Page, PropertyType, check_expected

__all__ = ["Goals"]

G, T = GoalState, TransactionState
_FARED = {
    T.COMPENSATED: G.STOPPED,
    T.PARTLY: G.PARTLY,
    T.UNKNOWN: G.UNKNOWN,
}
"""What a stage that did not go well means for the run; of others nothing was done."""


class Goals:
    """`commander.goals`; carried on by the dispatcher's thread."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        directory: Directory,
        clock: Clock,
        *,
        aiming: Aiming,
        transactions: Transactions,
        rules: Rules,
    ) -> None:
        self._database, self._intake, self._directory, self._clock = database, intake, directory, clock
        self.aiming, self._transactions, self._rules = aiming, transactions, rules
        self._waiting = Waiting(self.get, OVER)
        self._running: dict[str, GoalRun] = {}
        self._interrupted: set[str] = set()
        self._placed: list[GoalRun] = []
        self._lock = threading.Lock()

    # asking

    def value(self, ask: AskGoal, entry: Entry) -> float:
        """What is asked for, in the goal's own unit. Raises NotFound; InvalidValue, InvalidUnit by its own limits."""
        goal = self.aiming.goal(entry, ask.name)
        number = PropertyType(name=goal.name, unit=goal.unit, minimum=goal.minimum, maximum=goal.maximum)
        return float(fitted(entry.id, number, ask.value, ask.unit))

    def ask(self, ask: AskGoal, entry: Entry, *, actor: str = "") -> Future[GoalRun]:
        """Ask for it; the future resolves when it is on stable storage.

        Raises NotFound (no such goal), InvalidValue, InvalidUnit, Conflict (what it needs is not known),
        ConfigurationDiffers (what it assumes is not so), KeyReused, and as transactions do; the future KeyReused.
        """
        goal = self.aiming.goal(entry, ask.name)
        if len(ask.key) > LONGEST_KEY or not ask.key.isprintable():
            raise InvalidInput(f"a key has at most {LONGEST_KEY} printable characters")
        check_expected(ask.expects)
        value = self.value(ask, entry)
        asked = entry.id, goal.name, value, ask.expects
        if (before := self._asked(actor, ask.key)) is not None:  # whatever is not known now
            again: Future[GoalRun] = Future()
            again.set_result(_same(before, asked))
            return again
        start = None
        if goal.ramp_per_s is not None:
            start, why = self.aiming.stands(entry, goal)
            if start is None:
                raise Conflict(f"where {goal.name} of {entry.id} stands is not known, so no ramp can begin: {why}")
        now = self._clock.now()
        made = GoalRun(
            id="",
            number=0,
            twin=entry.id,
            name=goal.name,
            value=value,
            start=start,
            actor=actor,
            key=ask.key,
            created=now,
            deadline_s=ask.deadline_s,
            due=now,
            expects=ask.expects,
        )
        for at in (value, _stage(goal, made)):
            self._drafted(goal, entry, made, at)
        if made.expects:
            self._rules.assumptions(made.expects, entry.id)

        def work(tx: Connection) -> tuple[list[GoalRun], Sequence[Change]]:
            known = run_by_key(tx, actor, ask.key) if ask.key else None
            if known is not None:
                return [_same(known, asked)], ()
            run, changes = put_run(tx, made)
            runs = [run]
            for older in open_runs(tx, run.twin):
                if older.id != run.id:
                    detail = f"{run.id} took its place"
                    after, told = came(tx, older, G.SUPERSEDED, now, reason="newer", detail=detail)
                    runs.append(after)
                    changes += told
            return runs, changes

        return self._then(self._intake.transact(work, actor=actor))

    def _asked(self, actor: str, key: str) -> GoalRun | None:
        with self._database.read() as tx:
            return run_by_key(tx, actor, key) if key else None

    def carry_out(self, ask: AskGoal, entry: Entry, *, actor: str, wait_s: float = 0.0) -> GoalRun:
        """Ask, and wait until it is over or so many seconds have passed. Raises as `ask`."""
        made = self.ask(ask, entry, actor=actor).result()
        return self._waiting.within(made.id, wait_s) if wait_s > 0 and not made.over else made

    def cancel(self, id: str, *, actor: str = "") -> Future[GoalRun]:
        """Begin no further stage. The future raises Conflict when it is over."""

        def work(tx: Connection) -> tuple[list[GoalRun], Sequence[Change]]:
            run = find_run(tx, id)
            if run.over:
                raise Conflict(f"{run.id} is {run.state}; it cannot be stopped any more", state=run.state)
            after, changes = came(tx, run, G.CANCELLED, self._clock.now(), reason="cancelled")
            return [after], changes

        return self._then(self._intake.transact(work, actor=actor))

    # looking

    def get(self, id: str) -> GoalRun:
        """Raises NotFound."""
        with self._database.read() as connection:
            return find_run(connection, id)

    def reached(self, id: str, states: Collection[str] = OVER) -> Future[GoalRun]:
        """The run once it is in one of these states, or is over."""
        return self._waiting.reached(id, states)

    def list(self, twin: str = "", *, name: str = "", limit: int = 100, cursor: str = "") -> Page[GoalRun]:
        """The newest first; twin: by id."""
        c, conditions = goal_table.c, []
        if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
            raise InvalidInput(f"{cursor!r:.40} is not a cursor of this list; use `next` of the page before")
        conditions += [c.twin == twin] if twin else []
        conditions += [c.name == name] if name else []
        conditions += [c.number < int(cursor)] if cursor else []
        query = select(goal_table).where(*conditions).order_by(c.number.desc()).limit(limit + 1)
        with self._database.read() as connection:
            found = [run_of(row) for row in connection.execute(query)]
        return Page(found[:limit], str(found[limit - 1].number) if len(found) > limit else None)

    # the dispatcher's thread

    def take_up(self) -> None:
        """Ramps that a stop of Gemel cut are not gone on with: nobody knows for how long it stood."""
        with self._database.read() as tx:
            for run in open_runs(tx):
                self._running[run.id] = run
                self._interrupted.add(run.id)

    def turn(self) -> None:
        with self._lock:
            placed, self._placed = self._placed, []
        for run in placed:
            if run.over:
                self._running.pop(run.id, None)
            else:  # what was read when its key was told again may be of a stage before
                self._running.setdefault(run.id, run)
        for run in sorted(self._running.values(), key=lambda run: run.number):
            self._carry_on(run)

    def holds(self, _order: Order, /) -> bool:
        return False

    def abandon(self, why: str) -> None:
        for run in list(self._running.values()):
            self._settle(run, G.UNKNOWN, reason="restored", detail=why)

    def _carry_on(self, run: GoalRun) -> None:
        try:
            stage = self._transactions.get(run.transaction) if run.transaction else None
        except NotFound:
            self._settle(run, G.UNKNOWN, reason="erased", detail="its members were erased")
            return
        if stage is None:
            if run.id in self._interrupted:
                self._settle(run, G.REFUSED, reason="restart", detail="Gemel stopped before anything was told")
            else:
                self._begin_stage(run, None)
        elif stage.settled and stage.state is T.COMMITTED:
            self._reached_stage(run, stage)
        elif stage.settled:
            nothing = G.REFUSED if run.at is None else G.STOPPED
            self._settle(run, _FARED.get(stage.state, nothing), reason=stage.reason, detail=stage.detail)

    def _reached_stage(self, run: GoalRun, stage: Transaction) -> None:
        if run.at != run.aim:
            run = replace(run, at=run.aim)
        if run.at == run.value:
            self._settle(run, G.REACHED)
        elif run.id in self._interrupted:
            self._settle(run, G.STOPPED, reason="restart", detail=f"Gemel stopped on the way; it holds at {run.at:g}")
        elif run.due <= self._clock.now():
            self._begin_stage(run, stage)

    def _begin_stage(self, run: GoalRun, before: Transaction | None) -> None:
        entry = self._directory.twin(run.twin)
        try:
            if entry is None:
                raise NotFound(f"there is no twin {run.twin} any more")
            if run.expects:
                self._rules.assumptions(run.expects, run.twin)
            goal = self.aiming.goal(entry, run.name)
            aim = _stage(goal, run)
            drafted = self._drafted(goal, entry, run, aim)
        except GemelError as error:
            why = "configuration" if isinstance(error, ConfigurationDiffers) else "member"
            self._settle(run, G.REFUSED if run.at is None else G.STOPPED, reason=why, detail=error.detail)
            return
        if before is not None and before.approval and drafted.approval:
            drafted = replace(drafted, approval=before.approval)
        due = self._clock.now() + round(goal.step_s * SECOND)

        def work(tx: Connection) -> tuple[tuple[GoalRun, Transaction | None], Sequence[Change]]:
            now = find_run(tx, run.id)
            if now.over:
                return (now, None), ()
            made, changes = put_transaction(tx, replace(drafted, goal=run.id))
            after = replace(now, transaction=made.id, at=run.at, aim=aim, due=due)
            write_run(tx, after)
            return (after, made), changes

        try:
            (after, made), _ = self._intake.transact(work, actor=run.actor).result()
        except NotFound:  # its twin was erased
            self._running.pop(run.id, None)
            return
        self._keep(after)
        if made is not None:
            self._transactions.begun(made)

    def _drafted(self, goal: GoalType, entry: Entry, run: GoalRun, at: float) -> Transaction:
        """The transaction of a stage. Raises as transactions do."""
        found = self.aiming.wishes(entry, goal, at)
        ask = AskTogether(
            wishes=tuple(wish for wish, _ in found),
            title=f"{goal.title or goal.name} of {entry.id} to {at:.4g}{f' {goal.unit}' if goal.unit else ''}"[:200],
            on_failure=goal.on_failure,
            in_order=goal.in_order,
            deadline_s=run.deadline_s,
        )
        return self._transactions.draft(ask, [part for _, part in found], run.actor)

    def _settle(self, run: GoalRun, to: GoalState, *, reason: str = "", detail: str = "") -> None:
        def work(tx: Connection) -> tuple[GoalRun, Sequence[Change]]:
            now = find_run(tx, run.id)
            if now.over:
                return now, ()
            return came(tx, replace(now, at=run.at), to, self._clock.now(), reason=reason[:128], detail=detail[:1000])

        try:
            after, _ = self._intake.transact(work, actor=run.actor).result()
        except NotFound:  # its twin was erased
            self._running.pop(run.id, None)
            return
        self._keep(after)

    def _keep(self, run: GoalRun) -> None:
        if run.over:
            self._running.pop(run.id, None)
            self._interrupted.discard(run.id)
        else:
            self._running[run.id] = run
        self._waiting.moved(run)

    # inside

    def _then(self, future: Future[Any]) -> Future[GoalRun]:
        later: Future[GoalRun] = Future()

        def done(first: Future[Any]) -> None:
            error = first.exception()
            if error is None:
                runs: list[GoalRun] = first.result()[0]
                with self._lock:
                    self._placed += runs
                self._transactions.wake()
                for run in runs:
                    self._waiting.moved(run)
            if not later.set_running_or_notify_cancel():
                return
            if error is not None:
                later.set_exception(error)
            else:
                later.set_result(runs[0])

        future.add_done_callback(done)
        return later


def _same(known: GoalRun, asked: tuple[str, str, float, object]) -> GoalRun:
    """What was asked for under this key, if it is the same. Raises KeyReused."""
    if (known.twin, known.name, known.value, known.expects) != asked:
        raise KeyReused(f"this key was used for {known.id}; use a new one for each goal")
    return known


def _stage(goal: GoalType, run: GoalRun) -> float:
    """The value of the next stage: on a ramp one step nearer, else the goal itself."""
    before = run.start if run.at is None else run.at
    if goal.ramp_per_s is None or before is None:
        return run.value
    step = goal.ramp_per_s * goal.step_s
    if abs(run.value - before) <= step * (1 + 1e-9):
        return run.value
    return before + step if run.value > before else before - step

"""The rows of runs towards goals: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Row, insert, select, update

from gemel.commands.goal import GoalRun, GoalState, GoalStep
from gemel.commands.missing import no_run
from gemel.commands.tables import goal_table
from gemel.twin import Change, Expected

__all__ = ["came", "find_run", "open_runs", "put_run", "run_by_key", "run_of", "write_run"]

MAX_STEPS = 50
_json = msgspec.json.Encoder()


def run_by_key(tx: Connection, actor: str, key: str) -> GoalRun | None:
    """The run that this person asked for under this key."""
    c = goal_table.c
    row = tx.execute(select(goal_table).where(c.actor == actor, c.key == key)).one_or_none()
    return None if row is None else run_of(row)


def open_runs(tx: Connection, twin: str = "") -> list[GoalRun]:
    """Those that are not over, of one twin or of all, by number."""
    c = goal_table.c
    query = select(goal_table).where(c.state == str(GoalState.RUNNING)).order_by(c.number)
    return [run_of(row) for row in tx.execute(query.where(c.twin == twin) if twin else query)]


def run_of(row: Row[Any]) -> GoalRun:
    told = dict(row._mapping)
    told["state"] = GoalState(row.state)
    told["steps"] = msgspec.json.decode(row.steps, type=tuple[GoalStep, ...])
    told["expects"] = msgspec.json.decode(row.expects, type=tuple[Expected, ...])
    return GoalRun(**told)


def _row(run: GoalRun) -> dict[str, Any]:
    told = msgspec.structs.asdict(run)
    told |= {name: _json.encode(told[name]).decode() for name in ("steps", "expects")}
    return told | {"state": str(run.state)}


def find_run(tx: Connection, id: str) -> GoalRun:
    row = tx.execute(select(goal_table).where(goal_table.c.id == id)).one_or_none()
    if row is None:
        raise no_run(id)
    return run_of(row)


def put_run(tx: Connection, run: GoalRun) -> tuple[GoalRun, list[Change]]:
    step = GoalStep(state=run.state, time=run.created, at=run.start)
    made = replace(run, id=f"goal-{secrets.token_hex(8)}", steps=(step,))
    row = _row(made)
    del row["number"]
    number = tx.execute(insert(goal_table).values(**row).returning(goal_table.c.number)).scalar_one()
    made = replace(made, number=number)
    return made, [_change(made, made.created)]


def came(tx: Connection, run: GoalRun, state: GoalState, now: int, **facts: Any) -> tuple[GoalRun, list[Change]]:
    step = GoalStep(state=state, time=now, at=run.at, detail=str(facts.get("detail", ""))[:500])
    after = replace(run, state=state, steps=(*run.steps, step)[:MAX_STEPS], **facts)
    write_run(tx, after)
    return after, [_change(after, now)]


def write_run(tx: Connection, run: GoalRun) -> None:
    tx.execute(update(goal_table).where(goal_table.c.number == run.number).values(**_row(run)))


def _change(run: GoalRun, now: int) -> Change:
    body: dict[str, Any] = {"run": run.id, "goal": run.name, "value": run.value}
    told = {"at": run.at, "reason": run.reason, "detail": run.detail}
    body |= {name: value for name, value in told.items() if value not in ("", None)}
    return Change(kind=f"goal.{run.state}", subject=run.twin, time=now, actor=run.actor, body=body)

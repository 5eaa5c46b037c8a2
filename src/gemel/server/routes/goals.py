"""Goals: one number for many actuators."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import msgspec
from litestar import get, post, put
from litestar.params import FromPath
from litestar.response import Response
from msgspec.structs import replace

from gemel.commands import AskGoal, GoalRun, no_run
from gemel.errors import Conflict, InvalidUnit, InvalidValue, NotFound
from gemel.registry import Entry
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, require_twin, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, done, json, onward, onward_from
from gemel.server.options import API
from gemel.server.orders_seen import WITHHELD
from gemel.server.routes.orders import Wait, key_of, may_expect, person
from gemel.server.transaction_views import GoalRunView, GoalView, goal_view, run_view
from gemel.twin import Expected, Page, PropertyGroup

__all__ = ["ROUTES"]

READ_ONE = needs("read", "Twin", id_in="twin")
COMMAND_ONE = needs("command", "Twin", id_in="twin")


class Aim(msgspec.Struct, forbid_unknown_fields=True):
    """What a goal is to come to."""

    value: float
    unit: str = ""
    deadline_s: float | None = None
    """For each stage; null: as the members' bindings say, or 30."""
    key: str = ""
    expects: tuple[Expected, ...] = ()
    """What is assumed of the twin's configuration: no stage is begun where that is not so."""


def _sees(call: Call, entry: Entry, since: int) -> bool:
    """Goals are shared as the process is."""
    seen = call.view.projection
    return seen is None or since >= seen.of(entry.number).since(PropertyGroup.PROCESS)


def _shown(call: Call, run: GoalRun) -> GoalRunView:
    """Why a run ended tells of its members, which are other twins: to who sees all of the plant only."""
    view = run_view(run)
    return view if call.view.projection is None or not view.detail else replace(view, detail=WITHHELD)


@get(f"{API}/twins/{{twin:str}}/goals", opt=READ_ONE, tags=["orders"], summary="Goals of a twin, and where they stand")
async def goals(request: Req, twin: FromPath[str]) -> list[GoalView]:
    call = call_of(request)
    return await call.services.reads.run(_goals, call, twin)


def _goals(call: Call, twin: str) -> list[GoalView]:
    commander = call.services.platform.commander
    entry, found = call.view.entry(twin), list[GoalView]()
    if not _sees(call, entry, call.services.platform.clock.now()):
        return found
    for goal in commander.goals.aiming.goals(entry):
        now, why = commander.goals.aiming.stands(entry, goal)
        why = why if call.view.projection is None or not why else WITHHELD
        runs = commander.goals.list(entry.id, name=goal.name, limit=1).items
        last = [_shown(call, run) for run in runs if _sees(call, entry, run.created)]
        found.append(goal_view(goal, now, why, last[0] if last else None))
    return found


@put(
    f"{API}/twins/{{twin:str}}/goals/{{goal:str}}",
    opt=COMMAND_ONE | speaks(Aim, GoalRunView),
    status_code=202,
    tags=["orders"],
    summary="Bring a goal to a value",
)
async def aim(request: Req, twin: FromPath[str], goal: FromPath[str], wait: Wait = 0.0) -> Response[bytes]:
    """Answers 202 while it is under way, 200 once it is over. Needs the right to command the twin and every member."""
    call, given = call_of(request), await decoded(request, Aim)
    commander = call.services.platform.commander
    entry = commander.entry(twin)
    aiming = commander.goals.aiming
    parts = [part.id for member in aiming.goal(entry, goal).members for part in aiming.parts(entry, member)]
    for member in dict.fromkeys(parts):
        require_twin(call, call.who, "command", member, detail=f"PUT goal {goal:.80} of {entry.id}")
    ask = AskGoal(
        twin=entry.id,
        name=goal,
        value=given.value,
        unit=given.unit,
        deadline_s=given.deadline_s,
        key=key_of(call, given.key),
        expects=given.expects,
    )
    if ask.expects:
        await call.services.reads.run(may_expect, call, ask.expects, ask.twin)
    future = await call.services.waiting.run(_asked, call, ask, entry) if ask.expects else _asked(call, ask, entry)
    run = await done(request, future)
    call.position = max(call.position, call.services.platform.state.position)
    if wait > 0 and not run.over:
        run = await _over(request, run, wait)
    return json(_shown(call, run), status=200 if run.over else 202, headers={"Location": f"{API}/goals/{run.id}"})


def _asked(call: Call, ask: AskGoal, entry: Entry) -> Future[GoalRun]:
    """Why it cannot be asked for tells values that its members go by, of other twins: to who sees all of the plant
    only; the goal's own limits to everybody."""
    known = call.services.platform.commander.goals
    known.value(ask, entry)
    try:
        return known.ask(ask, entry, actor=person(call.who))
    except (Conflict, InvalidValue, InvalidUnit) as error:
        if call.view.projection is None:
            raise
        raise type(error)(WITHHELD) from None


async def _over(request: Req, run: GoalRun, wait: float) -> GoalRun:
    known = call_of(request).services.platform.commander.goals
    reached = known.reached(run.id)
    try:
        async with asyncio.timeout(wait):
            return await done(request, reached)
    except TimeoutError:
        reached.cancel()
        return known.get(run.id)


@get(
    f"{API}/twins/{{twin:str}}/goals/{{goal:str}}/runs",
    opt=READ_ONE,
    tags=["orders"],
    summary="Runs towards a goal, the newest first",
)
async def runs(
    request: Req, twin: FromPath[str], goal: FromPath[str], limit: Limit = 100, cursor: Cursor = ""
) -> Page[GoalRunView]:
    call = call_of(request)
    commander = call.services.platform.commander
    entry = call.view.entry(twin)
    page = await call.services.reads.run(
        commander.goals.list, entry.id, name=goal, limit=limit, cursor=onward_from(call, cursor)
    )
    shown = [_shown(call, run) for run in page.items if _sees(call, entry, run.created)]
    return onward(call, Page(shown, page.next))


def twin_of_run(call: Call, run: str) -> tuple[str, NotFound | None]:
    """Raises NotFound."""
    found = call.services.platform.commander.goals.get(run)
    entry = call.view.find(found.twin)
    seen = entry is not None and _sees(call, entry, found.created)
    return found.twin, None if seen else no_run(run)


@get(
    f"{API}/goals/{{run:str}}",
    opt=needs("read", "Twin", id_in="run", through=twin_of_run),
    tags=["orders"],
    summary="One run towards a goal",
)
async def run_of(request: Req, run: FromPath[str], wait: Wait = 0.0) -> GoalRunView:
    call = call_of(request)
    commander = call.services.platform.commander
    found = await call.services.reads.run(commander.goals.get, run)
    entry = call.view.entry(found.twin)
    if not _sees(call, entry, found.created):
        raise no_run(run)
    if wait > 0 and not found.over:
        found = await _over(request, found, wait)
    return _shown(call, found)


@post(
    f"{API}/goals/{{run:str}}/cancel",
    opt=needs("command", "Twin", id_in="run", through=twin_of_run),
    status_code=200,
    tags=["orders"],
    summary="Begin no further stage of a run",
)
async def cancel(request: Req, run: FromPath[str]) -> GoalRunView:
    """A stage that is under way goes on to its own end."""
    call = call_of(request)
    return _shown(call, await done(request, call.services.platform.commander.goals.cancel(run, actor=person(call.who))))


ROUTES = [goals, aim, runs, run_of, cancel]

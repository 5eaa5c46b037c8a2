"""Who has control of a twin, and how the rules for orders to it stand."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath
from litestar.response import Response

from gemel.commands import Held, Standing
from gemel.registry import Entry
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, require_twin, speaks
from gemel.server.holders import PersonView, may, may_command, name_of, receiver
from gemel.server.http import Req, decoded, json
from gemel.server.options import API
from gemel.server.order_views import ControlView, control_view
from gemel.server.orders_seen import WITHHELD
from gemel.server.routes.orders import person
from gemel.twin import PropertyGroup

__all__ = ["ROUTES"]

READ_ONE = needs("read", "Twin", id_in="twin")
COMMAND_ONE = needs("command", "Twin", id_in="twin")


class Take(msgspec.Struct, forbid_unknown_fields=True):
    """For how long; and, to take it from somebody, why."""

    for_s: float | None = None
    """Seconds; null: as the type says, or 15 minutes."""
    force: str = ""
    """The reason to take control from who has it; needs the right to configure. Kept sealed with your key."""


class HandOver(msgspec.Struct, forbid_unknown_fields=True):
    """To whom."""

    to: str
    """Id or name of somebody who may command it."""


@get(
    f"{API}/twins/{{twin:str}}/control", opt=READ_ONE, tags=["orders"], summary="Who has control, and which rules hold"
)
async def control(request: Req, twin: FromPath[str]) -> ControlView:
    call = call_of(request)
    return await call.services.reads.run(_control, call, twin)


def _control(call: Call, twin: str) -> ControlView:
    commander, now = call.services.platform.commander, call.services.platform.clock.now()
    entry = call.view.entry(twin)
    held = commander.authority.of(entry.id, now)
    return control_view(
        held,
        person(call.who),
        _standing(call, entry),
        name="" if held is None else name_of(call, held.holder),
        may=may(call, call.who, entry),
        required=commander.needs_control(twin),
        forced_because="" if held is None else commander.authority.why(held),
    )


def _standing(call: Call, entry: Entry) -> list[Standing]:
    """How the rules stand; why one does not hold, with the values that it reads, only to who sees everything."""
    commander, seen = call.services.platform.commander, call.view.projection
    if seen is None:
        return commander.standing(entry.id)
    told = commander.standing(entry.id) if seen.has(entry, PropertyGroup.PROCESS) else []
    return [msgspec.structs.replace(one, detail="" if one.holds else WITHHELD) for one in told]


@get(
    f"{API}/twins/{{twin:str}}/control/people",
    opt=READ_ONE,
    tags=["orders"],
    summary="To whom control can be handed over",
)
async def people(request: Req, twin: FromPath[str]) -> list[PersonView]:
    """Everybody else who may command it: of your organisation; of every one, for who is of the operating one. Nobody,
    for who may not command it."""
    call = call_of(request)
    return await call.services.reads.run(may_command, call, call.view.entry(twin))


@put(
    f"{API}/twins/{{twin:str}}/control",
    opt=COMMAND_ONE | speaks(Take, ControlView),
    tags=["orders"],
    summary="Take control, or renew it",
)
async def take(request: Req, twin: FromPath[str]) -> Response[bytes]:
    """Of the twin and of all that is part of it. It lapses; taken again, it is renewed."""
    call, given = call_of(request), await decoded(request, Take, optional=True)
    if given.force:
        require_twin(call, call.who, "configure", twin, detail="control taken by force")
    await call.services.waiting.run(_take, call, twin, given)
    return json(await call.services.reads.run(_control, call, twin))


def _take(call: Call, twin: str, given: Take) -> Held:
    commander = call.services.platform.commander
    for_s = commander.lapses_s(twin) if given.for_s is None else given.for_s
    return commander.authority.take(commander.entry(twin).id, person(call.who), for_s=for_s, force=given.force)


@post(
    f"{API}/twins/{{twin:str}}/control/hand-over",
    opt=COMMAND_ONE | speaks(HandOver, ControlView),
    status_code=200,
    tags=["orders"],
    summary="Hand control over to somebody",
)
async def hand_over(request: Req, twin: FromPath[str]) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, HandOver)
    commander = call.services.platform.commander
    entry = commander.entry(twin)
    to = await call.services.reads.run(receiver, call, entry, given.to)
    await call.services.waiting.run(commander.authority.hand_over, entry.id, person(call.who), to)
    return json(await call.services.reads.run(_control, call, twin))


@delete(
    f"{API}/twins/{{twin:str}}/control", opt=COMMAND_ONE, status_code=204, tags=["orders"], summary="Give control up"
)
async def release(request: Req, twin: FromPath[str]) -> None:
    call = call_of(request)
    commander = call.services.platform.commander
    await call.services.waiting.run(commander.authority.release, commander.entry(twin).id, person(call.who))


ROUTES = [control, people, take, hand_over, release]

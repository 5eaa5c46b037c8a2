"""Update campaigns: drafted, tried on the twins, begun, watched, stopped, brought back, signed off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from msgspec.structs import replace

from gemel.access import Action, Resource, ResourceKind
from gemel.errors import Denied, NotFound
from gemel.server.bitemporal import plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.orders import key_of, person
from gemel.services.campaigns import (
    Campaign,
    Campaigns,
    CampaignState,
    Chances,
    Draft,
    Overview,
    Report,
    Target,
    TargetState,
    Verdict,
)
from gemel.twin import Page

__all__ = ["ROUTES"]

FLEET = needs("read", "Fleet")
"""A campaign is told to whoever may see all its machines; what changes it asks `command` of each of them."""
SHOWN = 1000
Ids = FromPath[str]


class Preview(msgspec.Struct, kw_only=True):
    """The dry run."""

    counts: dict[str, int]
    """eligible, in_sync, blocked."""
    groups: dict[str, int]
    machines: list[Verdict]
    """The first thousand."""
    withheld: int = 0
    """Machines that fit, and that you may not command."""


class Retry(msgspec.Struct, forbid_unknown_fields=True):
    """Which machines to try again; none: all that failed."""

    targets: list[int] = []


class Looked(msgspec.Struct, forbid_unknown_fields=True):
    """A person has looked at a machine of which nobody could tell: it does not have the version."""

    target: int
    said: str = ""


def _draft(call: Call, given: Any) -> Draft:
    drafted = understood(given, Draft)
    return replace(drafted, key=key_of(call, drafted.key))


def _may(call: Call) -> Callable[[str], bool]:
    """The twins that who asks may command."""
    gate, who = call.services.platform.gate, call.who
    return lambda twin: gate.allows(who, Action.COMMAND, Resource(ResourceKind.TWIN, twin))


def _campaigns(call: Call) -> Campaigns:
    return call.services.platform.campaigns


def _sees(call: Call, campaign: Campaign) -> bool:
    if call.view.projection is None or campaign.actor == person(call.who):
        return True
    twins = _campaigns(call).twins(campaign.id)
    return bool(twins) and all(call.view.find(twin) is not None for twin in twins)


def _found(call: Call, id: str) -> Campaign:
    """Raises NotFound, also where it may not be seen."""
    campaign = _campaigns(call).get(id)
    if not _sees(call, campaign):
        raise NotFound(f"there is no campaign {id!r:.60}; list them with campaigns()")
    return campaign


def _permit(call: Call, id: str, verb: str) -> None:
    """Raises NotFound, Denied."""
    campaign = _found(call, id)
    gate, who = call.services.platform.gate, call.who
    twins = _campaigns(call).twins(campaign.id)
    for twin in twins:
        gate.require(who, Action.COMMAND, Resource(ResourceKind.TWIN, twin), detail=f"{verb} {id:.60}")
    if not twins and campaign.actor != person(who):
        gate.require(who, Action.COMMAND, Resource(ResourceKind.PLATFORM), detail=f"{verb} {id:.60}")


@post(
    f"{API}/campaigns/preview",
    opt=FLEET | speaks(Draft, Preview, moments=True),
    status_code=200,
    tags=["campaigns"],
    summary="The dry run: how each machine would fare, and by which rule",
)
async def preview(request: Req) -> Response[bytes]:
    """Looked at on the twins as they are now; nothing is sent or kept. Machines that you may command."""
    call = call_of(request)
    draft = _draft(call, await decoded(request, Any))
    return json(plain(await call.services.slow.run(_preview, call, draft)))


def _preview(call: Call, draft: Draft) -> Preview:
    campaigns = _campaigns(call)
    may = _may(call)
    verdicts = campaigns.preview(draft, may=may)
    fit = campaigns.aim.candidates(draft.part, draft.selection, call.services.platform.clock.now())
    hidden = sum(not may(one.module.twin) and call.view.find(one.module.twin) is not None for one in fit)
    counts = {str(one): sum(v.chances is one for v in verdicts) for one in Chances}
    names = dict.fromkeys(spec.name or f"group {i}" for i, spec in enumerate(draft.groups, 1))
    groups = {name: sum(v.group == name for v in verdicts) for name in names}
    return Preview(counts=counts, groups=groups, machines=verdicts[:SHOWN], withheld=hidden)


@post(f"{API}/campaigns", opt=FLEET | speaks(Draft, Overview, moments=True), tags=["campaigns"], summary="Draft one")
async def create(request: Req) -> Response[bytes]:
    """Nothing is frozen or sent yet. Needs the right to command at least one machine that takes this software."""
    call = call_of(request)
    draft = _draft(call, await decoded(request, Any))
    return json(plain(await call.services.waiting.run(_created, call, draft)), status=201)


def _created(call: Call, draft: Draft) -> Overview:
    campaigns, platform = _campaigns(call), call.services.platform
    may = _may(call)
    if not any(may(twin) for twin in platform.software.twins(draft.part)):
        resource = Resource(ResourceKind.PLATFORM)
        platform.gate.require(call.who, Action.COMMAND, resource, detail=f"campaign of {draft.part:.100}")
    made = campaigns.create(draft, actor=person(call.who))
    _reached(call)
    return campaigns.overview(made.id)


def _reached(call: Call) -> None:
    call.position = max(call.position, call.services.platform.state.position)


@get(
    f"{API}/campaigns",
    opt=FLEET | speaks(None, Page[Overview], moments=True),
    tags=["campaigns"],
    summary="Campaigns, the newest first",
)
async def campaigns(
    request: Req,
    states: Annotated[
        list[CampaignState] | None, QueryParameter(description=", ".join(CampaignState) + "; may repeat.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    call = call_of(request)
    rooms = _campaigns(call)
    page = await call.services.reads.run(
        lambda: rooms.all(states=states or (), limit=limit, cursor=onward_from(call, cursor))
    )
    seen = await call.services.reads.run(lambda: [one for one in page.items if _sees(call, one.campaign)])
    return json(plain(onward(call, Page(seen, page.next))))


@get(
    f"{API}/campaigns/{{campaign:str}}",
    opt=FLEET | speaks(None, Overview, moments=True),
    tags=["campaigns"],
    summary="One campaign, and how its groups stand",
)
async def campaign_of(request: Req, campaign: Ids) -> Response[bytes]:
    call = call_of(request)
    return json(plain(await call.services.reads.run(_overview, call, campaign)))


def _overview(call: Call, id: str) -> Overview:
    return _campaigns(call).overview(_found(call, id).id)


@get(
    f"{API}/campaigns/{{campaign:str}}/targets",
    opt=FLEET | speaks(None, Page[Target], moments=True),
    tags=["campaigns"],
    summary="Its machines, each with how far it is and why",
)
async def targets(
    request: Req,
    campaign: Ids,
    states: Annotated[
        list[TargetState] | None, QueryParameter(description=", ".join(TargetState) + "; may repeat.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    call = call_of(request)
    last = int(onward_from(call, cursor)) if cursor else -1

    def work() -> Page[Target]:
        known = _found(call, campaign)
        found, more = _campaigns(call).targets(known.id, states=states or (), limit=limit, after=last)
        return onward(call, Page(list(found), None if more is None else str(more)))

    return json(plain(await call.services.reads.run(work)))


@get(
    f"{API}/campaigns/{{campaign:str}}/report",
    opt=FLEET | speaks(None, Report, moments=True),
    tags=["campaigns"],
    summary="All of it: what each device reported, who did what when, who signed it off",
)
async def report(request: Req, campaign: Ids) -> Response[bytes]:
    call = call_of(request)

    def work() -> Report:
        return _campaigns(call).report(_found(call, campaign).id)

    return json(plain(await call.services.reads.run(work)))


async def _changed(request: Req, id: str, verb: str, work: Callable[[str, str], Campaign]) -> Response[bytes]:
    """Carry `work(campaign, actor)` out, by whoever may command all its machines."""
    call = call_of(request)

    def change() -> Overview:
        _permit(call, id, verb)
        done = work(id, person(call.who))
        _reached(call)
        return _campaigns(call).overview(done.id)

    return json(plain(await call.services.waiting.run(change)))


VERB: dict[str, Any] = {"opt": FLEET | speaks(None, Overview, moments=True), "status_code": 200, "tags": ["campaigns"]}


@post(f"{API}/campaigns/{{campaign:str}}/start", summary="Freeze its targets and begin", **VERB)
async def start(request: Req, campaign: Ids) -> Response[bytes]:
    """With machines that you may command; once it is approved, if it has to be, and at its start time."""
    call = call_of(request)
    rooms, may = _campaigns(call), _may(call)
    return await _changed(request, campaign, "start", lambda id, who: rooms.begin(id, actor=who, may=may))


@post(f"{API}/campaigns/{{campaign:str}}/approve", summary="Agree to it, as somebody else", **VERB)
async def approve(request: Req, campaign: Ids) -> Response[bytes]:
    if call_of(request).who.kind == "Device":
        raise Denied("a device approves nothing", policy="campaigns")
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "approve", lambda id, who: rooms.approve(id, actor=who))


@post(f"{API}/campaigns/{{campaign:str}}/pause", summary="Send nothing more until it is resumed", **VERB)
async def pause(request: Req, campaign: Ids) -> Response[bytes]:
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "pause", lambda id, who: rooms.pause(id, actor=who))


@post(f"{API}/campaigns/{{campaign:str}}/resume", summary="Go on, in spite of failures so far", **VERB)
async def resume(request: Req, campaign: Ids) -> Response[bytes]:
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "resume", lambda id, who: rooms.resume(id, actor=who))


@post(f"{API}/campaigns/{{campaign:str}}/take-over", summary="Go on with somebody else's, by your rights", **VERB)
async def take_over(request: Req, campaign: Ids) -> Response[bytes]:
    """Machines that were skipped because its owner had no right any more are told after all."""
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "take over", lambda id, who: rooms.take_over(id, actor=who))


@post(f"{API}/campaigns/{{campaign:str}}/stop", summary="The emergency stop: send nothing more, for good", **VERB)
async def stop(request: Req, campaign: Ids) -> Response[bytes]:
    """What has left cannot be taken back; what becomes of it is heard."""
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "stop", lambda id, who: rooms.stop(id, actor=who))


@post(f"{API}/campaigns/{{campaign:str}}/rollback", summary="Bring machines back to the version before", **VERB)
async def rollback(request: Req, campaign: Ids) -> Response[bytes]:
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "roll back", lambda id, who: rooms.roll_back(id, actor=who))


RETRIES = {**VERB, "opt": FLEET | speaks(Retry, Overview, moments=True)}
SETTLES = {**VERB, "opt": FLEET | speaks(Looked, Overview, moments=True)}


@post(f"{API}/campaigns/{{campaign:str}}/retry", summary="Try failed machines again", **RETRIES)
async def retry(request: Req, campaign: Ids) -> Response[bytes]:
    given = await decoded(request, Retry, optional=True)
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "retry", lambda id, who: rooms.retry(id, given.targets, actor=who))


@post(f"{API}/campaigns/{{campaign:str}}/settle", summary="Say that an unknown machine does not have it", **SETTLES)
async def settle(request: Req, campaign: Ids) -> Response[bytes]:
    """That a machine has the version, only its own report can show."""
    given = await decoded(request, Looked)
    rooms = _campaigns(call_of(request))
    return await _changed(
        request, campaign, "settle", lambda id, who: rooms.settle(id, given.target, actor=who, said=given.said)
    )


@post(f"{API}/campaigns/{{campaign:str}}/sign-off", summary="Put your name under its report", **VERB)
async def sign_off(request: Req, campaign: Ids) -> Response[bytes]:
    """Its SHA-256 is journaled; nothing of it changes any more."""
    rooms = _campaigns(call_of(request))
    return await _changed(request, campaign, "sign off", lambda id, who: rooms.sign_off(id, actor=who))


ROUTES = [
    preview,
    create,
    campaigns,
    campaign_of,
    targets,
    report,
    start,
    approve,
    pause,
    resume,
    take_over,
    stop,
    rollback,
    retry,
    settle,
    sign_off,
]

"""Configurations: of one machine what is known, missing, wrong and worn; of all machines, which have what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Action, Resource, ResourceKind
from gemel.configuration import (
    FOREVER,
    OURS,
    Applicability,
    Applies,
    Completeness,
    Configuration,
    Finding,
    FleetAnswer,
    FleetPage,
    FleetSeen,
    Having,
    Inspection,
    MachinePartly,
    MachineSeen,
    Match,
    Node,
    Nonconformance,
    Observation,
    Partly,
    Passport,
    Readiness,
    Remaining,
    RemainingPage,
    Sides,
    Snapshot,
    named_sources,
    operations,
)
from gemel.errors import Denied, NotFound
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import Call, call_of
from gemel.server.csv import FORM, as_table, table
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Number, Req, cursor_of, decoded, json, onward_from, time_or
from gemel.server.options import API
from gemel.server.routes.items import AT, KNOWN, Times, moments
from gemel.server.routes.orders import person
from gemel.twin import Page, PropertyGroup

__all__ = ["ROUTES", "of_machine", "viewed_by"]

READ = needs("read", "Fleet")
MOST = 100_000
Text = Annotated[str, QueryParameter(max_length=200)]
HAVING = Annotated[
    list[str] | None,
    QueryParameter(description="A part that is in them: P-7, P-7:<C, P-7:>C, P-7:=B,C, P-7:? (also unknown); repeats."),
]


def of_machine(call: Call) -> Configuration:
    """The configuration, of whose machines only those may be told that `call.items` shows."""
    return call.services.platform.configuration


# of one machine


def viewed_by(call: Call, view: Partly, name: str, item: str, when: Times) -> Any:
    """What a view of the configuration tells, asked by the name of the question."""
    at, known = when["at"], when["known"]
    moment = call.items.now() if at is None else at
    return getattr(MachinePartly(view), name)(item, moment, FOREVER - 1 if known is None else known)


def _about(
    name: str, kind: Any, summary: str, group: PropertyGroup = PropertyGroup.CONFIGURATION, *, viewed: bool = False
) -> Any:
    """A question about one machine as of two moments, told to whoever sees the machine then; `viewed`: or has a view
    of it, of what that is of."""

    async def handler(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
        call = call_of(request)

        def ask() -> Any:
            when = moments(at, known)

            def whole() -> Any:
                call.items.require(item, when["at"], known=when["known"], group=group)
                return getattr(MachineSeen(call.items, of_machine(call)), name)(item, when["at"], known=when["known"])

            return call.items.first(whole, lambda one: viewed_by(call, one, name, item, when)) if viewed else whole()

        return answered(request, await call.services.reads.run(ask))

    handler.__name__ = f"item_{name}"
    handler.__doc__ = None
    return get(
        f"{API}/items/{{item:str}}/{name}",
        opt=READ | speaks(None, kind, moments=True),
        tags=["items"],
        summary=summary,
    )(handler)


ABOUT = [
    _about("limits", list[Remaining], "What is left of its life, the least first", PropertyGroup.USAGE, viewed=True),
    _about("completeness", Completeness, "What is known of each slot, and how long ago it was confirmed", viewed=True),
    _about("sides", Sides, "As designed, planned, built, delivered and maintained, slot by slot", viewed=True),
    _about("materials", Passport, "What it is made of, with all that is in it: its material passport", viewed=True),
    _about("readiness", Readiness, "Whether it is a twin of an individual machine, or only a model", viewed=True),
    _about("findings", list[Finding], "Which rules are not kept, asked now"),
    _about("nonconformances", list[Nonconformance], "What broke a rule and was recorded, how it stands", viewed=True),
    _about("observations", list[Observation], "What was seen in its slots"),
]


@get(
    f"{API}/items/{{item:str}}/snapshots",
    opt=READ | speaks(None, list[Snapshot], moments=True),
    tags=["items"],
    summary="Its dated snapshots",
)
async def snapshots(request: Req, item: FromPath[str]) -> Response[bytes]:
    call = call_of(request)

    def ask() -> list[Snapshot]:
        call.items.require(item)
        found = of_machine(call).snapshots.of(item)
        return [one for one in found if call.items.sees(item, one.valid)]

    return answered(request, await call.services.reads.run(ask))


class NewSnapshot(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be kept."""

    at: int | None = None
    """Left out: now."""
    title: str = ""


@post(
    f"{API}/items/{{item:str}}/snapshots",
    opt=needs("maintain") | speaks(NewSnapshot, Snapshot, moments=True),
    tags=["items"],
    summary="Take a snapshot",
)
async def take_snapshot(request: Req, item: FromPath[str]) -> Response[bytes]:
    """A hash of the whole tree as it is believed to be at a moment; two equal hashes are equal configurations."""
    call, given = call_of(request), understood(await decoded(request, Any), NewSnapshot)
    made = of_machine(call).as_(person(call.who)).snapshots
    return json(plain(await call.services.waiting.run(made.take, item, given.at, title=given.title)), status=201)


@get(
    f"{API}/snapshots/{{number:int}}",
    opt=READ | speaks(None, Node, moments=True),
    tags=["items"],
    summary="The tree that a snapshot is of",
)
async def snapshot(request: Req, number: Number) -> Response[bytes]:
    call = call_of(request)

    def ask() -> Node:
        kept = of_machine(call).snapshots
        found = kept.get(number)
        if not call.items.sees(found.root, found.valid):
            raise NotFound(f"there is no snapshot {number}")
        return kept.tree(number)

    return answered(request, await call.services.reads.run(ask))


class Seen(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody saw in the slots of a machine, a parent before its parts."""

    seen: tuple[operations.Observe, ...]


@post(
    f"{API}/items/{{item:str}}/inspect",
    opt=needs("maintain") | speaks(Seen, Inspection, moments=True),
    status_code=200,
    tags=["items"],
    summary="Compare what was seen with what is recorded",
)
async def inspect(request: Req, item: FromPath[str]) -> Response[bytes]:
    """Nothing is written. Hand `seen`, and those of `operations` that are right, to POST /operations."""
    call = call_of(request)
    raw: Any = await decoded(request, Any)
    if isinstance(raw, dict) and isinstance(raw.get("seen"), list):
        raw = {**raw, "seen": [{"do": "observe", **one} if isinstance(one, dict) else one for one in raw["seen"]]}
    given = understood(raw, Seen)
    return json(plain(await call.services.reads.run(of_machine(call).inspect, item, given.seen)))


# of all machines


@get(
    f"{API}/configurations",
    opt=READ | speaks(None, Page[Match], moments=True),
    tags=["items"],
    summary="Which machines have what, at one moment or at any time within a span",
)
async def configurations(
    request: Req,
    having: HAVING = None,
    start: Annotated[str, QueryParameter(max_length=40, description="At any time from then on, RFC 3339.")] = "",
    end: Annotated[str, QueryParameter(max_length=40, description="Before then; now if left out.")] = "",
    at: AT = "",
    known: KNOWN = "",
    source: Annotated[
        str, QueryParameter(max_length=1000, description="An attached source; several as one: own,supplier.")
    ] = "",
    form: FORM = "json",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """All that is named at once, at any depth: intervals are met, not sets of "ever". Revisions in the part's order.
    To holders of a view, over what that is of, by the names that machines have for them."""
    call, when = call_of(request), moments(at, known)
    asked = [Having.parse(one) for one in having or ()]
    if source:
        call.services.platform.gate.require(call.who, Action.READ, Resource(ResourceKind.PLATFORM), detail=source)
        if not call.items.everything and OURS in named_sources(source):
            raise Denied("our own machines are joined with a source for whoever sees all of them")
    during = None
    if start or end:
        during = time_or(start, 0), time_or(end, call.services.platform.clock.now())
    page = FleetPage(after=onward_from(call, cursor), limit=limit)

    if as_table(form):
        page = FleetPage(limit=MOST)

    def ask() -> FleetAnswer:
        times: dict[str, Any] = {**when, "during": during, "page": page}
        if not source:
            return _fleet(call).fleet(*asked, **times)
        found = of_machine(call).fleet(*asked, source=source, **times)
        last = found.machines[-1].root if len(found.machines) == page.limit else None
        return FleetAnswer(machines=found.machines, total=found.total, unknown=found.unknown, next=last)

    found = await call.services.slow.run(ask)
    if as_table(form):
        return table("fleet", [_line(one) for one in found.machines])
    return json(plain(_told(call, found)))


def _line(match: Match) -> dict[str, Any]:
    spans = [plain(span) for span in match.spans]
    when = ", ".join(f"{span['start'] or ''}/{span['end'] or ''}" for span in spans)
    return {
        "machine": match.root,
        "part": match.part,
        "serial": match.serial,
        "items": ", ".join(match.items),
        "when": when,
    }


def _fleet(call: Call) -> FleetSeen:
    """The questions to all machines, over what who asks may see of them."""
    return FleetSeen(call.items, of_machine(call))


def _told(call: Call, found: FleetAnswer) -> dict[str, Any]:
    following = cursor_of(call, found.next) if found.next is not None else None
    return {"items": found.machines, "next": following, "total": found.total, "unknown": found.unknown}


@post(
    f"{API}/applicability",
    opt=READ | speaks(Applicability, Page[Match], moments=True),
    status_code=200,
    tags=["items"],
    summary="To which machines something applies: a bulletin, an update",
)
async def applicability(
    request: Req, at: AT = "", known: KNOWN = "", limit: Limit = 100, cursor: Cursor = ""
) -> Response[bytes]:
    """`{part, effectivity: {serials, lots, from, until}, having}`; those of which it cannot be told are among them: to
    holders of a view, also those whose serial number is withheld."""
    call, when = call_of(request), moments(at, known)
    to = understood(await decoded(request, Any), Applicability)
    page = FleetPage(after=onward_from(call, cursor), limit=limit)

    def ask() -> dict[str, Any]:
        return _told(call, _fleet(call).applicable(to, when["at"], known=when["known"], page=page))

    return json(plain(await call.services.slow.run(ask)))


@post(
    f"{API}/items/{{item:str}}/applicability",
    opt=READ | speaks(Applicability, Applies, moments=True),
    status_code=200,
    tags=["items"],
    summary="Whether something applies to one machine, and why not",
)
async def applies(request: Req, item: FromPath[str], at: AT = "", known: KNOWN = "") -> Response[bytes]:
    call, when = call_of(request), moments(at, known)
    to = understood(await decoded(request, Any), Applicability)

    def ask() -> Applies:
        def whole() -> Applies:
            call.items.require(item, when["at"], known=when["known"])
            return of_machine(call).applies(to, item, when["at"], known=when["known"])

        return call.items.first(whole, lambda one: _fleet(call).applies(one, to, item, **when))

    return json(plain(await call.services.reads.run(ask)))


@get(
    f"{API}/remaining",
    opt=READ | speaks(None, RemainingPage, moments=True),
    tags=["items"],
    summary="Items with a life limit, those with the least left first",
)
async def remaining(
    request: Req,
    kind: Text = "",
    part: Text = "",
    root: Annotated[str, QueryParameter(max_length=200, description="Only what this item consists of.")] = "",
    form: FORM = "json",
    at: AT = "",
    known: KNOWN = "",
    limit: Limit = 100,
) -> Response[bytes]:
    call, when = call_of(request), moments(at, known)
    if as_table(form):
        limit = MOST

    def ask() -> RemainingPage:
        return _fleet(call).remaining(kind=kind, part=part, root=root, limit=limit, **when)

    told = plain(await call.services.slow.run(ask))
    if as_table(form):
        return table("life-left", [one | {"path": " > ".join(one["path"])} for one in told["items"]])
    return json(told)


ROUTES: list[Any] = [
    *ABOUT,
    snapshots,
    take_snapshot,
    snapshot,
    inspect,
    configurations,
    applicability,
    applies,
    remaining,
]

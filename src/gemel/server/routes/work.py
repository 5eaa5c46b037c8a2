"""Work orders: told, moved on, visited, with the kit for exactly this serial number, and a report of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Action, Resource, ResourceKind
from gemel.configuration import Act, MachineSeen, Operation, subjects
from gemel.errors import ConfigurationDiffers, Conflict, InvalidInput, RuleBroken
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, if_match, json, onward, onward_from, time_if, time_or
from gemel.server.options import API
from gemel.server.routes.orders import may_expect, person
from gemel.server.routes.thread import of_words, sight_of, thread_of
from gemel.server.work_seen import WorkSeen
from gemel.services.work import Asked, By, Report, VisitSpec, WorkOrder, WorkQuery, WorkSpec, WorkState
from gemel.twin import Page
from gemel.work_pack import Fits, Gathering, WorkPack, fits_of, gather

__all__ = ["ROUTES"]

FLEET = needs("read", "Fleet")
"""What is told is of machines whose configuration the caller sees; a change asks `maintain` of the machine."""
DAY = 86_400_000_000


class Moved(msgspec.Struct, forbid_unknown_fields=True):
    """That an order came into a state."""

    state: WorkState
    time: int | None = None
    reason: str = ""
    concession: str = ""
    """Why work is gone to, or begun, although the machine is not safe or not as the order assumes: for whoever may
    configure."""


class OrderAnswer(WorkOrder, frozen=True, kw_only=True):
    """An order, and what the caller may do with it."""

    may: bool
    """Whether the caller may tell of it."""
    repaired_by: tuple[str, ...] = ()
    """Orders that repair what this one did."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order that was told."""

    what: str
    order: OrderAnswer


class ActUnder(msgspec.Struct, frozen=True, kw_only=True):
    """What of the configuration was changed under an order."""

    act: Act
    operation: Operation | None
    items: tuple[str, ...]


class KitPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part to bring."""

    part: str
    revision: str
    quantity: int
    slot: str
    fits: Fits
    why: str


class KitPaper(msgspec.Struct, frozen=True, kw_only=True):
    """A document to take along."""

    document: str
    title: str
    version: str
    language: str


class Kit(msgspec.Struct, frozen=True, kw_only=True):
    """What the crew needs for exactly this serial number, as its configuration is believed to be."""

    item: str
    serial: str
    hash: str
    at: int
    known: int
    skills: tuple[str, ...]
    tools: tuple[str, ...]
    parts: tuple[KitPart, ...]
    steps: tuple[str, ...]
    papers: tuple[KitPaper, ...]
    unsafe: tuple[str, ...]
    nonconformances: int
    withheld: tuple[str, ...]


def answer_of(seen: WorkSeen, order: WorkOrder) -> OrderAnswer:
    told: dict[str, Any] = {name: getattr(order, name) for name in WorkOrder.__struct_fields__}
    repairs = tuple(one.id for one in seen.work.orders.repaired_by(order.id) if seen.order(one))
    return OrderAnswer(**told, may=seen.may(order), repaired_by=repairs)


def reached(call: Call) -> None:
    call.position = max(call.position, call.services.platform.state.position)


def before(call: Call, cursor: str) -> int | None:
    """The number that a page ends before. Raises InvalidInput."""
    return int(onward_from(call, cursor)) if cursor else None


def paged(call: Call, page: Page[Any], items: list[Any]) -> dict[str, Any]:
    return plain(onward(call, Page(items, page.next)))  # type: ignore[no-any-return]  # plain makes what JSON takes


@get(
    f"{API}/work/orders", opt=FLEET | speaks(None, Page[WorkOrder], moments=True), tags=["work"], summary="Work orders"
)
async def orders(
    request: Req,
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the id, title or external id.")] = "",
    twin: Annotated[str, QueryParameter(max_length=128)] = "",
    item: Annotated[str, QueryParameter(max_length=128)] = "",
    states: Annotated[
        str,
        QueryParameter(name="state", max_length=200, description=f"Only these, with commas: {', '.join(WorkState)}."),
    ] = "",
    system: Annotated[str, QueryParameter(max_length=128)] = "",
    party: Annotated[str, QueryParameter(max_length=80)] = "",
    repairs: Annotated[str, QueryParameter(max_length=128, description="Those that repair this one.")] = "",
    start: Annotated[str, QueryParameter(max_length=40, description="RFC 3339.")] = "",
    end: Annotated[str, QueryParameter(max_length=40)] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """The newest first, without their steps and visits."""
    call = call_of(request)
    query = WorkQuery(
        q=q,
        twin=twin,
        item=item,
        states=of_words(states, WorkState, "state"),
        system=system,
        party=party,
        repairs=repairs,
        start=time_if(start),
        end=time_if(end),
        limit=limit,
        after=before(call, cursor),
    )

    def work() -> dict[str, Any]:
        page = WorkSeen(call).orders(query)
        return paged(call, page, page.items)

    return json(await call.services.reads.run(work))


@post(f"{API}/work/orders", opt=FLEET | speaks(WorkSpec, Told, moments=True), tags=["work"], summary="Tell an order")
async def put(request: Req) -> Response[bytes]:
    """A new one, or one that is known by its system and id there, or by its id: the same again is no change."""
    call = call_of(request)
    spec = understood(await decoded(request, Any), WorkSpec)
    revision = if_match(request)

    def work() -> Told:
        seen = WorkSeen(call)
        seen.permit(spec.twin, spec.item, f"work order {spec.id or spec.external}")
        known = seen.work.orders.known(spec)
        if known is not None:
            if not seen.order(known):
                raise Conflict("that id is taken by an order that is not shared with you; give yours another one")
            seen.permit(known.twin, "", f"work order {known.id}")
        else:
            seen.claim(spec.checked().id)
        if spec.expects and (known is None or spec.expects != known.expects):
            may_expect(call, spec.expects, spec.twin, spec.item)
        if known is None or spec.job != known.job:
            seen.follows(spec.job, sight_of(call))
        if spec.repairs:
            seen.found(spec.repairs)
        done = seen.work.orders.put(spec, actor=person(call.who), if_revision=revision)
        reached(call)
        return Told(what=done.what, order=answer_of(seen, seen.work.orders.get(done.order.id)))

    told = await call.services.waiting.run(work)
    return json(plain(told), status=201 if told.what == "new" else 200)


@get(
    f"{API}/work/orders/{{order:str}}",
    opt=FLEET | speaks(None, OrderAnswer, moments=True),
    tags=["work"],
    summary="One order, with its steps and visits",
)
async def order_of(request: Req, order: FromPath[str]) -> Response[bytes]:
    call = call_of(request)

    def work() -> OrderAnswer:
        seen = WorkSeen(call)
        return answer_of(seen, seen.found(order))

    return answered(request, await call.services.reads.run(work))


@post(
    f"{API}/work/orders/{{order:str}}/state",
    opt=FLEET | speaks(Moved, OrderAnswer, moments=True),
    status_code=200,
    tags=["work"],
    summary="Bring an order into a state",
)
async def move(request: Req, order: FromPath[str]) -> Response[bytes]:
    """In it already, nothing is done. What is done or cancelled stays so. A concession needs the right to configure."""
    call = call_of(request)
    given = understood(await decoded(request, Any), Moved)
    revision = if_match(request)

    def work() -> OrderAnswer:
        seen = WorkSeen(call)
        known = seen.found(order)
        seen.permit(known.twin, "" if known.twin else known.item, f"work order {known.id}: {given.state}")
        if given.concession.strip():  # as of operations
            detail = f"concede: work order {known.id}: {given.state}"
            call.services.platform.gate.require(
                call.who, Action.CONFIGURE, Resource(ResourceKind.PLATFORM), detail=detail[:300]
            )
        who = person(call.who)
        told: dict[str, Any] = {"time": given.time, "reason": given.reason, "concession": given.concession}
        with shown_to(call, known):
            seen.work.orders.move(known.id, given.state, **told, actor=who, if_revision=revision)
        reached(call)
        return answer_of(seen, seen.work.orders.get(known.id))

    return json(plain(await call.services.waiting.run(work)))


@contextmanager
def shown_to(call: Call, order: WorkOrder) -> Iterator[None]:
    """What is wrong with the machine is told to whom it may be told; to others, that something is. Raises Conflict."""
    try:
        yield
    except (RuleBroken, ConfigurationDiffers) as error:
        roots = {one.root for one in order.expects if one.root} | {order.item}
        if call.items.everything:
            raise
        if all(root and call.items.sees(root) for root in roots):
            machine = MachineSeen(call.items, call.services.platform.configuration)
            if isinstance(error, ConfigurationDiffers) or not machine.hides(order.item):
                raise
        said = f"{order.id} cannot go on: the machine is not safe, or not as the order assumes; ask whoever operates it"
        raise type(error)(said) from None


@post(
    f"{API}/work/orders/{{order:str}}/visits",
    opt=FLEET | speaks(VisitSpec, OrderAnswer, moments=True),
    status_code=200,
    tags=["work"],
    summary="Note a visit",
)
async def visit(request: Req, order: FromPath[str]) -> Response[bytes]:
    """Your own; of somebody else's it is told with the right to maintain the plant. With the key of a visit that was
    told before it is that one, as it is known now: a telephone may send it again."""
    call = call_of(request)
    spec = understood(await decoded(request, Any), VisitSpec)

    def work() -> OrderAnswer:
        seen = WorkSeen(call)
        known = seen.found(order)
        seen.permit(known.twin, "" if known.twin else known.item, f"visit of work order {known.id}")
        who = person(call.who)
        with shown_to(call, known):
            done = seen.work.orders.visit(known.id, spec, actor=who, may_speak_for=seen.speaks_for_all())
        reached(call)
        return answer_of(seen, done)

    return json(plain(await call.services.waiting.run(work)))


@get(
    f"{API}/work/orders/{{order:str}}/acts",
    opt=FLEET | speaks(None, list[ActUnder], moments=True),
    tags=["work"],
    summary="What of the configuration was changed under it",
)
async def acts(request: Req, order: FromPath[str]) -> Response[bytes]:
    """Acts whose every item is seen."""
    call = call_of(request)

    def work() -> list[ActUnder]:
        seen = WorkSeen(call)
        known = seen.found(order)
        items = call.items
        told = []
        for act, operation in seen.work.orders.acts(known.id):
            named = subjects(operation) if operation is not None else ()
            if items.everything or (named and all(items.sees(one, act.time) for one in named)):
                told.append(ActUnder(act=act, operation=operation, items=named))
        return told

    return answered(request, await call.services.reads.run(work))


@get(
    f"{API}/work/orders/{{order:str}}/kit",
    opt=FLEET | speaks(None, Kit, moments=True),
    tags=["work"],
    summary="Skills, tools and parts for exactly this serial number",
)
async def kit(request: Req, order: FromPath[str]) -> Response[bytes]:
    """From the order and its job plan, held against the machine as it is believed to be now. The work pack has it on
    paper: `GET /items/{item}/work-pack.pdf?job={order}`."""
    call = call_of(request)
    return answered(request, await call.services.slow.run(_kit, call, order))


def _kit(call: Call, id: str) -> Kit:
    seen, platform = WorkSeen(call), call.services.platform
    order = seen.found(id)
    now = platform.clock.now()
    if not order.item:
        return _unheld(order, now)
    where = Gathering(call.items, platform.configuration, thread_of(call), sight_of(call))
    pack = gather(where, order.item, order.id, now, now)
    return Kit(
        item=pack.item.id,
        serial=pack.item.serial,
        hash=pack.hash,
        at=pack.at,
        known=pack.known,
        skills=pack.skills,
        tools=pack.tools,
        parts=tuple(_parts(pack)),
        steps=pack.steps,
        papers=tuple(
            KitPaper(
                document=one.version.document,
                title=one.title,
                version=one.version.version,
                language=one.version.language,
            )
            for one in pack.papers
        ),
        unsafe=tuple(one.text for one in pack.unsafe),
        nonconformances=len(pack.nonconformances),
        withheld=pack.withheld,
    )


def _unheld(order: WorkOrder, now: int) -> Kit:
    """As the order says it: there is no configuration that it could be held against."""
    why = f"no item of {order.twin} is known; make it known: gemel item create"
    parts = [
        KitPart(part=one.part, revision=one.revision, quantity=one.quantity, slot=one.slot, fits=Fits.UNKNOWN, why=why)
        for one in order.parts
    ]
    return Kit(
        item="",
        serial="",
        hash="",
        at=now,
        known=now,
        skills=order.skills,
        tools=order.tools,
        parts=tuple(parts),
        steps=tuple(order.what.splitlines()),
        papers=(),
        unsafe=(),
        nonconformances=0,
        withheld=(),
    )


def _parts(pack: WorkPack) -> list[KitPart]:
    parts = [
        KitPart(
            part=one.part,
            revision=one.revision,
            quantity=one.quantity,
            slot="/".join(one.path),
            fits=one.fits,
            why=one.why,
        )
        for one in pack.wanted
    ]
    taken = {(one.part, one.slot) for one in parts}
    for each in pack.exchanges:
        if each.new is not None and (each.new.part, "/".join(each.path)) not in taken:
            told = each.fitting.why if each.fitting is not None else ""
            parts.append(
                KitPart(
                    part=each.new.part,
                    revision=each.new.revision,
                    quantity=each.new.quantity,
                    slot="/".join(each.path),
                    fits=fits_of(each.fitting),
                    why=f"{each.why} ({each.new.id})" + (f": {told}" if told else ""),
                )
            )
    return parts


@get(f"{API}/work/report", opt=FLEET | speaks(None, list[Report], moments=True), tags=["work"], summary="What it says")
async def report(
    request: Req,
    start: Annotated[str, QueryParameter(max_length=40, description="RFC 3339; left out: 90 days ago.")] = "",
    end: Annotated[str, QueryParameter(max_length=40, description="Left out: now.")] = "",
    twin: Annotated[str, QueryParameter(max_length=128)] = "",
    type: Annotated[str, QueryParameter(max_length=128)] = "",
    party: Annotated[str, QueryParameter(max_length=80)] = "",
    part: Annotated[str, QueryParameter(max_length=128, description="Of the item, or brought along.")] = "",
    revision: Annotated[str, QueryParameter(max_length=64)] = "",
    by: Annotated[str, QueryParameter(max_length=10, description=f"One for each {', '.join(By)}.")] = "",
) -> Response[bytes]:
    """Failed visits by cause, first-time fixes, rework by cause, failures by class, downtime and what it cost, with
    the assumptions that the cost rests on. What nobody told is counted as unknown."""
    call = call_of(request)
    if by and by not in set(By):
        raise InvalidInput(f"by={by:.20} is none of {', '.join(By)}")
    now = call.services.platform.clock.now()
    until = time_or(end, now)
    asked = Asked(
        start=time_or(start, until - 90 * DAY),
        end=until,
        twin=twin,
        type=type,
        party=party,
        part=part,
        revision=revision,
        by=By(by) if by else None,
    )

    def work() -> list[Report]:
        seen = WorkSeen(call)
        return seen.work.report(asked, seeing=seen.seeing)

    return json(plain(await call.services.slow.run(work)))


ROUTES: list[Any] = [orders, put, order_of, move, visit, acts, kit, report]

"""Offers: what is sold, machines configured by the rules, ordered, built and delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from msgspec.structs import replace

from gemel.configuration import Readiness
from gemel.errors import InvalidInput, NotFound
from gemel.server.bitemporal import plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json
from gemel.server.options import API
from gemel.server.routes.orders import key_of, person
from gemel.server.sold_seen import page_seen, sees_offer
from gemel.services.declared import Difference
from gemel.services.money import Price, Total
from gemel.services.offers import (
    Asked,
    Choice,
    Compared,
    Configured,
    Offer,
    Offers,
    OfferState,
    Promised,
    Record,
    ServicePlan,
    Step,
    Terms,
)
from gemel.twin import Page, PropertyGroup

__all__ = ["ROUTES", "reached"]

READ, FLEET = needs("read", "Platform"), needs("read", "Fleet")
SELL, BUILD = needs("configure", "Platform"), needs("maintain", "Platform")
"""Who may configure the plant sells; who may maintain it says what was built and delivered."""
Ids = FromPath[str]


class OfferView(msgspec.Struct, kw_only=True):
    """One offer, as far as the caller may see it."""

    id: str
    title: str
    state: OfferState
    part: str
    maker: str
    party: str
    machine: str
    """Id of its twin and of its item; empty until it is ordered."""
    stage: str
    """Of its twin; empty until it is ordered."""
    design_model: bool
    """It must not be called a twin yet: no as-built configuration is recorded."""
    missing: tuple[str, ...]
    """What has to be recorded before."""
    at: int | None
    """When it is to be delivered."""
    created: int
    changed: int
    built: int | None
    delivered: int | None
    conceded: str
    capabilities: tuple[str, ...]
    selection: tuple[Choice, ...]
    """What was chosen; empty in lists."""
    service: ServicePlan | None
    prices: tuple[Price, ...]
    totals: tuple[Total, ...]
    promised: list[Promised] = []
    compared: Compared | None = None
    """What was built beside what was ordered, once something was."""
    terms: Terms | None = None
    """As it was drafted, for who may draft."""
    steps: tuple[Step, ...] = ()
    withheld: tuple[str, ...] = ()
    """What of it is not shared: configuration, prices."""


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """How it is ordered; all of it may be left out."""

    machine: str = ""
    """The id that its twin and its item get."""
    concede: str = ""
    """Why a rule that asks for a concession is not kept."""


class Deliver(msgspec.Struct, forbid_unknown_fields=True):
    """When it was delivered."""

    at: int | None = None
    """Left out: now."""


class Cancel(msgspec.Struct, forbid_unknown_fields=True):
    """That it will not be built."""

    reason: str


def _offers(call: Call) -> Offers:
    return call.services.platform.offers


def reached(call: Call) -> None:
    """The answer is of what was just changed."""
    call.position = max(call.position, call.services.platform.state.position)


# what is sold


@get(f"{API}/offers/models", opt=READ, tags=["offers"], summary="What can be configured and ordered")
async def models(request: Req) -> Response[bytes]:
    """Models that are declared, and machines of the parts book that are not: those have no price."""
    call = call_of(request)
    return json(plain(await call.services.reads.run(_offers(call).sold)))


@put(
    f"{API}/offers/models",
    opt=SELL | speaks(str, list[Difference]),
    tags=["offers"],
    summary="Declare models: twin types, prices, service plans, capabilities",
)
async def declare(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False
) -> list[Difference]:
    """A document (YAML or JSON, `models: [...]`). What it does not name stays as it is."""
    call = call_of(request)
    text = await text_of(request, "models")
    told = await call.services.waiting.run(
        lambda: _offers(call).models.apply(text, dry_run=dry_run, actor=person(call.who))
    )
    reached(call)
    return told


async def text_of(request: Req, what: str) -> str:
    """The body of a document. Raises InvalidInput."""
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("the body is not UTF-8; save the document as UTF-8") from error
    if not text.strip():
        raise InvalidInput(f"the body is empty; send a document with {what}, in YAML or JSON")
    return text


@delete(
    f"{API}/offers/models/{{part:str}}",
    opt=SELL,
    status_code=204,
    tags=["offers"],
    summary="Sell a model no more",
)
async def withdraw(request: Req, part: Ids) -> None:
    call = call_of(request)
    await call.services.waiting.run(lambda: _offers(call).models.withdraw(part, actor=person(call.who)))


@post(
    f"{API}/offers/configure",
    opt=needs("read", "TwinType") | speaks(Asked, Configured, moments=True),
    status_code=200,
    tags=["offers"],
    summary="What the rules say of a choice, and what may be chosen besides",
)
async def configure(request: Req) -> Response[bytes]:
    """Nothing is kept. With `fill`, what is mandatory and not chosen is chosen where something fits."""
    call = call_of(request)
    asked = understood(await decoded(request, Any), Asked)
    return json(plain(await call.services.slow.run(_offers(call).configure, asked)))


# offers


@post(f"{API}/offers", opt=SELL | speaks(Terms, OfferView, moments=True), tags=["offers"], summary="Draft an offer")
async def draft(request: Req) -> Response[bytes]:
    """Nothing is ordered yet."""
    call = call_of(request)
    given = understood(await decoded(request, Any), Terms)
    given = replace(given, key=key_of(call, given.key))
    made = await call.services.waiting.run(lambda: _offers(call).draft(given, actor=person(call.who)))
    return await _told(call, made, status=201)


@get(
    f"{API}/offers",
    opt=FLEET | speaks(None, Page[OfferView], moments=True),
    tags=["offers"],
    summary="Offers, the newest first",
)
async def offers(
    request: Req,
    states: Annotated[
        list[OfferState] | None, QueryParameter(description=", ".join(OfferState) + "; may repeat.")
    ] = None,
    party: Annotated[str | None, QueryParameter(max_length=64, description="Only for this organisation.")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Of machines whose configuration the caller may see; drafts only to the operating organisation."""
    call = call_of(request)

    def read(count: int, before: int) -> Page[Offer]:
        return _offers(call).all(states=states or (), party=party, limit=count, before=before)

    def work() -> Page[OfferView]:
        page = page_seen(read, sees_offer, call, limit=limit, cursor=cursor)
        return Page([_view(call, one, whole=False) for one in page.items], page.next)

    return json(plain(await call.services.reads.run(work)))


@get(
    f"{API}/offers/{{offer:str}}",
    opt=FLEET | speaks(None, OfferView, moments=True),
    tags=["offers"],
    summary="One offer: what was ordered, what was built, what is promised",
)
async def offer_of(request: Req, offer: Ids) -> Response[bytes]:
    call = call_of(request)
    return json(plain(await call.services.reads.run(lambda: _view(call, _found(call, offer)))))


@put(
    f"{API}/offers/{{offer:str}}",
    opt=SELL | speaks(Terms, OfferView, moments=True),
    tags=["offers"],
    summary="Draft it anew",
)
async def change(request: Req, offer: Ids) -> Response[bytes]:
    given = understood(await decoded(request, Any), Terms)
    return await _changed(request, lambda rooms, who: rooms.change(offer, given, actor=who))


VERB: dict[str, Any] = {"status_code": 200, "tags": ["offers"]}


@post(
    f"{API}/offers/{{offer:str}}/order",
    opt=SELL | speaks(Order, OfferView, moments=True),
    summary="Order it: its planned twin is there from then on",
    **VERB,
)
async def order(request: Req, offer: Ids) -> Response[bytes]:
    """Refused (409 rule-broken, with the findings) where a choice breaks a rule."""
    given = await decoded(request, Order, optional=True)
    return await _changed(
        request, lambda rooms, who: rooms.order(offer, machine=given.machine, concede=given.concede, actor=who)
    )


@post(
    f"{API}/offers/{{offer:str}}/build",
    opt=BUILD | speaks(Record, OfferView, moments=True),
    summary="It was built, and of what: the as-built record beside the order",
    **VERB,
)
async def build(request: Req, offer: Ids) -> Response[bytes]:
    """Without pieces, the record was made before, by operations or a load. What differs from the order is recorded."""
    given = understood(await decoded(request, dict[str, Any], optional=True), Record)
    return await _changed(request, lambda rooms, who: rooms.build(offer, given, actor=who))


@post(
    f"{API}/offers/{{offer:str}}/deliver",
    opt=BUILD | speaks(Deliver, OfferView, moments=True),
    summary="It was delivered: its promises begin",
    **VERB,
)
async def deliver(request: Req, offer: Ids) -> Response[bytes]:
    given = understood(await decoded(request, dict[str, Any], optional=True), Deliver)
    return await _changed(request, lambda rooms, who: rooms.deliver(offer, at=given.at, actor=who))


@post(
    f"{API}/offers/{{offer:str}}/cancel",
    opt=SELL | speaks(Cancel, OfferView, moments=True),
    summary="It will not be built; its twin retires and stays known",
    **VERB,
)
async def cancel(request: Req, offer: Ids) -> Response[bytes]:
    given = await decoded(request, Cancel)
    return await _changed(request, lambda rooms, who: rooms.cancel(offer, given.reason, actor=who))


async def _changed(request: Req, work: Callable[[Offers, str], Offer]) -> Response[bytes]:
    call = call_of(request)
    done = await call.services.waiting.run(lambda: work(_offers(call), person(call.who)))
    return await _told(call, done)


async def _told(call: Call, offer: Offer, *, status: int = 200) -> Response[bytes]:
    reached(call)
    return json(plain(await call.services.reads.run(lambda: _view(call, offer))), status=status)


def _found(call: Call, id: str) -> Offer:
    """Raises NotFound, also where it may not be seen."""
    offer = _offers(call).get(id)
    if not sees_offer(call, offer):
        raise NotFound(f"there is no offer {id!r:.60}; `gemel offers` lists them")
    return offer


def _view(call: Call, offer: Offer, *, whole: bool = True) -> OfferView:
    shown, rooms = call.view.projection, _offers(call)
    entry = call.view.find(offer.item) if offer.item else None
    configuration, prices = sees_offer(call, offer), sees_offer(call, offer, PropertyGroup.FINANCIAL)
    ready: Readiness | None = rooms.readiness(offer)
    ordered = offer.state in (OfferState.ORDERED, OfferState.BUILT, OfferState.DELIVERED)
    service = offer.service
    if service is not None and not prices:
        service = replace(service, prices=(), metering=())
    promised = rooms.promised(replace(offer, service=service)) if whole else []
    steps: Sequence[Step] = offer.steps if shown is None else [replace(s, actor="", detail="") for s in offer.steps]
    withheld = [name for name, is_told in (("configuration", configuration), ("prices", prices)) if not is_told]
    return OfferView(
        id=offer.id,
        title=offer.title,
        state=offer.state,
        part=offer.part,
        maker=offer.maker,
        party=offer.party,
        machine=offer.item,
        stage="" if entry is None else str(call.view.twin(offer.item).stage),
        design_model=bool(offer.item) and (ready is None or not ready.twin),
        missing=ready.missing if ready is not None and configuration else (),
        at=offer.terms.asked.at,
        created=offer.created,
        changed=offer.changed,
        built=offer.built,
        delivered=offer.delivered,
        conceded=offer.conceded if shown is None else "",
        capabilities=offer.terms.capabilities,
        selection=offer.selection if whole and configuration else (),
        service=service,
        prices=offer.prices if whole and prices else (),
        totals=offer.totals if prices else (),
        promised=promised,
        compared=rooms.compared(offer) if whole and configuration and ordered else None,
        terms=offer.terms if whole and shown is None else None,
        steps=tuple(steps),
        withheld=tuple(withheld),
    )


ROUTES = [
    models,
    declare,
    withdraw,
    configure,
    draft,
    offers,
    offer_of,
    change,
    order,
    build,
    deliver,
    cancel,
]

"""How configurations are kept up: promises and how they stand, snapshots, events that become operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Action, Resource, ResourceKind
from gemel.configuration import (
    FOREVER,
    Difference,
    Every,
    MachineSeen,
    Promise,
    Refusal,
    Snapshot,
    Translation,
    UpkeepStanding,
)
from gemel.errors import InvalidInput, NotFound
from gemel.server.bitemporal import answered, plain
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Number, Req, decoded, json, onward, onward_from
from gemel.server.options import API
from gemel.server.routes.orders import person
from gemel.twin import Page

__all__ = ["ROUTES"]

READ = needs("read", "Fleet")
INSIDE, MAINTAIN, CONFIGURE = needs("read"), needs("maintain"), needs("configure")
STATES = ("open", "done", "discarded")


# promises


class Upheld(msgspec.Struct, frozen=True, kw_only=True):
    """How one configuration is kept up, and how well."""

    standing: UpkeepStanding
    """With an empty promise where nothing is promised."""
    last_snapshot: Snapshot | None
    events: tuple[str, ...] | None
    """The translations by which events of its twin become operations; null for whoever may not see them."""
    refused: int | None
    """So many events of its twin could not become operations."""
    may: bool
    """Say what is promised of it."""


class NewPromise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is promised from now on; nothing of it ends it."""

    within_days: float = 0.0
    every: Every = Every.NEVER


@get(
    f"{API}/upkeep",
    opt=READ | speaks(None, Page[UpkeepStanding], moments=True),
    tags=["items"],
    summary="What is promised of configurations, and how it stands",
)
async def promises(
    request: Req,
    broken: Annotated[bool, QueryParameter(description="Only promises that are broken.")] = False,
    q: Annotated[str, QueryParameter(max_length=200, description="Part of the id, the part or the serial.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """In the order of their ids; `broken`: an answer may have fewer than were asked for, and still a cursor."""
    call = call_of(request)
    last = onward_from(call, cursor)

    def ask() -> Page[UpkeepStanding]:
        items = call.items
        numbers = items.read(lambda tx: items.numbers(tx, items.now(), FOREVER - 1))
        seen = None if numbers is None else frozenset(numbers)
        configuration = call.services.platform.configuration
        page = configuration.upkeep.page(after=last, limit=limit, broken=broken, q=q.strip(), seen=seen)
        machine = MachineSeen(items, configuration)
        return onward(call, Page([machine.standing(one) for one in page.items], page.next))

    return json(plain(await call.services.slow.run(ask)))


@get(
    f"{API}/items/{{item:str}}/upkeep",
    opt=READ | speaks(None, Upheld, moments=True),
    tags=["items"],
    summary="How it is kept up: what is promised of it, how old its confirmation is, what comes next",
)
async def of_item(request: Req, item: FromPath[str]) -> Response[bytes]:
    """`state`: kept, broken, or never (a slot that must be filled was never confirmed)."""
    call = call_of(request)
    return answered(request, await call.services.reads.run(_upheld, call, item))


def _upheld(call: Call, item: str) -> Upheld:
    call.items.require(item)
    platform = call.services.platform
    configuration, allows = platform.configuration, platform.gate.allows
    whole = allows(call.who, Action.READ, Resource(ResourceKind.PLATFORM))
    twin = call.items.item(item).item.twin if whole else ""
    entry = platform.registry.directory.twin(twin) if twin else None
    types = set() if entry is None else set(entry.types)
    events = tuple(
        one.id
        for one in (configuration.translations.all() if entry is not None else ())
        if one.enabled and (not one.types or types & set(one.types))
    )
    taken = [one for one in configuration.snapshots.of(item) if call.items.sees(item, one.valid)]
    return Upheld(
        standing=MachineSeen(call.items, configuration).standing(configuration.upkeep.of(item)),
        last_snapshot=taken[-1] if taken else None,
        events=events if whole else None,
        refused=configuration.translations.refused(twin) if whole and twin else None,
        may=allows(call.who, Action.CONFIGURE, Resource(ResourceKind.PLATFORM)),
    )


@put(
    f"{API}/items/{{item:str}}/upkeep",
    opt=CONFIGURE | speaks(NewPromise, Upheld, moments=True),
    tags=["items"],
    summary="Promise how up to date its configuration is, and how often snapshots of it are taken",
)
async def promise(request: Req, item: FromPath[str]) -> Response[bytes]:
    """`within_days` 0: nothing is promised. `every`: month, quarter, year, or empty: none by themselves."""
    call, given = call_of(request), await decoded(request, NewPromise)
    upkeep = call.services.platform.configuration.as_(person(call.who)).upkeep
    said = Promise(root=item, within_days=given.within_days, every=given.every)
    await call.services.waiting.run(upkeep.promise, said)
    return json(plain(await call.services.reads.run(_upheld, call, item)))


@get(
    f"{API}/snapshots/{{number:int}}/difference",
    opt=READ | speaks(None, list[Difference], moments=True),
    tags=["items"],
    summary="What changed since a snapshot",
)
async def changed(
    request: Req,
    number: Number,
    to: Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="Another snapshot; left out: now.")] = 0,
) -> Response[bytes]:
    """`before` and `after` of each slot that holds something else, or the same at another revision."""
    call = call_of(request)

    def ask() -> list[Difference]:
        kept = call.services.platform.configuration.snapshots
        for one in (number, to) if to else (number,):
            found = kept.get(one)
            if not call.items.sees(found.root, found.valid):
                raise NotFound(f"there is no snapshot {one}")
        if not to:
            call.items.require(kept.get(number).root)
        return kept.difference(number, to or None)

    return answered(request, await call.services.reads.run(ask))


# events that become operations


@get(f"{API}/translations", opt=INSIDE, tags=["items"], summary="Which events become which operations")
async def translations(request: Req) -> Response[bytes]:
    call = call_of(request)
    return json(_shown(await call.services.reads.run(call.services.platform.configuration.translations.all)))


@put(
    f"{API}/translations/{{translation:str}}",
    opt=CONFIGURE | speaks(Translation, Translation),
    tags=["items"],
    summary="Say which event becomes which operation",
)
async def translate(request: Req, translation: FromPath[str]) -> Response[bytes]:
    """From now on. `"$name"` stands for a field of the event, `$item` for the machine whose twin told it."""
    call, given = call_of(request), await decoded(request, dict[str, Any])
    if given.setdefault("id", translation) != translation:
        raise InvalidInput(f"the body is about {given['id']!r:.80}, the address about {translation!r:.80}")
    given.pop("since", None)
    try:
        said = msgspec.convert(given, Translation)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the body is no translation: {error!s:.300}") from error
    book = call.services.platform.configuration.as_(person(call.who)).translations
    await call.services.waiting.run(book.declare, said)
    (kept,) = [one for one in await call.services.reads.run(book.all) if one.id == translation]
    return json(_shown(kept))


def _shown(told: Any) -> Any:
    """As it is taken: places of fields are no moments."""
    return msgspec.to_builtins(told)


@delete(
    f"{API}/translations/{{translation:str}}",
    opt=CONFIGURE,
    status_code=204,
    tags=["items"],
    summary="Translate an event no more",
)
async def untranslate(request: Req, translation: FromPath[str]) -> None:
    call = call_of(request)
    book = call.services.platform.configuration.as_(person(call.who)).translations
    await call.services.waiting.run(book.remove, translation)


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event that a translation is tried with, and the translation as it would be."""

    translation: Translation
    twin: str
    fields: dict[str, Any] = {}


@post(
    f"{API}/translations/try",
    opt=CONFIGURE | speaks(Event, list[Any], moments=True),
    status_code=200,
    tags=["items"],
    summary="Which operations an event would become; nothing is written",
)
async def attempt(request: Req) -> Response[bytes]:
    """As if it happened now: items that would be made first. An error says why none would come of it."""
    call, given = call_of(request), await decoded(request, Event)
    book = call.services.platform.configuration.translations
    tried = call.services.reads.run(book.operations, given.translation, given.twin, given.fields)
    return json(plain(await tried))


@get(
    f"{API}/refusals",
    opt=INSIDE | speaks(None, Page[Refusal], moments=True),
    tags=["items"],
    summary="Events of which no operation came, and why",
)
async def refusals(
    request: Req,
    of: Annotated[str, QueryParameter(name="state", max_length=16, description=", ".join(STATES))] = "open",
    twin: Annotated[str, QueryParameter(max_length=128, description="Only of this twin.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """The oldest first."""
    call = call_of(request)
    last = int(onward_from(call, cursor) or 0)
    if of not in STATES:
        raise InvalidInput(f"state={of:.40} is none of {', '.join(STATES)}")
    book = call.services.platform.configuration.translations

    def ask() -> Page[Refusal]:
        return book.refusals(state=of, twin=twin, limit=limit, after=last)

    page = await call.services.reads.run(ask)
    return json(plain(onward(call, page)))


@post(
    f"{API}/refusals/{{number:int}}/retry",
    opt=MAINTAIN | speaks(None, Refusal, moments=True),
    status_code=200,
    tags=["items"],
    summary="Try an event again, with the translation as it is now",
)
async def retry(request: Req, number: Number) -> Response[bytes]:
    """An error says what still stands against it."""
    call = call_of(request)
    book = call.services.platform.configuration.as_(person(call.who)).translations
    return await _ended(call, book.retry, number)


@post(
    f"{API}/refusals/{{number:int}}/discard",
    opt=MAINTAIN | speaks(None, Refusal, moments=True),
    status_code=200,
    tags=["items"],
    summary="Let an event become no operation",
)
async def discard(request: Req, number: Number) -> Response[bytes]:
    call = call_of(request)
    book = call.services.platform.configuration.as_(person(call.who)).translations
    return await _ended(call, book.discard, number)


async def _ended(call: Call, verb: Callable[[int], Refusal], number: int) -> Response[bytes]:
    return json(plain(await call.services.waiting.run(verb, number)))


ROUTES: list[Any] = [
    promises,
    of_item,
    promise,
    changed,
    translations,
    translate,
    untranslate,
    attempt,
    refusals,
    retry,
    discard,
]

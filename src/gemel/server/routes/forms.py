"""Forms: declared, offered where they apply, filled in beside the machine, and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.clock import parse_time
from gemel.errors import GemelError, InvalidInput, NotFound, TooLarge
from gemel.server.bitemporal import plain, understood
from gemel.server.call import Call, call_of
from gemel.server.forms_seen import FormsSeen
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, json, onward, onward_from
from gemel.server.options import API
from gemel.server.problems import document_of
from gemel.server.routes.offers import reached, text_of
from gemel.server.routes.orders import key_of, person
from gemel.services.declared import Difference
from gemel.services.forms import Filled, FilledQuery, Filling, Form, Offered
from gemel.twin import Page

__all__ = ["ROUTES"]

READ, FLEET, DECLARE = needs("read", "Platform"), needs("read", "Fleet"), needs("configure", "Platform")
AT_ONCE = 200
"""Filled forms that are handed in together."""
LOOKED = 100
"""So many are read at least, however small the page: few of them may be seen."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A form, and which version of it is told."""

    form: Form
    version: int


class OfferedAnswer(Offered, frozen=True, kw_only=True):
    """A form that may be filled in somewhere."""

    may: bool
    """Whether the caller may."""


class FilledAnswer(Filled, frozen=True, kw_only=True):
    """With the form as it was then."""

    asked: Form


class Taken(msgspec.Struct, kw_only=True):
    """What became of one of many."""

    filled: Filled | None = None
    problem: dict[str, Any] | None = None
    """As the answer to this one alone would have been."""


@get(f"{API}/forms", opt=READ | speaks(None, list[Declared]), tags=["forms"], summary="Forms that are declared")
async def forms(request: Req) -> Response[bytes]:
    room = call_of(request).services.platform.forms

    def work() -> list[Declared]:
        versions = room.versions()
        return [Declared(form=one, version=versions.get(one.id, 1)) for one in room.declared.all().values()]

    return json(plain(await call_of(request).services.reads.run(work)))


@put(f"{API}/forms", opt=DECLARE | speaks(str, list[Difference]), tags=["forms"], summary="Declare forms")
async def declare(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False
) -> list[Difference]:
    """A document (YAML or JSON, `forms: [...]`). What it does not name stays as it is; a changed form is a new version,
    and what was filled in keeps its own."""
    call = call_of(request)
    text = await text_of(request, "forms")
    declared = call.services.platform.forms.declared
    told = await call.services.waiting.run(lambda: declared.apply(text, dry_run=dry_run, actor=person(call.who)))
    reached(call)
    return told


@get(
    f"{API}/forms/{{form:str}}",
    opt=READ | speaks(None, Declared),
    tags=["forms"],
    summary="One form, as it is or as a version of it was",
)
async def form_of(
    request: Req, form: FromPath[str], version: Annotated[int | None, QueryParameter(ge=1, le=1_000_000)] = None
) -> Response[bytes]:
    call = call_of(request)
    found, number = await call.services.reads.run(call.services.platform.forms.version, form, version)
    return json(plain(Declared(form=found, version=number)))


@delete(
    f"{API}/forms/{{form:str}}",
    opt=DECLARE,
    status_code=204,
    tags=["forms"],
    summary="Offer it no more; what was filled in stays",
)
async def withdraw(request: Req, form: FromPath[str]) -> None:
    call = call_of(request)
    declared = call.services.platform.forms.declared
    await call.services.waiting.run(lambda: declared.withdraw(form, actor=person(call.who)))


@get(
    f"{API}/items/{{item:str}}/forms",
    opt=FLEET | speaks(None, list[OfferedAnswer], moments=True),
    tags=["forms"],
    summary="The forms that may be filled in at an item, and how they were last",
)
async def of_item(request: Req, item: FromPath[str]) -> Response[bytes]:
    """By its part, revision, slot and twin, the serial number of the machine, and its open work orders."""
    call = call_of(request)
    return json(plain(await call.services.reads.run(lambda: _answers(call, item, ""))))


@get(
    f"{API}/twins/{{twin:str}}/forms",
    opt=needs("read", "Twin", id_in="twin") | speaks(None, list[OfferedAnswer], moments=True),
    tags=["forms"],
    summary="The forms that may be filled in at a twin, or at its item",
)
async def of_twin(request: Req, twin: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    return json(plain(await call.services.reads.run(lambda: _answers(call, "", twin))))


def _answers(call: Call, item: str, twin: str) -> list[OfferedAnswer]:
    seen = FormsSeen(call)
    found = seen.offered(item=item, twin=twin)
    return _with(found, bool(found) and seen.may(item, twin))


def _with(offered: Sequence[Offered], may: bool) -> list[OfferedAnswer]:
    names = Offered.__struct_fields__
    return [OfferedAnswer(**{name: getattr(one, name) for name in names}, may=may) for one in offered]


@get(
    f"{API}/work/orders/{{order:str}}/forms",
    opt=FLEET | speaks(None, list[OfferedAnswer], moments=True),
    tags=["forms"],
    summary="The forms of a work order's job plan, and whether they are filled in",
)
async def of_order(request: Req, order: FromPath[str]) -> Response[bytes]:
    call = call_of(request)

    def work() -> list[OfferedAnswer]:
        seen = FormsSeen(call)
        found = seen.of_order(order)
        told = call.services.platform.work.orders.get(order)
        return _with(found, bool(found) and seen.may(told.item, told.twin))

    return json(plain(await call.services.reads.run(work)))


@post(
    f"{API}/filled-forms",
    opt=FLEET | speaks(Filling, Filled, moments=True),
    tags=["forms"],
    summary="Hand in a form that was filled in",
)
async def fill(
    request: Req, dry_run: Annotated[bool, QueryParameter(description="Only check it.")] = False
) -> Response[bytes]:
    """One, or a list of them: then each is taken by itself, and has its own `{filled}` or `{problem}`. All of one is
    taken, or nothing; with the same `key` once, however often it is told. Files are `{name, data}`, base64. Needs the
    right to maintain the machine, and to write the properties that answers are readings of."""
    call = call_of(request)
    given = await decoded(request, Any)
    many = isinstance(given, list)
    all_: list[Any] = given if isinstance(given, list) else [given]
    if len(all_) > AT_ONCE:
        raise TooLarge(f"{len(all_):,} forms are more than {AT_ONCE}; hand them in in parts")
    key = "" if many else key_of(call, "")
    told = await call.services.waiting.run(lambda: [_taken(call, one, key, dry_run=dry_run) for one in all_])
    reached(call)
    if many:
        return json(plain([_as_answer(one) for one in told]), status=200)
    (one,) = told
    if isinstance(one, GemelError):
        raise one
    return json(plain(one), status=200 if dry_run else 201)


def _taken(call: Call, given: Any, key: str, *, dry_run: bool) -> Filled | GemelError:
    try:
        seen = FormsSeen(call)
        filling = seen.permit(_filling(given, key))
        done = seen.forms.fill(filling, actor=person(call.who), dry_run=dry_run)
        return seen.shown(done) or done
    except GemelError as error:
        return error


def _filling(given: Any, key: str) -> Filling:
    """Answers are as they are given: a field may have the name of a moment. Raises InvalidInput."""
    if not isinstance(given, Mapping) or not isinstance(answers := given.get("answers"), dict):
        raise InvalidInput("a filled form is {form, item or twin, answers: {…}, at?}")
    rest = {name: one for name, one in given.items() if name != "answers"}
    if isinstance(at := rest.get("at"), str):
        rest["at"] = parse_time(at)
    filling = understood({**rest, "answers": {}}, Filling)
    return msgspec.structs.replace(filling, answers=answers, key=filling.key or key)


def _as_answer(one: Filled | GemelError) -> Taken:
    return Taken(problem=document_of(one)) if isinstance(one, GemelError) else Taken(filled=one)


@get(
    f"{API}/filled-forms",
    opt=FLEET | speaks(None, Page[Filled], moments=True),
    tags=["forms"],
    summary="Forms that were filled in, the newest first",
)
async def filled(
    request: Req,
    form: Annotated[str, QueryParameter(max_length=128)] = "",
    item: Annotated[str, QueryParameter(max_length=128)] = "",
    twin: Annotated[str, QueryParameter(max_length=128)] = "",
    order: Annotated[str, QueryParameter(max_length=128, description="Under this work order.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[bytes]:
    """Of machines that the caller sees; what is not told of one is left out, and `withheld` says so."""
    call = call_of(request)
    before = int(onward_from(call, cursor)) if cursor else None
    query = FilledQuery(form=form, item=item, twin=twin, order=order, before=before)
    return json(plain(await call.services.reads.run(_page, call, query, limit)))


def _page(call: Call, query: FilledQuery, limit: int) -> Page[Filled]:
    """It is full, or the last, so that it says nothing of those that may not be seen."""
    seen, found = FormsSeen(call), list[Filled]()
    before, more = query.before, True
    while more and len(found) <= limit:
        asked = msgspec.structs.replace(query, before=before, limit=max(limit + 1, LOOKED))
        page = seen.forms.filled(asked)
        told = [one for each in page.items if (one := seen.shown(each)) is not None]
        found += [
            one for one in told if one.order == (query.order or one.order) and one.twin == (query.twin or one.twin)
        ]
        before, more = int(page.next) if page.next else None, page.next is not None
    items = found[:limit]
    return onward(call, Page(items, str(items[-1].number) if len(found) > limit else None))


@get(
    f"{API}/filled-forms/{{filled:str}}",
    opt=FLEET | speaks(None, FilledAnswer, moments=True),
    tags=["forms"],
    summary="One form that was filled in, with what was asked",
)
async def filled_one(request: Req, filled: FromPath[str]) -> Response[bytes]:
    call = call_of(request)

    def work() -> FilledAnswer:
        seen = FormsSeen(call)
        told = seen.shown(seen.forms.get(filled))
        if told is None:
            raise NotFound(f"there is no filled form {filled!r:.60}; `gemel forms filled` lists them")
        form, _ = seen.forms.version(told.form, told.version)
        if told.withheld and not told.answers:
            form = msgspec.structs.replace(form, fields=())
        names = Filled.__struct_fields__
        return FilledAnswer(**{name: getattr(told, name) for name in names}, asked=seen.form(form))

    return json(plain(await call.services.reads.run(work)))


ROUTES = [forms, declare, form_of, withdraw, of_item, of_twin, of_order, fill, filled, filled_one]

"""From the thing to its page: QR codes to stick on it, and what a scanned or typed code means."""

from __future__ import annotations

import io
import re
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

import msgspec
import segno
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.errors import InvalidInput
from gemel.registry import TwinQuery
from gemel.server.call import Call, call_of
from gemel.server.guard import needs
from gemel.server.http import Req
from gemel.server.options import API
from gemel.twin import Twin

__all__ = ["ROUTES", "meanings"]

READ = needs("read", "Fleet")
MOST = 50
_PAGE = re.compile(r"/(twins|items)/([^/]+)/?$")
_ELEMENT = re.compile(r"\((01|10|21|8004)\)([^(\x1d]{1,90})")
_DIGITAL_LINK = re.compile(r"/(01|10|21|8004)/([^/]{1,90})")
"""GS1: 01 part (GTIN), 10 lot, 21 serial number, 8004 asset (GIAI); General Specifications 3, Digital Link URI 4."""
ASSET, PART, SERIAL = "8004", "01", "21"


class Candidate(msgspec.Struct, kw_only=True):
    """Something that a code may mean."""

    kind: str
    """twin or item."""
    id: str
    title: str
    """Name of the twin, part number of the item."""
    serial: str
    by: str
    """id, name (another one), serial or link: what of the code led here."""
    root: str = ""
    """Of an item: the machine or store that it is in now."""
    path: tuple[str, ...] = ()
    href: str
    """Its page."""


class Meaning(msgspec.Struct):
    """What a code means: exactly one thing, several that one has to choose from, or nothing."""

    code: str
    candidates: list[Candidate]


def meanings(code: str) -> list[tuple[str, str]]:
    """What to look for, as (by, text), the surest first: a page's id, the asset or serial number of a GS1 code, or the
    code as it is."""
    if page := _PAGE.search(urlsplit(code).path if "://" in code else ""):
        return [(f"link:{page[1]}", unquote(page[2]))]
    told = dict(_ELEMENT.findall(code))
    if not told and "://" in code:
        told = {key: unquote(value) for key, value in _DIGITAL_LINK.findall(urlsplit(code).path)}
    if ASSET in told:
        return [("name", told[ASSET].strip())]
    if SERIAL in told:
        return [("serial", told[SERIAL].strip()), ("name", code)]
    if PART in told:
        return [("name", told[PART].strip()), ("name", code)]
    return [("id", code)]


@get(f"{API}/find", opt=READ, tags=["items"], summary="What a code means: a scanned label, a serial number, a name")
async def find(
    request: Req,
    code: Annotated[str, QueryParameter(max_length=500, description="Id, alias, serial or asset number, GS1, QR.")],
) -> Meaning:
    """One candidate: that is it. Several (the serial number of two makers): choose."""
    if not code.strip():
        raise InvalidInput("there is no code; scan a label, or type a serial number")
    call = call_of(request)
    return Meaning(code, await call.services.reads.run(_candidates, call, code.strip()))


def _candidates(call: Call, code: str) -> list[Candidate]:
    found: dict[tuple[str, str], Candidate] = {}
    for by, text in meanings(code):
        if by != "link:items":
            for one in _twins(call, text, by):
                found.setdefault((one.kind, one.id), one)
        if by != "link:twins":
            for one in _items(call, text, by):
                found.setdefault((one.kind, one.id), one)
    return list(found.values())[:MOST]


def _twins(call: Call, text: str, by: str) -> list[Candidate]:
    view, twins = call.view, list[Twin]()
    if (entry := view.find(text)) is not None:
        twins.append(view.twin(entry.id))
    if not by.startswith("link"):
        twins += view.search(TwinQuery(serial=text, retired=True, limit=MOST)).items
    return [
        Candidate(
            kind="twin",
            id=twin.id,
            title=twin.name or twin.id,
            serial=twin.serial,
            by="link" if by.startswith("link") else _by(text, twin.id, twin.serial),
            href=f"/twins/{quote(twin.id, safe='')}",
        )
        for twin in {twin.id: twin for twin in twins}.values()
    ]


def _items(call: Call, text: str, by: str) -> list[Candidate]:
    found = call.items.called(text)
    if by.startswith("link"):
        found = [one for one in found if one.item.id == text]
    return [
        Candidate(
            kind="item",
            id=one.item.id,
            title=one.item.part,
            serial=one.item.serial,
            by="link" if by.startswith("link") else _by(text, one.item.id, one.item.serial),
            root=one.root,
            path=one.path,
            href=f"/items/{quote(one.item.id, safe='')}",
        )
        for one in found
    ]


def _by(text: str, id: str, serial: str) -> str:
    return "id" if text == id else "serial" if text == serial else "name"


@get(f"{API}/items/{{item:str}}/qr.svg", opt=READ, tags=["items"], summary="A QR code that leads to its page")
async def item_code(request: Req, item: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    found = await call.services.reads.run(call.items.item, item)
    return _code(request, f"/items/{quote(found.item.id, safe='')}")


@get(
    f"{API}/twins/{{twin:str}}/qr.svg",
    opt=needs("read", "Twin", id_in="twin"),
    tags=["twins"],
    summary="A QR code that leads to its page",
)
async def twin_code(request: Req, twin: FromPath[str]) -> Response[bytes]:
    return _code(request, f"/twins/{quote(call_of(request).view.entry(twin).id, safe='')}")


def _code(request: Req, page: str) -> Response[bytes]:
    """Error correction Q: a quarter of it may be dirty or torn off."""
    made, drawn = segno.make(str(request.base_url).rstrip("/") + page, error="q", micro=False), io.BytesIO()
    made.save(drawn, kind="svg", scale=8, border=4, light="#fff", xmldecl=False, title=page)
    return Response(drawn.getvalue(), media_type="image/svg+xml")


ROUTES: list[Any] = [find, item_code, twin_code]

"""One-time links: who is invited, or has lost a password, sets one."""

from __future__ import annotations

import msgspec
from litestar import post

from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, needs, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API
from gemel.server.routes.sign_in import noted, root_of

__all__ = ["ROUTES"]


class NewLink(msgspec.Struct, forbid_unknown_fields=True):
    """For whom."""

    user: str


class LinkMade(msgspec.Struct):
    """A one-time link; `secret` is shown this once."""

    user: str
    secret: str
    address: str
    """Where the person goes to; the part after # is not sent to any server."""
    ends: str


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """The secret of a link."""

    secret: str


class Used(msgspec.Struct, forbid_unknown_fields=True):
    """The secret of a link, and the password that the person has chosen."""

    secret: str
    password: str


class LinkView(msgspec.Struct):
    """Whose a link is."""

    name: str
    kind: str
    """invitation or reset."""


@post(
    f"{API}/links",
    opt=needs("administer", "Identity") | speaks(NewLink),
    tags=["access"],
    summary="A one-time link with which a person sets a password",
)
async def add_link(request: Req) -> LinkMade:
    """An invitation for who has none yet, for seven days; else a new password, for one day."""
    call, given = call_of(request), await decoded(request, NewLink)
    gate = call.services.platform.gate
    account = gate.accounts.get(given.user)
    secret, ends = await call.services.waiting.run(gate.links.make, account, actor=call.who.id)
    return LinkMade(account.id, secret, f"{root_of(request)}/welcome#{secret}", rfc3339(ends))


@post(f"{API}/links/look", opt=PUBLIC | speaks(Given), status_code=200, tags=["access"], summary="Whose a link is")
async def look_link(request: Req) -> LinkView:
    call, given = call_of(request), await decoded(request, Given)
    account, kind = await call.services.waiting.run(call.services.platform.gate.links.look, given.secret)
    return LinkView(account.name, kind)


@post(
    f"{API}/links/use",
    opt=PUBLIC | speaks(Used),
    status_code=204,
    tags=["access"],
    summary="Set a password with a one-time link",
)
async def use_link(request: Req) -> None:
    """The link is spent, and earlier sessions end; then sign in."""
    call, given = call_of(request), await decoded(request, Used)
    gate = call.services.platform.gate
    account = await call.services.waiting.run(gate.links.use, given.secret, given.password)
    noted(call, "password", account.id, allowed=True)


ROUTES = [add_link, look_link, use_link]

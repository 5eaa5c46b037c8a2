"""API tokens of programs."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from gemel.access import Selector, Token
from gemel.clock import parse_time
from gemel.server.call import call_of
from gemel.server.encode import rfc3339, rfc3339_or_none
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, page_of
from gemel.server.options import API
from gemel.server.routes.users import ADMINISTER
from gemel.twin import Page

__all__ = ["ROUTES"]


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token for a program."""

    name: str
    role: str | None = None
    """The highest it acts in; viewer if left out, none for the service of a party. Never more than its owner's."""
    expires: str | None = None
    """RFC 3339; null: it has no end."""
    owner: str = ""
    """The user or service it acts for; empty: oneself."""
    actions: list[str] = []
    """The only ones it is for; empty: all that its owner may do."""
    selector: Selector | None = None
    """The only twins it is for."""


class TokenView(msgspec.Struct):
    """A token, without its secret."""

    id: str
    name: str
    role: str
    owner: str
    created: str
    expires: str | None
    last_used: str | None
    actions: list[str]
    selector: Selector | None


class TokenMade(TokenView):
    """A new token; `secret` is shown this once."""

    secret: str


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": str(token.role or ""),
        "owner": token.owner,
        "created": rfc3339(token.created),
        "expires": rfc3339_or_none(token.expires),
        "last_used": rfc3339_or_none(token.last_used),
        "actions": [str(action) for action in token.actions],
        "selector": token.selector,
    }


@get(f"{API}/tokens", opt=ADMINISTER, tags=["access"], summary="Tokens of programs")
async def tokens(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[TokenView]:
    call = call_of(request)
    known = [TokenView(**_token(token)) for token in call.services.platform.gate.tokens.all()]
    return page_of(call, known, limit, cursor, lambda token: token.id)


@post(
    f"{API}/tokens",
    opt=ADMINISTER | speaks(NewToken),
    tags=["access"],
    summary="Make a token; its secret is shown this once",
)
async def add_token(request: Req) -> TokenMade:
    call = call_of(request)
    given, gate, who = await decoded(request, NewToken), call.services.platform.gate, call.who
    owner = gate.accounts.get(given.owner) if given.owner else None
    usual = "" if owner is not None and owner.role is None else "viewer"
    made, secret = await call.services.waiting.run(
        gate.tokens.add,
        given.name,
        usual if given.role is None else given.role,
        owner=owner.id if owner is not None else who.owner or (who.id if who.kind == "User" else ""),
        expires=None if given.expires is None else parse_time(given.expires),
        only=(given.actions, given.selector),
        actor=who.id,
    )
    return TokenMade(**_token(made), secret=secret)


@delete(
    f"{API}/tokens/{{token:str}}",
    opt=needs("administer", "Identity", id_in="token"),
    status_code=204,
    tags=["access"],
    summary="Withdraw a token at once",
)
async def withdraw_token(request: Req, token: FromPath[str]) -> None:
    call = call_of(request)
    await call.services.waiting.run(call.services.platform.gate.tokens.withdraw, token, actor=call.who.id)


ROUTES = [tokens, add_token, withdraw_token]

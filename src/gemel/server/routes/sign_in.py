"""Signing in and out, here or by another system; the first administrator."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.access import Account, Decision
from gemel.errors import GemelError, Unauthenticated
from gemel.server.call import Call, call_of
from gemel.server.cookies import read_cookie, set_cookie
from gemel.server.guard import PUBLIC, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API
from gemel.server.routes.users import UserView, user_view

__all__ = ["ROUTES", "noted", "root_of"]

CALLBACK = f"{API}/sign-in/callback"
STATE = "gemel_sign_in"


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """A name and its password."""

    name: str
    password: str
    code: str = ""
    """Of the second factor, where there is one; or a recovery code."""


class SetUp(msgspec.Struct, forbid_unknown_fields=True):
    """The first administrator, with the one-time token that the server printed."""

    token: str
    name: str
    password: str


def noted(call: Call, action: str, principal: str, *, allowed: bool) -> None:
    """Write it to the audit log."""
    decision = Decision(allowed, "credentials")
    call.services.platform.gate.audit.note(
        principal, action, kind="Identity", resource=principal, decision=decision, detail=f"from {call.address}"
    )


async def signed_in(call: Call, account: Account, action: str = "sign_in") -> UserView:
    """Begin a session for who has proved who they are."""
    gate = call.services.platform.gate
    if call.cookie:
        await call.services.waiting.run(gate.sessions.end, call.cookie)
    set_cookie(call, await call.services.waiting.run(gate.sessions.start, account))
    noted(call, action, account.id, allowed=True)
    return user_view(call, account)


@post(
    f"{API}/session",
    opt=PUBLIC | speaks(SignIn),
    status_code=200,
    tags=["access"],
    summary="Sign in: sets the session cookie",
)
async def sign_in(request: Req) -> UserView:
    """Body: name and password; `code` where there is a second factor (401 with `second_factor: true` says so).

    Slows down after five failures (429 with Retry-After).
    """
    call = call_of(request)
    given = await decoded(request, SignIn)
    try:
        account = await call.services.waiting.run(_verified, call, given)
    except GemelError:
        noted(call, "sign_in", "unknown", allowed=False)
        raise
    return await signed_in(call, account)


def _verified(call: Call, given: SignIn) -> Account:
    gate = call.services.platform.gate
    account = gate.accounts.verify(given.name, given.password, address=call.address)
    if not gate.second_factors.has(account.id):
        return account
    if not given.code:
        raise Unauthenticated("a code of the second factor is needed, or a recovery code", second_factor=True)
    keys = [f"code:{account.id}", *([f"address:{call.address}"] if call.address else [])]
    gate.accounts.throttle.check(*keys)
    if not gate.second_factors.passes(account.id, given.code):
        gate.accounts.throttle.failed(*keys)
        raise Unauthenticated("this code is not right, or was used already; take the next one", second_factor=True)
    gate.accounts.throttle.succeeded(*keys)
    return account


@delete(f"{API}/session", opt=PUBLIC, status_code=204, tags=["access"], summary="Sign out")
async def sign_out(request: Req) -> None:
    call = call_of(request)
    if call.cookie:
        await call.services.waiting.run(call.services.platform.gate.sessions.end, call.cookie)
        set_cookie(call, "")


@post(f"{API}/setup", opt=PUBLIC | speaks(SetUp), tags=["access"], summary="Make the first administrator")
async def set_up(request: Req) -> UserView:
    """Body: the one-time token that the server printed at its first start, a name, a password. Signs in, too."""
    call = call_of(request)
    gate, given = call.services.platform.gate, await decoded(request, SetUp)
    account = await call.services.waiting.run(
        gate.accounts.set_up, given.token, given.name, given.password, address=call.address
    )
    return await signed_in(call, account, "set_up")


class Ways(msgspec.Struct):
    """How people sign in."""

    password: bool
    other: str
    """The name of another system by which they do; empty: there is none."""


@get(f"{API}/sign-in", opt=PUBLIC, tags=["access"], summary="How people sign in here")
async def ways(request: Req) -> Ways:
    return Ways(True, call_of(request).services.oidc.name)


@get(f"{API}/sign-in/other", opt=PUBLIC, tags=["access"], summary="Go to the other system to sign in (OpenID Connect)")
async def begin_other(request: Req) -> Response[bytes]:
    call = call_of(request)
    address, state = await call.services.waiting.run(call.services.oidc.begin, root_of(request) + CALLBACK)
    secure = "; Secure" if call.secure else ""
    call.cookies.append(f"{STATE}={state}; Path={CALLBACK}; HttpOnly; SameSite=Lax; Max-Age=600{secure}".encode())
    return Response(b"", status_code=302, headers={"Location": address, "Cache-Control": "no-store"})


@get(CALLBACK, opt=PUBLIC, tags=["access"], summary="Come back from the other system")
async def come_back(
    request: Req,
    begun_as: Annotated[str, QueryParameter(name="state", max_length=200)] = "",
    code: Annotated[str, QueryParameter(max_length=4000)] = "",
    error: Annotated[str, QueryParameter(max_length=200)] = "",
) -> Response[bytes]:
    """Only the browser that began can end it. The session begins, and the browser goes to the start page."""
    call = call_of(request)
    begun = read_cookie(request.headers.get("cookie", ""), STATE)
    try:
        if error or not code or not begun or not secrets.compare_digest(begun.encode(), begun_as.encode()):
            raise Unauthenticated(f"the other system let nobody in{f' ({error:.80})' if error else ''}; begin again")
        account = await call.services.waiting.run(call.services.oidc.finish, begun_as, code)
    except GemelError:
        noted(call, "sign_in", "unknown", allowed=False)
        raise
    await signed_in(call, account)
    return Response(b"", status_code=302, headers={"Location": "/", "Cache-Control": "no-store"})


def root_of(request: Req) -> str:
    """The address that the browser knows; behind a proxy it is one of the origins that the operator named."""
    known = str(request.base_url).rstrip("/")
    host = known.partition("//")[2]
    public = (one for one in call_of(request).services.options.origins if one.partition("//")[2] == host)
    return next(public, known)


ROUTES = [ways, begin_other, come_back, sign_in, sign_out, set_up]

"""Signing in and out; users, tokens, the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Account, AuditEntry, Decision, Token
from gemel.clock import parse_time
from gemel.errors import Denied, GemelError
from gemel.server.call import Call, call_of
from gemel.server.cookies import set_cookie
from gemel.server.encode import rfc3339
from gemel.server.guard import PUBLIC, SELF, needs, speaks
from gemel.server.http import Cursor, Limit, Req, cursor_of, decoded, etag, if_match, json, page_of, place_of
from gemel.server.options import API
from gemel.twin import Page

__all__ = ["ROUTES"]


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """A name and its password."""

    name: str
    password: str


class SetUp(msgspec.Struct, forbid_unknown_fields=True):
    """The first administrator, with the one-time token that the server printed."""

    token: str
    name: str
    password: str


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """One's own password."""

    old: str
    new: str


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody who may sign in."""

    name: str
    password: str
    role: str = "viewer"


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is given changes."""

    role: str | None = None
    password: str | None = None
    disabled: bool | None = None


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token for a program."""

    name: str
    role: str = "viewer"
    expires: str | None = None
    """RFC 3339; null: it has no end."""


class UserView(msgspec.Struct):
    """An account. `name` is empty once the person was erased."""

    id: str
    name: str
    role: str
    disabled: bool
    created: str
    changed: str
    revision: int


class TokenView(msgspec.Struct):
    """A token, without its secret."""

    id: str
    name: str
    role: str
    owner: str
    created: str
    expires: str | None
    last_used: str | None


class TokenMade(TokenView):
    """A new token; `secret` is shown this once."""

    secret: str


class AuditView(msgspec.Struct):
    """One line of the audit log."""

    id: int
    time: str
    principal: str
    action: str
    kind: str
    resource: str
    allowed: bool
    policy: str
    position: int
    detail: str


def _user(account: Account) -> UserView:
    return UserView(
        account.id,
        account.name,
        str(account.role),
        account.disabled,
        rfc3339(account.created),
        rfc3339(account.changed),
        account.revision,
    )


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": str(token.role),
        "owner": token.owner,
        "created": rfc3339(token.created),
        "expires": None if token.expires is None else rfc3339(token.expires),
        "last_used": None if token.last_used is None else rfc3339(token.last_used),
    }


def _audit_view(entry: AuditEntry) -> AuditView:
    return AuditView(**{**msgspec.structs.asdict(entry), "time": rfc3339(entry.time)})


def _noted(call: Call, action: str, principal: str, *, allowed: bool) -> None:
    decision = Decision(allowed, "credentials")
    call.services.platform.gate.audit.note(
        principal, action, kind="Identity", resource=principal, decision=decision, detail=f"from {call.address}"
    )


@post(
    f"{API}/session",
    opt=PUBLIC | speaks(SignIn),
    status_code=200,
    tags=["access"],
    summary="Sign in: sets the session cookie",
)
async def sign_in(request: Req) -> UserView:
    """Body: name and password. Slows down after five failures (429 with Retry-After)."""
    call = call_of(request)
    gate, given = call.services.platform.gate, await decoded(request, SignIn)
    try:
        account = await call.services.waiting.run(
            gate.accounts.verify, given.name, given.password, address=call.address
        )
    except GemelError:
        _noted(call, "sign_in", "unknown", allowed=False)
        raise
    if call.cookie:
        await call.services.waiting.run(gate.sessions.end, call.cookie)
    set_cookie(call, await call.services.waiting.run(gate.sessions.start, account))
    _noted(call, "sign_in", account.id, allowed=True)
    return _user(account)


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
    set_cookie(call, await call.services.waiting.run(gate.sessions.start, account))
    _noted(call, "set_up", account.id, allowed=True)
    return _user(account)


@put(
    f"{API}/me/password",
    opt=SELF | speaks(NewPassword),
    status_code=204,
    tags=["access"],
    summary="Change one's own password",
)
async def change_password(request: Req) -> None:
    """Ends all of one's sessions but starts a new one here."""
    call = call_of(request)
    gate, given, who = call.services.platform.gate, await decoded(request, NewPassword), call.who
    if who.kind != "User":
        raise Denied("only a person who signed in has a password to change", policy="credentials")
    name = gate.accounts.name(who.id)
    await call.services.waiting.run(gate.accounts.verify, name, given.old, address=call.address)
    account = await call.services.waiting.run(gate.accounts.change, who.id, password=given.new, actor=who.id)
    set_cookie(call, await call.services.waiting.run(gate.sessions.start, account))
    _noted(call, "password", who.id, allowed=True)


ADMINISTER = needs("administer", "Identity")
ADMINISTER_ONE = needs("administer", "Identity", id_in="user")


@get(f"{API}/users", opt=ADMINISTER, tags=["access"], summary="Who may sign in")
async def users(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[UserView]:
    known = [_user(account) for account in call_of(request).services.platform.gate.accounts.all()]
    return page_of(known, limit, cursor, lambda user: user.id)


@post(f"{API}/users", opt=ADMINISTER | speaks(NewUser, UserView), tags=["access"], summary="Add a user")
async def add_user(request: Req) -> Response[bytes]:
    call = call_of(request)
    given, accounts = await decoded(request, NewUser), call.services.platform.gate.accounts
    made = await call.services.waiting.run(accounts.add, given.name, given.password, given.role, actor=call.who.id)
    return json(_user(made), status=201, headers={**etag(made.revision), "Location": f"{API}/users/{made.id}"})


@get(f"{API}/users/{{user:str}}", opt=ADMINISTER_ONE | speaks(None, UserView), tags=["access"], summary="One user")
async def user_of(request: Req, user: FromPath[str]) -> Response[bytes]:
    found = call_of(request).services.platform.gate.accounts.get(user)
    return json(_user(found), headers=etag(found.revision))


@patch(
    f"{API}/users/{{user:str}}",
    opt=ADMINISTER_ONE | speaks(UserChange, UserView),
    tags=["access"],
    summary="Change role, password, disabled",
)
async def change_user(request: Req, user: FromPath[str]) -> Response[bytes]:
    """A new password or `disabled: true` ends the user's sessions. The last administrator stays."""
    call = call_of(request)
    given, accounts = await decoded(request, UserChange), call.services.platform.gate.accounts
    changed = await call.services.waiting.run(
        accounts.change,
        user,
        role=given.role,
        password=given.password,
        disabled=given.disabled,
        if_revision=if_match(request),
        actor=call.who.id,
    )
    return json(_user(changed), headers=etag(changed.revision))


@delete(f"{API}/users/{{user:str}}", opt=ADMINISTER_ONE, status_code=204, tags=["access"], summary="Erase a person")
async def erase_user(request: Req, user: FromPath[str]) -> None:
    """The name, the password, the sessions and the tokens go; the random id stays in journal and audit log."""
    call = call_of(request)
    await call.services.waiting.run(call.services.platform.erasures.erase_person, user, actor=call.who.id)


@get(f"{API}/tokens", opt=ADMINISTER, tags=["access"], summary="Tokens of programs")
async def tokens(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[TokenView]:
    known = [TokenView(**_token(token)) for token in call_of(request).services.platform.gate.tokens.all()]
    return page_of(known, limit, cursor, lambda token: token.id)


@post(
    f"{API}/tokens",
    opt=ADMINISTER | speaks(NewToken),
    tags=["access"],
    summary="Make a token; its secret is shown this once",
)
async def add_token(request: Req) -> TokenMade:
    call = call_of(request)
    given, gate, who = await decoded(request, NewToken), call.services.platform.gate, call.who
    made, secret = await call.services.waiting.run(
        gate.tokens.add,
        given.name,
        given.role,
        owner=who.owner or (who.id if who.kind == "User" else ""),
        expires=None if given.expires is None else parse_time(given.expires),
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


@get(f"{API}/audit", opt=ADMINISTER, tags=["access"], summary="The audit log, newest first")
async def audit(
    request: Req,
    principal: Annotated[str, QueryParameter(max_length=100, description="Only of this user or token.")] = "",
    allowed: Annotated[bool | None, QueryParameter(description="Only what was allowed, or only what was not.")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[AuditView]:
    """Every command, configuration, operation and administration; every refusal; every sign-in."""
    call = call_of(request)
    place = place_of(cursor, tuple[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]])
    found = await call.services.reads.run(
        call.services.platform.gate.audit.entries,
        before=None if place is None else place[0],
        limit=limit,
        principal=principal,
        allowed=allowed,
    )
    return Page([_audit_view(entry) for entry in found], cursor_of(found[-1].id) if len(found) == limit else None)


ROUTES = [
    sign_in,
    sign_out,
    set_up,
    change_password,
    users,
    add_user,
    user_of,
    change_user,
    erase_user,
    tokens,
    add_token,
    withdraw_token,
    audit,
]

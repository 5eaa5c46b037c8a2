"""Users, tokens, the audit log, and who used what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.access import Account, AuditEntry, Selector, Token
from gemel.clock import parse_time
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, cursor_of, decoded, etag, if_match, json, page_of, place_of, time_or
from gemel.server.options import API
from gemel.twin import Page

__all__ = ["ROUTES", "UserView", "user_view"]

MONTH = 30 * 86_400_000_000


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody who may sign in, or a program."""

    name: str
    password: str | None = None
    """null: the person is invited with a one-time link (POST /links), or signs in by another system."""
    role: str | None = None
    """In the operating organisation; viewer if left out there. Empty: only what is granted."""
    party: str = ""
    """The organisation that the person belongs to; empty: the operating one."""
    kind: str = "person"
    """person or service."""


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is given changes."""

    role: str | None = None
    password: str | None = None
    disabled: bool | None = None


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


class UserView(msgspec.Struct):
    """An account. `name` is empty once the person was erased."""

    id: str
    name: str
    role: str
    """Empty: it has what is granted to it, and nothing else."""
    party: str
    kind: str
    disabled: bool
    invited: bool
    """It has no password yet."""
    second_factor: bool
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
    actions: list[str]
    selector: Selector | None


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
    party: str
    rows: int | None
    since: str | None
    until: str | None


class UsageView(msgspec.Struct):
    """How much somebody used a twin for something."""

    principal: str
    party: str
    twin: str
    action: str
    policy: str
    """By which grant or rule."""
    requests: int
    rows: int
    first: str
    """The hour in which it began."""
    last: str


def user_view(call: Call, account: Account) -> UserView:
    """An account as its owner and administrators see it."""
    gate = call.services.platform.gate
    return UserView(
        account.id,
        account.name,
        str(account.role or ""),
        account.party,
        account.kind,
        account.disabled,
        account.kind == "person" and not gate.accounts.has_password(account.id),
        gate.second_factors.has(account.id),
        rfc3339(account.created),
        rfc3339(account.changed),
        account.revision,
    )


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": str(token.role or ""),
        "owner": token.owner,
        "created": rfc3339(token.created),
        "expires": None if token.expires is None else rfc3339(token.expires),
        "last_used": None if token.last_used is None else rfc3339(token.last_used),
        "actions": [str(action) for action in token.actions],
        "selector": token.selector,
    }


def _audit_view(entry: AuditEntry) -> AuditView:
    told = msgspec.structs.asdict(entry)
    for name in ("time", "since", "until"):
        told[name] = None if told[name] is None else rfc3339(told[name])
    return AuditView(**told)


ADMINISTER = needs("administer", "Identity")
ADMINISTER_ONE = needs("administer", "Identity", id_in="user")


@get(f"{API}/users", opt=ADMINISTER, tags=["access"], summary="Who may sign in")
async def users(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[UserView]:
    call = call_of(request)
    known = [user_view(call, account) for account in call.services.platform.gate.accounts.all()]
    return page_of(known, limit, cursor, lambda user: user.id)


@post(f"{API}/users", opt=ADMINISTER | speaks(NewUser, UserView), tags=["access"], summary="Add a user")
async def add_user(request: Req) -> Response[bytes]:
    call = call_of(request)
    given, accounts = await decoded(request, NewUser), call.services.platform.gate.accounts
    made = await call.services.waiting.run(
        accounts.add,
        given.name,
        given.password,
        ("" if given.party else "viewer") if given.role is None else given.role,
        party=given.party,
        kind=given.kind,
        actor=call.who.id,
    )
    return json(
        user_view(call, made), status=201, headers={**etag(made.revision), "Location": f"{API}/users/{made.id}"}
    )


@get(f"{API}/users/{{user:str}}", opt=ADMINISTER_ONE | speaks(None, UserView), tags=["access"], summary="One user")
async def user_of(request: Req, user: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    found = call.services.platform.gate.accounts.get(user)
    return json(user_view(call, found), headers=etag(found.revision))


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
    return json(user_view(call, changed), headers=etag(changed.revision))


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


@get(f"{API}/audit", opt=ADMINISTER, tags=["access"], summary="The audit log, newest first")
async def audit(
    request: Req,
    principal: Annotated[str, QueryParameter(max_length=100, description="Only of this user or token.")] = "",
    party: Annotated[str, QueryParameter(max_length=64, description="Only of people and programs of this party.")] = "",
    action: Annotated[str, QueryParameter(max_length=16, description="Only this action.")] = "",
    resource: Annotated[str, QueryParameter(max_length=200, description="Only on this twin, user, connector …")] = "",
    allowed: Annotated[bool | None, QueryParameter(description="Only what was allowed, or only what was not.")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[AuditView]:
    """Every command, configuration, operation and administration; every read of another party; every refusal; every
    sign-in. Chained by hashes: `POST /journal/verify` covers it."""
    call = call_of(request)
    place = place_of(cursor, tuple[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]])
    wanted = {"principal": principal, "party": party, "action": action, "resource": resource}
    found = await call.services.reads.run(
        call.services.platform.gate.audit.entries,
        before=None if place is None else place[0],
        limit=limit,
        only={name: value for name, value in wanted.items() if value},
        allowed=allowed,
    )
    return Page([_audit_view(entry) for entry in found], cursor_of(found[-1].id) if len(found) == limit else None)


@get(f"{API}/usage", opt=ADMINISTER, tags=["access"], summary="Who used what: by principal, twin, action and right")
async def usage(
    request: Req,
    twin: Annotated[str, QueryParameter(max_length=200, description="Only of this twin.")] = "",
    principal: Annotated[str, QueryParameter(max_length=100, description="Only by this user, token or device.")] = "",
    party: Annotated[str, QueryParameter(max_length=64, description="Only by this party.")] = "",
    start: Annotated[str | None, QueryParameter(description="RFC 3339; 30 days ago if left out.")] = None,
    end: Annotated[str | None, QueryParameter(description="RFC 3339; now if left out.")] = None,
    limit: Limit = 100,
) -> Page[UsageView]:
    """Counted by the hour; whoever used it most comes first."""
    call = call_of(request)
    until = time_or(end, call.services.platform.clock.now())
    wanted = {"twin": twin, "principal": principal, "party": party}
    found = await call.services.reads.run(
        call.services.platform.gate.usage.used,
        (time_or(start, until - MONTH), until),
        only={name: value for name, value in wanted.items() if value},
        limit=limit,
    )
    return Page(
        [
            UsageView(
                one.principal,
                one.party,
                one.twin,
                one.action,
                one.policy,
                one.requests,
                one.rows,
                rfc3339(one.first),
                rfc3339(one.last),
            )
            for one in found
        ]
    )


ROUTES = [
    users,
    add_user,
    user_of,
    change_user,
    erase_user,
    tokens,
    add_token,
    withdraw_token,
    audit,
    usage,
]

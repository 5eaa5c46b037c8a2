"""Users: people who may sign in, and services."""

from __future__ import annotations

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath
from litestar.response import Response

from gemel.access import Account
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, if_match, page_of, revised
from gemel.server.options import API
from gemel.twin import Page

__all__ = ["ADMINISTER", "ROUTES", "UserView", "user_view"]

ADMINISTER = needs("administer", "Identity")
ADMINISTER_ONE = needs("administer", "Identity", id_in="user")


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


@get(f"{API}/users", opt=ADMINISTER, tags=["access"], summary="Who may sign in")
async def users(request: Req, limit: Limit = 100, cursor: Cursor = "") -> Page[UserView]:
    call = call_of(request)
    known = [user_view(call, account) for account in call.services.platform.gate.accounts.all()]
    return page_of(call, known, limit, cursor, lambda user: user.id)


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
    return revised(user_view(call, made), made.revision, made=f"{API}/users/{made.id}")


@get(f"{API}/users/{{user:str}}", opt=ADMINISTER_ONE | speaks(None, UserView), tags=["access"], summary="One user")
async def user_of(request: Req, user: FromPath[str]) -> Response[bytes]:
    call = call_of(request)
    found = call.services.platform.gate.accounts.get(user)
    return revised(user_view(call, found), found.revision)


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
    return revised(user_view(call, changed), changed.revision)


@delete(f"{API}/users/{{user:str}}", opt=ADMINISTER_ONE, status_code=204, tags=["access"], summary="Erase a person")
async def erase_user(request: Req, user: FromPath[str]) -> None:
    """The name, the password, the sessions and the tokens go; the random id stays in journal and audit log."""
    call = call_of(request)
    await call.services.waiting.run(call.services.platform.erasures.erase_person, user, actor=call.who.id)


ROUTES = [users, add_user, user_of, change_user, erase_user]

"""One's own password and second factor."""

from __future__ import annotations

import msgspec
from litestar import delete, post, put

from gemel.errors import Denied
from gemel.server.call import Call, call_of
from gemel.server.cookies import set_cookie
from gemel.server.guard import SELF, needs, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API
from gemel.server.routes.sign_in import noted

__all__ = ["ROUTES"]


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """One's own password."""

    old: str
    new: str


class FactorBegun(msgspec.Struct):
    """A second factor that counts once a code of it was shown."""

    secret: str
    uri: str
    """For a QR code: otpauth://…"""


class FactorCode(msgspec.Struct, forbid_unknown_fields=True):
    """What the app shows now."""

    code: str


class Recovery(msgspec.Struct):
    """Each is good once, in place of a code; shown this once."""

    codes: list[str]


class Proof(msgspec.Struct, forbid_unknown_fields=True):
    """One's own password."""

    password: str


def _person(call: Call) -> str:
    """The id of the person who is signed in. Raises Denied for programs."""
    if call.who.kind != "User":
        raise Denied("only a person who signed in has a password or a second factor", policy="credentials")
    return call.who.id


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
    gate, given, who = call.services.platform.gate, await decoded(request, NewPassword), _person(call)
    name = gate.accounts.name(who)
    await call.services.waiting.run(gate.accounts.verify, name, given.old, address=call.address)
    account = await call.services.waiting.run(gate.accounts.change, who, password=given.new, actor=who)
    set_cookie(call, await call.services.waiting.run(gate.sessions.start, account))
    noted(call, "password", who, allowed=True)


@post(
    f"{API}/me/second-factor",
    opt=SELF,
    status_code=200,
    tags=["access"],
    summary="Begin a second factor; its secret is shown this once",
)
async def begin_factor(request: Req) -> FactorBegun:
    """For an authenticator app (TOTP). It is asked for once `PUT` has shown a code of it."""
    call = call_of(request)
    gate, who = call.services.platform.gate, _person(call)
    secret, uri = await call.services.waiting.run(gate.second_factors.begin, who, gate.accounts.name(who))
    return FactorBegun(secret, uri)


@put(
    f"{API}/me/second-factor",
    opt=SELF | speaks(FactorCode),
    tags=["access"],
    summary="Confirm it with a code; answers with the recovery codes",
)
async def confirm_factor(request: Req) -> Recovery:
    call, given = call_of(request), await decoded(request, FactorCode)
    codes = await call.services.waiting.run(
        call.services.platform.gate.second_factors.confirm, _person(call), given.code
    )
    return Recovery(codes)


@post(
    f"{API}/me/second-factor/removal",
    opt=SELF | speaks(Proof),
    status_code=204,
    tags=["access"],
    summary="Remove one's own second factor",
)
async def remove_factor(request: Req) -> None:
    """Body: one's own password."""
    call = call_of(request)
    gate, given, who = call.services.platform.gate, await decoded(request, Proof), _person(call)
    await call.services.waiting.run(gate.accounts.verify, gate.accounts.name(who), given.password, address=call.address)
    await call.services.waiting.run(gate.second_factors.remove, who, actor=who)


@delete(
    f"{API}/users/{{user:str}}/second-factor",
    opt=needs("administer", "Identity", id_in="user"),
    status_code=204,
    tags=["access"],
    summary="Remove somebody's second factor, who has lost it",
)
async def remove_factor_of(request: Req) -> None:
    call = call_of(request)
    gate = call.services.platform.gate
    account = gate.accounts.get(request.path_params["user"])
    await call.services.waiting.run(gate.second_factors.remove, account.id, actor=call.who.id)


ROUTES = [change_password, begin_factor, confirm_factor, remove_factor, remove_factor_of]

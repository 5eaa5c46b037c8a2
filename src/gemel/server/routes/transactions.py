"""Several machines at once: orders that belong together, and what became of them as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from gemel.commands import (
    ABOUT_VALUES,
    AskTogether,
    Member,
    MemberWanted,
    OrderKind,
    Transaction,
    Transactions,
    no_transaction,
)
from gemel.errors import Denied, InvalidInput, NotFound, UnknownTwin
from gemel.server.call import Call, call_of
from gemel.server.encode import Value, value_of
from gemel.server.guard import needs, require_twin, speaks
from gemel.server.http import Cursor, Limit, Req, decoded, done, json, onward, onward_from
from gemel.server.options import API
from gemel.server.orders_seen import WITHHELD, group_of
from gemel.server.routes.orders import Wait, key_of, may_expect, person
from gemel.server.transaction_views import TransactionView, transaction_view
from gemel.twin import OnFailure, Page

__all__ = ["ROUTES"]

FLEET = needs("read", "Fleet")
"""What is named in the body is asked for once it is read: `command` of every member."""


class Together(msgspec.Struct, forbid_unknown_fields=True):
    """Orders to several machines that belong together."""

    members: list[MemberWanted]
    title: str = ""
    on_failure: OnFailure = OnFailure.COMPENSATE
    """When a member fails: `compensate` puts back what the others did, the last one first; `leave` leaves it."""
    in_order: bool = False
    """A member is told only when the one before it is applied."""
    deadline_s: float | None = None
    key: str = ""
    """The same key again is the same transaction. Left out, the Idempotency-Key."""


@post(
    f"{API}/transactions",
    opt=FLEET | speaks(Together, TransactionView),
    status_code=202,
    tags=["orders"],
    summary="Have several machines do something, all of them or none",
)
async def together(request: Req, wait: Wait = 0.0) -> Response[bytes]:
    """Answers 202 while it is under way, 200 once it has ended; read `state`, it may be refused. Needs the right to
    command every member."""
    call, given = call_of(request), await decoded(request, Together)
    if not given.members:
        raise InvalidInput("a transaction has at least one member")
    for twin in dict.fromkeys(member.twin for member in given.members):
        require_twin(call, call.who, "command", twin, detail="POST transactions")
        expected = [one for member in given.members if member.twin == twin for one in member.expects]
        if expected:
            await call.services.reads.run(may_expect, call, expected, twin)
    commander = call.services.platform.commander
    ask = AskTogether(
        wishes=tuple(member.wish() for member in given.members),
        title=given.title,
        on_failure=given.on_failure,
        in_order=given.in_order,
        deadline_s=given.deadline_s,
        key=key_of(call, given.key),
    )
    entries = [commander.entry(member.twin) for member in given.members]
    asking = partial(commander.transactions.ask, ask, entries, actor=person(call.who))
    assumed = any(member.expects for member in given.members)  # that is looked up, so beside the loop
    made = await done(request, await call.services.waiting.run(asking) if assumed else asking())
    call.position = max(call.position, call.services.platform.state.position)
    if wait > 0 and not made.settled:
        made = await _ended(request, made, wait)
    headers = {"Location": f"{API}/transactions/{made.id}"}
    view = await call.services.reads.run(_view, call, made)
    return json(view, status=200 if made.settled else 202, headers=headers)


async def _ended(request: Req, one: Transaction, wait: float) -> Transaction:
    transactions = call_of(request).services.platform.commander.transactions
    reached = transactions.reached(one.id)
    try:
        async with asyncio.timeout(wait):
            return await done(request, reached)
    except TimeoutError:
        reached.cancel()
        return transactions.get(one.id)


def _view(call: Call, one: Transaction) -> TransactionView:
    platform = call.services.platform
    transactions = platform.commander.transactions

    def reported(member: Member) -> Value | None:
        entry = platform.registry.directory.twin(member.twin)
        if member.kind is not OrderKind.PROPERTY or entry is None:
            return None
        now = call.view.value(entry, member.name)
        return None if now is None else value_of(now)

    view = transaction_view(one, transactions.orders([one]), transactions.coordinator.waits_for(one), reported)
    if call.view.projection is None or not one.reason.startswith(ABOUT_VALUES):
        return view
    members = [msgspec.structs.replace(member, detail="") for member in view.members]
    steps = [msgspec.structs.replace(step, detail="") for step in view.steps]
    return msgspec.structs.replace(view, detail=WITHHELD, members=members, steps=steps)


def _readable(call: Call, one: Transaction) -> bool:
    """Only whoever may see every member sees the transaction."""
    return all(_sees(call, member, one.created) for member in one.members)


def _sees(call: Call, member: Member, created: int) -> bool:
    entry, seen = call.view.find(member.twin), call.view.projection
    if entry is None or seen is None:
        return entry is not None
    return created >= seen.of(entry.number).since(group_of(entry, member.kind, member.name))


@get(f"{API}/transactions", opt=FLEET, tags=["orders"], summary="Transactions, the newest first")
async def transactions(
    request: Req,
    states: Annotated[list[str] | None, QueryParameter(description="Only in this state; may repeat.")] = None,
    twin: Annotated[str, QueryParameter(max_length=128, description="Only those with this twin.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[TransactionView]:
    """Only those of which every member may be read."""
    call = call_of(request)
    return await call.services.reads.run(_page, call, states or (), twin, limit, cursor)


def _page(call: Call, states: Sequence[str], twin: str, limit: int, cursor: str) -> Page[TransactionView]:
    """A page of those that may be seen: it is full, or the last, so that it says nothing of the others."""
    only = "" if not twin else call.view.entry(twin).id
    found: list[Transaction] = []
    at: str | None = onward_from(call, cursor)
    while at is not None and len(found) <= limit:
        page = call.services.platform.commander.transactions.list(states=states, twin=only, limit=limit + 1, cursor=at)
        found += [one for one in page.items if _readable(call, one)]
        at = page.next
    items = found[:limit]
    shown = [_view(call, one) for one in items]
    return onward(call, Page(shown, str(items[-1].number) if len(found) > limit else None))


def twin_of_transaction(call: Call, transaction: str) -> tuple[str, NotFound | None]:
    """One of its twins; its route asks for the others. Raises NotFound."""
    found = call.services.platform.commander.transactions.get(transaction)
    return found.members[0].twin, None if _readable(call, found) else no_transaction(transaction)


READ_ONE = needs("read", "Twin", id_in="transaction", through=twin_of_transaction)
COMMAND_ONE = needs("command", "Twin", id_in="transaction", through=twin_of_transaction)


@get(f"{API}/transactions/{{transaction:str}}", opt=READ_ONE, tags=["orders"], summary="One transaction")
async def transaction_of(request: Req, transaction: FromPath[str], wait: Wait = 0.0) -> TransactionView:
    call = call_of(request)
    found = await call.services.reads.run(call.services.platform.commander.transactions.get, transaction)
    if not _readable(call, found):
        raise no_transaction(transaction)
    if wait > 0 and not found.settled:
        found = await _ended(request, found, wait)
    return await call.services.reads.run(_view, call, found)


async def _moved(
    request: Req, transaction: str, verb: Callable[[Transactions], Callable[..., Future[Transaction]]]
) -> TransactionView:
    """Have somebody who may command every member do something to it."""
    call = call_of(request)
    known = call.services.platform.commander.transactions
    found = await call.services.reads.run(known.get, transaction)
    try:
        for twin in found.twins:
            require_twin(call, call.who, "command", twin, detail=f"transaction {transaction:.60}")
    except (Denied, UnknownTwin):
        if _readable(call, found):
            raise
        raise no_transaction(transaction) from None
    after = await done(request, verb(known)(transaction, actor=person(call.who)))
    return await call.services.reads.run(_view, call, after)


@post(
    f"{API}/transactions/{{transaction:str}}/cancel",
    opt=COMMAND_ONE,
    status_code=200,
    tags=["orders"],
    summary="Take a transaction back",
)
async def cancel(request: Req, transaction: FromPath[str]) -> TransactionView:
    """Before anything is requested nothing of it happens; then what was done is put back or stays, as it says."""
    return await _moved(request, transaction, lambda known: known.cancel)


@post(
    f"{API}/transactions/{{transaction:str}}/approve",
    opt=COMMAND_ONE,
    status_code=200,
    tags=["orders"],
    summary="Agree, as the second person, to somebody's transaction",
)
async def approve(request: Req, transaction: FromPath[str]) -> TransactionView:
    return await _moved(request, transaction, lambda known: known.approve)


ROUTES: list[Any] = [together, transactions, transaction_of, cancel, approve]

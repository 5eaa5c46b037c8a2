"""Plans: operations that are meant to be done. Never part of what is; carried out, they are acts."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from gemel.configuration import Basis, Concession, Operation, Outcome, Plan, Wish, subjects
from gemel.errors import GemelError, NotFound
from gemel.server.bitemporal import answered, plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Number, Req, decoded, json
from gemel.server.options import API
from gemel.server.problems import document_of
from gemel.server.routes.configurations import viewed_by
from gemel.server.routes.items import moments
from gemel.server.routes.operations import Done, permit
from gemel.server.routes.orders import person

__all__ = ["ROUTES"]

FLEET = needs("read", "Fleet")
"""What is named in the body, or in the plan, is asked for once it is read: `maintain` of each item's machine."""


class NewPlan(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be done, and when."""

    operations: tuple[Operation, ...]
    at: int
    title: str = ""
    work_order: str = ""


class CarryOut(msgspec.Struct, forbid_unknown_fields=True):
    """That it was done."""

    at: int | None = None
    """When; left out: as planned."""
    basis: Basis = Basis()
    concession: Concession | None = None


class Cancel(msgspec.Struct, forbid_unknown_fields=True):
    """That it will not be done."""

    reason: str


@get(
    f"{API}/items/{{item:str}}/plans",
    opt=FLEET | speaks(None, list[Plan], moments=True),
    tags=["items"],
    summary="What is planned of it, or of what is in it",
)
async def plans(request: Req, item: FromPath[str]) -> Response[bytes]:
    """Only plans of which every item may be seen; by a view, numbered by their place here."""
    call = call_of(request)

    def whole() -> list[Plan]:
        call.items.require(item)
        return [plan for plan in call.services.platform.configuration.plans.of(item) if _shown(call, plan)]

    def ask() -> list[Plan]:
        now = moments("", "")
        return call.items.first(whole, lambda one: cast("list[Plan]", viewed_by(call, one, "plans", item, now)))

    return answered(request, await call.services.reads.run(ask))


def _shown(call: Call, plan: Plan) -> bool:
    if call.items.everything:
        return True
    named = {item for operation in plan.operations for item in subjects(operation)}
    return bool(named) and all(call.items.sees(item) for item in named)


def _found(call: Call, number: int) -> Plan:
    plan = call.services.platform.configuration.plans.get(number)
    if not _shown(call, plan):
        raise NotFound(f"there is no plan {number}")
    return plan


def _permitted(call: Call, plan: Plan, done: CarryOut | None = None) -> None:
    told = done or CarryOut()
    for i, each in enumerate(plan.operations):
        moved = each if told.at is None else msgspec.structs.replace(each, at=told.at)
        assumed = Basis() if i else told.basis  # as `Plans.carry_out`: so before the first of them
        permit(call, Wish(operation=moved, basis=assumed, concession=told.concession))


@get(
    f"{API}/plans/{{number:int}}",
    opt=FLEET | speaks(None, Plan, moments=True),
    tags=["items"],
    summary="One plan",
)
async def plan_of(request: Req, number: Number) -> Response[bytes]:
    call = call_of(request)
    return answered(request, await call.services.reads.run(_found, call, number))


@post(f"{API}/plans", opt=FLEET | speaks(NewPlan, Plan, moments=True), tags=["items"], summary="Plan operations")
async def make(request: Req) -> Response[bytes]:
    """`at` of each operation is when it is meant; the plan's own is what lists tell."""
    call, given = call_of(request), understood(await decoded(request, Any), NewPlan)

    def work() -> Plan:
        for operation in given.operations:
            permit(call, Wish(operation=operation))
        made = call.services.platform.configuration.as_(person(call.who)).plans
        return made.make(given.operations, at=given.at, title=given.title, work_order=given.work_order)

    return json(plain(await call.services.waiting.run(work)), status=201)


@post(
    f"{API}/plans/{{number:int}}/check",
    opt=FLEET | speaks(None, list[Done], moments=True),
    status_code=200,
    tags=["items"],
    summary="What would become of it now",
)
async def check(request: Req, number: Number) -> Response[bytes]:
    call = call_of(request)

    def work() -> list[Done]:
        _permitted(call, _found(call, number))
        told = call.services.platform.configuration.plans.check(number)
        return [Done(problem=document_of(one)) if isinstance(one, GemelError) else Done(outcome=one) for one in told]

    return json(plain(await call.services.waiting.run(work)))


@post(
    f"{API}/plans/{{number:int}}/carry-out",
    opt=FLEET | speaks(CarryOut, list[Outcome], moments=True),
    status_code=200,
    tags=["items"],
    summary="It was done: all of it, or an error and nothing",
)
async def carry_out(request: Req, number: Number) -> Response[bytes]:
    call = call_of(request)
    raw = await decoded(request, dict[str, Any], optional=True)
    if isinstance(raw.get("concession"), dict):
        raw = {**raw, "concession": {"by": person(call.who), **raw["concession"]}}
    given = understood(raw, CarryOut)

    def work() -> list[Outcome]:
        _permitted(call, _found(call, number), given)
        made = call.services.platform.configuration.as_(person(call.who)).plans
        basis = msgspec.structs.replace(given.basis, source="", key="")  # a plan is carried out once, whoever says so
        return made.carry_out(number, at=given.at, basis=basis, concession=given.concession)

    return json(plain(await call.services.waiting.run(work)))


@post(
    f"{API}/plans/{{number:int}}/cancel",
    opt=FLEET | speaks(Cancel, Plan, moments=True),
    status_code=200,
    tags=["items"],
    summary="It will not be done",
)
async def cancel(request: Req, number: Number) -> Response[bytes]:
    call, given = call_of(request), await decoded(request, Cancel)

    def work() -> Plan:
        _permitted(call, _found(call, number))
        return call.services.platform.configuration.as_(person(call.who)).plans.cancel(number, given.reason)

    return json(plain(await call.services.waiting.run(work)))


ROUTES: list[Any] = [plans, plan_of, make, check, carry_out, cancel]

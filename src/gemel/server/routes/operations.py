"""Operations on items: what was done, tried or done; one, or many that waited offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import QueryParameter
from litestar.response import Response

from gemel.access import Action, Resource, ResourceKind
from gemel.configuration import MachineSeen, Outcome, Wish, operations, subjects
from gemel.errors import Conflict, GemelError, InvalidInput, NotFound, RuleBroken, TooLarge
from gemel.server.bitemporal import plain, understood
from gemel.server.call import Call, call_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded, json
from gemel.server.options import API
from gemel.server.problems import document_of
from gemel.server.routes.orders import key_of, may_expect, person
from gemel.twin import PropertyGroup

__all__ = ["ROUTES", "Done", "permit"]

FLEET = needs("read", "Fleet")
"""What is named in the body is asked for once it is read: `maintain` of the machine that each item is in."""
AT_ONCE = 1_000
MOST_TREES = 100
"""So much of what operations told together assume is of whole machines: nobody writes while one is put together."""
_OPERATOR = Resource(ResourceKind.PLATFORM)


class Done(msgspec.Struct, kw_only=True):
    """What became of one of many."""

    outcome: Outcome | None = None
    problem: dict[str, Any] | None = None
    """As the answer to this one alone would have been: code, title, status, detail, findings …"""


@post(
    f"{API}/operations",
    opt=FLEET | speaks(Wish, Outcome, moments=True),
    tags=["items"],
    summary="Say what was done to items",
)
async def say(
    request: Req,
    dry_run: Annotated[bool, QueryParameter(description="Only say what would become of it.")] = False,
) -> Response[bytes]:
    """One `{operation: {do, …}, basis, concession}`, or a list of them: then each is done by itself, in order, and has
    its own `{outcome}` or `{problem}`. With the same `basis.source` and `basis.key` it is done once, however often it
    is told. Needs the right to maintain the machines that the items are in."""
    call = call_of(request)
    given = await decoded(request, Any)
    if isinstance(given, list):
        if len(given) > AT_ONCE:
            raise TooLarge(f"{len(given):,} operations are more than {AT_ONCE:,}; send them in parts, in their order")
        told = await call.services.waiting.run(_all, call, given, dry_run)
        _reached(call)
        return json(plain(told), status=200)
    key = key_of(call, "")
    (one,) = await call.services.waiting.run(_each, call, [given], dry_run, key)
    _reached(call)
    if isinstance(one, GemelError):
        raise one
    return json(plain(one), status=200 if dry_run or one.repeated else 201)


def _reached(call: Call) -> None:
    call.position = max(call.position, call.services.platform.state.position)


def _all(call: Call, given: Sequence[Any], dry_run: bool) -> list[Done]:
    return [
        Done(problem=document_of(one)) if isinstance(one, GemelError) else Done(outcome=one)
        for one in _each(call, given, dry_run)
    ]


def _each(call: Call, given: Sequence[Any], dry_run: bool, key: str = "") -> list[Outcome | GemelError]:
    """What becomes of each: those that may not be done, or cannot be read, are told in their place."""
    told: list[Outcome | GemelError | Wish] = []
    trees = 0
    for one in given:
        try:
            wish = _wish(call, one, key)
            trees += sum(bool(each.hash or each.has) for each in wish.basis.expects)
            if trees > MOST_TREES:
                raise TooLarge(f"operations told together assume at most {MOST_TREES} machines; send them in parts")
            told.append(wish)
        except GemelError as error:
            told.append(error)
    configuration = call.services.platform.configuration.as_(person(call.who))
    wishes = [one for one in told if isinstance(one, Wish)]
    outcomes = iter(configuration.do_all(wishes, dry_run=dry_run))
    return [_shown(call, one, next(outcomes)) if isinstance(one, Wish) else one for one in told]


def _wish(call: Call, given: Any, key: str) -> Wish:
    """As it is handed in by who asks. Raises InvalidInput, Denied, NotFound."""
    if isinstance(given, dict) and isinstance(conceded := given.get("concession"), dict):
        given = {**given, "concession": {"by": person(call.who), **conceded}}
    wish = understood(given, Wish)
    basis, source = wish.basis, wish.basis.source
    if call.who.party or not source:  # keys are of who gives them: nobody takes another's
        source = f"http:{person(call.who)}" + (f"/{source}" if source else "")
    basis = msgspec.structs.replace(basis, source=source, key=basis.key or key)
    wish = msgspec.structs.replace(wish, basis=basis)
    permit(call, wish)
    return wish


def permit(call: Call, wish: Wish) -> None:
    """Raises Denied, NotFound (what is not seen), InvalidInput unless who asks may do this now."""
    who, gate, items = call.who, call.services.platform.gate, call.items
    said = wish.operation
    may_expect(call, wish.basis.expects, "", at=getattr(said, "at", None))
    detail = f"{said.__struct_config__.tag} {' '.join(subjects(said))}".strip()
    if wish.concession is not None or isinstance(said, operations.Judge):
        if wish.concession is not None and wish.concession.by != person(who):
            raise InvalidInput(f"{wish.concession.by:.80} has to concede it himself; leave `by` out to concede it")
        gate.require(who, Action.CONFIGURE, _OPERATOR, detail=f"concede: {detail}"[:300])
    if gate.allows(who, Action.MAINTAIN, _OPERATOR):
        gate.require(who, Action.MAINTAIN, _OPERATOR, detail=detail[:300])
        return
    at = getattr(said, "at", call.services.platform.clock.now())
    if isinstance(said, operations.Create):
        gate.require(who, Action.MAINTAIN, _OPERATOR, detail=detail[:300])
    named = (*subjects(said), *items.of_act(getattr(said, "act", 0)))
    if not named:
        raise NotFound("there is no such act; GET /items/{id}/acts lists those of an item")
    spec = getattr(getattr(said, "instead", None) or said, "spec", None)
    if spec is not None and spec.twin:  # who has one machine does not say what another twin is the face of
        gate.require(who, Action.MAINTAIN, _OPERATOR, detail=detail[:300])
    for item in named:
        if spec is not None and item == spec.id:
            continue  # it is known only since it comes into what the others are
        _maintain(call, items.holders(item, at), detail)
    for item, twins in items.holders_at_act(getattr(said, "act", 0)).items():
        _maintain(call, twins, f"{detail} of {item}")


def _maintain(call: Call, twins: Sequence[str], detail: str) -> None:
    """Raises Denied unless who asks may maintain one of these twins."""
    who, gate = call.who, call.services.platform.gate
    resources = (Resource(ResourceKind.TWIN, twin, PropertyGroup.CONFIGURATION) for twin in twins)
    found = next((one for one in resources if gate.allows(who, Action.MAINTAIN, one)), _OPERATOR)
    gate.require(who, Action.MAINTAIN, found, detail=detail[:300])


def _shown(call: Call, wish: Wish, done: Outcome | GemelError) -> Outcome | GemelError:
    """A rule that is not kept in another's machine, or a contradiction with what is known of that, tells nothing of
    it."""
    if call.items.everything:
        return done
    machine, at = MachineSeen(call.items, call.services.platform.configuration), getattr(wish.operation, "at", None)
    if isinstance(done, Outcome):
        return msgspec.structs.replace(done, findings=machine.told(done.findings, at))
    if isinstance(done, RuleBroken):
        found = done.extra["findings"]
        told = machine.told(found, at)
        if told == tuple(found):
            return done
        return RuleBroken(
            "that breaks a rule of the machine that it is in, which is not shared with you; ask the operator",
            findings=list(told),
        )
    if not isinstance(done, Conflict):
        return done
    named = subjects(wish.operation)
    if named and all(call.items.sees_from(item, getattr(wish.operation, "at", 0)) for item in named):
        return done
    return Conflict("that contradicts what is known of it elsewhere, which is not shared with you; ask the operator")


ROUTES: list[Any] = [say]

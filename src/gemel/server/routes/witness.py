"""What parties that hold each other to their record ask: signed heads and proofs between them, never content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded
from gemel.server.options import API
from gemel.witness import Consistency, Countersigned, Evidence, Heads, Held, Offer, PeerStanding, Witnessed

__all__ = ["ROUTES"]

WITNESS, OPERATE = needs("witness", "Journal"), needs("operate", "Journal")
Count = Annotated[int, QueryParameter(ge=0, le=1 << 53)]
Log = Annotated[str, QueryParameter(max_length=16, description="journal or audit.")]


class HeldView(msgspec.Struct):
    """How far a log is countersigned, and since when."""

    position: int
    size: int
    seen: str


class WrongView(msgspec.Struct):
    """What is wrong and not accepted yet; `note` is the evidence, signed."""

    owner: str
    log: str
    verdict: str
    told: str
    seen: str
    note: str


class PeerView(msgspec.Struct):
    """One peer: `held`: what we countersigned of its logs; `holds`: what it countersigned of ours."""

    name: str
    url: str
    state: str
    error: str
    checked: str | None
    held: dict[str, HeldView]
    holds: dict[str, HeldView]
    wrong: list[WrongView]
    said: list[str]


class WitnessView(msgspec.Struct):
    """As whom this plant signs, and its peers."""

    name: str
    key: str
    peers: list[PeerView]


class WitnessedView(msgspec.Struct):
    """Both logs, held against everything that was countersigned of them."""

    ok: bool
    logs: list[Witnessed]
    peers: list[PeerView]


class Acceptance(msgspec.Struct, forbid_unknown_fields=True):
    """Which peer, and why what was wrong is accepted; it is journaled."""

    party: Annotated[str, msgspec.Meta(max_length=100)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class KeyView(msgspec.Struct):
    """The public key that other parties pin."""

    name: str
    key: str


@get(f"{API}/witness/heads", opt=WITNESS, tags=["witness"], summary="How far journal and audit log are, signed")
async def heads(request: Req) -> Heads:
    services = call_of(request).services
    return await services.reads.run(services.platform.witness.heads)


@get(
    f"{API}/witness/consistency",
    opt=WITNESS,
    tags=["witness"],
    summary="The proof that a log only grew from one size to another",
)
async def consistency(request: Req, log: Log, old: Count, new: Count) -> Consistency:
    """Hashes of RFC 9162, section 2.1.4."""
    services = call_of(request).services
    return await services.reads.run(services.platform.witness.consistency, log, old, new)


@get(
    f"{API}/witness/countersigned",
    opt=WITNESS,
    tags=["witness"],
    summary="The newest heads of another plant that this one countersigned",
)
async def countersigned(request: Req, of: Annotated[str, QueryParameter(max_length=100)]) -> Countersigned:
    services = call_of(request).services
    return await services.reads.run(services.platform.witness.countersigned, of)


@post(
    f"{API}/witness/offers",
    opt=WITNESS | speaks(Offer, Countersigned),
    status_code=200,
    tags=["witness"],
    summary="Hand in the heads of a plant that this one cannot reach",
)
async def offers(request: Req) -> Countersigned:
    """Its key must stand in `witness.peers` here. The answer: what this plant holds of it now, countersigned."""
    services = call_of(request).services
    offer = await decoded(request, Offer)
    return await services.waiting.run(services.platform.witness.offered, offer)


@get(f"{API}/witness", opt=OPERATE, tags=["witness"], summary="As whom this plant signs, and how its peers stand")
async def standing(request: Req) -> WitnessView:
    services = call_of(request).services
    return await services.reads.run(_standing, services.platform.witness.standing, call_of(request))


@post(f"{API}/witness/check", opt=OPERATE, status_code=200, tags=["witness"], summary="Look at all peers now")
async def check(request: Req) -> WitnessView:
    services = call_of(request).services
    return await services.waiting.run(_standing, services.platform.witness.check, call_of(request))


@post(
    f"{API}/witness/verify",
    opt=OPERATE,
    status_code=200,
    tags=["witness"],
    summary="Hold journal and audit log against everything that was countersigned",
)
async def verify(request: Req) -> WitnessedView:
    """Asks the peers for what they hold, and computes the trees again."""
    call = call_of(request)
    found = await call.services.slow.run(call.services.platform.verify_witnessed)
    peers = [_peer(one) for one in call.services.platform.witness.standing()]
    return WitnessedView(all(one.ok for one in found), found, peers)


@post(
    f"{API}/witness/accept",
    opt=needs("administer") | speaks(Acceptance, WitnessView),
    status_code=200,
    tags=["witness"],
    summary="Take note of what was wrong with a peer, and go on",
)
async def accept(request: Req) -> WitnessView:
    call = call_of(request)
    given, room = await decoded(request, Acceptance), call.services.platform.witness

    def work() -> WitnessView:
        room.accept(given.party, reason=given.reason, actor=call.who.id)
        return _standing(room.standing, call)

    return await call.services.waiting.run(work)


@post(
    f"{API}/witness/key/rotate",
    opt=needs("administer"),
    status_code=200,
    tags=["witness"],
    summary="A new key, which the old one signs; peers follow by themselves",
)
async def rotate(request: Req) -> KeyView:
    call = call_of(request)
    key = await call.services.waiting.run(call.services.platform.witness.rotate, actor=call.who.id)
    return KeyView(key.name, str(key))


@get(
    f"{API}/witness/proof",
    opt=needs("administer"),
    tags=["witness"],
    summary="A small document that proves a record to whoever has nothing else of the plant",
)
async def proof(request: Req, position: Annotated[int, QueryParameter(ge=1, le=1 << 62)]) -> Evidence:
    """The record is in it: who gets it reads the record. docs/check_proof.py checks it without Gemel."""
    services = call_of(request).services
    return await services.slow.run(services.platform.proof, position)


def _standing(look: Callable[[], list[PeerStanding]], call: Call) -> WitnessView:
    room = call.services.platform.witness
    peers = [_peer(one) for one in look()]
    return WitnessView(room.keys.name, str(room.keys.public), peers)


def _peer(one: PeerStanding) -> PeerView:
    wrong = [WrongView(w.owner, w.log, w.verdict, w.told, rfc3339(w.seen), w.note) for w in one.wrong]
    checked = None if one.checked is None else rfc3339(one.checked)
    held, holds = ({log: _held(found) for log, found in told.items()} for told in (one.held, one.holds))
    return PeerView(one.name, one.url, one.state, one.error, checked, held, holds, wrong, one.said)


def _held(one: Held) -> HeldView:
    return HeldView(one.position, one.size, rfc3339(one.seen))


ROUTES = [heads, consistency, countersigned, offers, standing, check, verify, accept, rotate, proof]

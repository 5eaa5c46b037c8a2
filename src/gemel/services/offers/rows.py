"""The rows of offers: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access import ERASED_TEXT, in_own_words, words_of
from gemel.errors import NotFound
from gemel.services.offers.tables import offer_table
from gemel.services.offers.values import Offer, OfferState, Step
from gemel.twin import Change

__all__ = ["came", "find", "find_by_key", "forget_offers", "listed", "of_item", "put", "rewrite"]

MAX_STEPS = 100


def _offer(tx: Connection, body: str) -> Offer:
    return _said(msgspec.json.decode(body, type=Offer), lambda _actor, kept: words_of(tx, kept))


def _said(offer: Offer, put: Callable[[str, str], str]) -> Offer:
    """With what people say of it in their own words put otherwise: (who says it, words) → words."""
    steps = tuple(replace(one, detail=put(one.actor, one.detail)) for one in offer.steps)
    ordered = next((one.actor for one in steps if one.state == OfferState.ORDERED.value), offer.actor)
    return replace(offer, steps=steps, conceded=put(ordered, offer.conceded))


def _values(tx: Connection, offer: Offer) -> dict[str, Any]:
    kept = _said(offer, lambda actor, text: text if text == ERASED_TEXT else in_own_words(tx, actor, text))
    names = ("id", "part", "party", "item", "actor", "created")
    told: dict[str, Any] = {name: getattr(offer, name) for name in names}
    return told | {
        "state": offer.state.value,
        "key": offer.terms.key,
        "body": msgspec.json.encode(kept).decode(),
    }


def find(tx: Connection, id: str) -> Offer:
    """Raises NotFound."""
    body = tx.scalar(select(offer_table.c.body).where(offer_table.c.id == id))
    if body is None:
        raise NotFound(f"there is no offer {id!r:.60}; `gemel offers` lists them")
    return _offer(tx, body)


def find_by_key(tx: Connection, actor: str, key: str) -> Offer | None:
    """The offer that this person drafted under this key."""
    c = offer_table.c
    body = tx.scalar(select(c.body).where(c.actor == actor, c.key == key))
    return None if body is None else _offer(tx, body)


def of_item(tx: Connection, item: str) -> Offer | None:
    """The offer by which a machine was ordered."""
    c = offer_table.c
    body = tx.scalar(select(c.body).where(c.item == item).order_by(c.number.desc()).limit(1))
    return None if body is None else _offer(tx, body)


def listed(
    tx: Connection, *, states: Sequence[OfferState] = (), party: str | None = None, limit: int = 100, before: int = 0
) -> list[Offer]:
    """The newest first; `before`: older than this number."""
    c = offer_table.c
    query = select(c.body).order_by(c.number.desc()).limit(limit)
    query = query.where(c.state.in_([one.value for one in states])) if states else query
    query = query.where(c.party == party) if party is not None else query
    query = query.where(c.number < before) if before else query
    return [_offer(tx, body) for body in tx.scalars(query)]


def put(tx: Connection, offer: Offer) -> tuple[Offer, Change]:
    """Write a new one; it gets its id and number."""
    step = Step(state=offer.state.value, time=offer.created, actor=offer.actor)
    offer = replace(offer, id=f"offer-{secrets.token_hex(6)}", steps=(step,))
    number = tx.execute(insert(offer_table).values(**_values(tx, offer)).returning(offer_table.c.number)).scalar_one()
    offer = replace(offer, number=number)
    rewrite(tx, offer)
    return offer, change_of(offer, "offer.drafted", offer.created, offer.actor)


def rewrite(tx: Connection, offer: Offer) -> None:
    tx.execute(update(offer_table).where(offer_table.c.id == offer.id).values(**_values(tx, offer)))


def came(
    tx: Connection, offer: Offer, state: OfferState, now: int, *, actor: str, detail: str = ""
) -> tuple[Offer, Change]:
    """Bring an offer on; what else of it changed is in it already."""
    step = Step(state=state.value, time=now, actor=actor, detail=detail[:500])
    after = replace(offer, state=state, changed=now, steps=(*offer.steps, step)[-MAX_STEPS:])
    rewrite(tx, after)
    return after, change_of(after, f"offer.{state.value}", now, actor)


def change_of(offer: Offer, kind: str, now: int, actor: str) -> Change:
    """What the journal says of it: about the machine, once there is one. Reasons are in its steps alone."""
    body: dict[str, Any] = {"offer": offer.id, "part": offer.part, "title": offer.title}
    body |= {"party": offer.party} if offer.party else {}
    return Change(kind=kind, subject=offer.item or offer.id, time=now, actor=actor, body=body)


def forget_offers(tx: Connection, twin: str) -> int:
    """Drop what offers hold of a twin that is erased; how many."""
    return int(tx.execute(delete(offer_table).where(offer_table.c.item == twin)).rowcount)

"""The rows of licences: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, or_, select, update

from gemel.access import ERASED_TEXT, in_own_words, words_of
from gemel.errors import NotFound
from gemel.services.capabilities.tables import licence_table
from gemel.services.capabilities.values import OPEN, Licence, LicenceState, Step
from gemel.twin import Change

__all__ = ["REVOKED", "came", "find", "find_by_key", "forget_licences", "keep", "listed", "open_licences", "put"]

REVOKED = "revoked"
"""The reason of a licence that somebody took back; its detail is what they say."""
MAX_STEPS = 100
_AT_ONCE = 500
"""Twins in one query."""


def _licence(tx: Connection, body: str) -> Licence:
    return _said(msgspec.json.decode(body, type=Licence), lambda _actor, kept: words_of(tx, kept))


def _said(licence: Licence, put: Callable[[str, str], str]) -> Licence:
    """With what people say of it in their own words put otherwise: (who says it, words) → words."""
    steps = tuple(replace(one, detail=put(one.actor, one.detail)) for one in licence.steps)
    by = steps[-1].actor if steps and licence.reason == REVOKED else ""
    return replace(licence, steps=steps, detail=put(by, licence.detail))


def _values(tx: Connection, licence: Licence) -> dict[str, Any]:
    kept = _said(licence, lambda actor, text: text if text == ERASED_TEXT else in_own_words(tx, actor, text))
    names = ("id", "capability", "machine", "twin", "actor", "key", "created")
    told: dict[str, Any] = {name: getattr(licence, name) for name in names}
    return told | {"state": licence.state.value, "body": msgspec.json.encode(kept).decode()}


def find(tx: Connection, id: str) -> Licence:
    """Raises NotFound."""
    body = tx.scalar(select(licence_table.c.body).where(licence_table.c.id == id))
    if body is None:
        raise NotFound(f"there is no licence {id!r:.60}; `gemel capabilities licences` lists them")
    return _licence(tx, body)


def find_by_key(tx: Connection, actor: str, key: str) -> Licence | None:
    """The licence that this person granted under this key."""
    c = licence_table.c
    body = tx.scalar(select(c.body).where(c.actor == actor, c.key == key))
    return None if body is None else _licence(tx, body)


def listed(
    tx: Connection,
    *,
    twins: Sequence[str] | None = None,
    capability: str = "",
    states: Sequence[LicenceState] = (),
    limit: int = 100,
    before: int = 0,
) -> list[Licence]:
    """The newest first; `before`: older than this number; `twins`: of these twins or machines alone."""
    c = licence_table.c
    query = select(c.body).order_by(c.number.desc()).limit(limit)
    query = query if twins is None else query.where(or_(c.twin.in_(twins), c.machine.in_(twins)))
    query = query.where(c.capability == capability) if capability else query
    query = query.where(c.state.in_([one.value for one in states])) if states else query
    query = query.where(c.number < before) if before else query
    return [_licence(tx, body) for body in tx.scalars(query)]


def open_licences(tx: Connection, twins: Collection[str] | None = None) -> list[Licence]:
    """Those of which something may still become of itself, the oldest first; `twins`: of these alone."""
    c = licence_table.c
    query = select(c.body).where(c.state.in_([one.value for one in OPEN])).order_by(c.number)
    if twins is None:
        return [_licence(tx, body) for body in tx.scalars(query)]
    chosen, found = sorted(twins), list[Licence]()
    for first in range(0, len(chosen), _AT_ONCE):
        found += [_licence(tx, body) for body in tx.scalars(query.where(c.twin.in_(chosen[first : first + _AT_ONCE])))]
    return found


def put(tx: Connection, licence: Licence) -> tuple[Licence, Change]:
    """Write a new one; it gets its id and number."""
    step = Step(state=licence.state.value, time=licence.created, actor=licence.actor)
    licence = replace(licence, id=f"licence-{secrets.token_hex(6)}", steps=(step,))
    number = tx.execute(
        insert(licence_table).values(**_values(tx, licence)).returning(licence_table.c.number)
    ).scalar_one()
    licence = replace(licence, number=number)
    keep(tx, licence)
    return licence, change_of(licence, "licence.granted", licence.created, licence.actor)


def keep(tx: Connection, licence: Licence) -> None:
    """The row stays that of who granted it, whose key it is, on whomsoever's behalf the machine is told."""
    values = _values(tx, licence)
    del values["actor"]
    tx.execute(update(licence_table).where(licence_table.c.id == licence.id).values(**values))


def came(
    tx: Connection, licence: Licence, state: LicenceState, now: int, *, actor: str = "", **facts: Any
) -> tuple[Licence, Change]:
    """Bring a licence on."""
    facts = {"reason": "", "detail": ""} | facts
    facts["reason"], facts["detail"] = str(facts["reason"])[:128], str(facts["detail"])[:1000]
    step = Step(state=state.value, time=now, actor=actor, detail=facts["detail"][:500])
    after = replace(licence, state=state, steps=(*licence.steps, step)[-MAX_STEPS:], **facts)
    keep(tx, after)
    return after, change_of(after, f"licence.{state.value}", now, actor)


def change_of(licence: Licence, kind: str, now: int, actor: str) -> Change:
    """What the journal says of it, about the twin; why somebody revoked it is in its steps alone."""
    names = ("capability", "machine", "starts", "ends", "revoked", "reference", "reason", "detail", "order", "reported")
    body: dict[str, Any] = {"licence": licence.id}
    told = replace(licence, detail="") if licence.reason == REVOKED else licence
    body |= {name: value for name in names if (value := getattr(told, name)) not in (None, "")}
    return Change(kind=kind, subject=licence.twin, time=now, actor=actor, body=body)


def forget_licences(tx: Connection, twin: str) -> int:
    """Drop what licences hold of a twin that is erased; how many."""
    return int(tx.execute(delete(licence_table).where(licence_table.c.twin == twin)).rowcount)

"""Nonconformances: what is so and breaks a rule, and how it stands with each: open, conceded for a time, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select

from gemel.access import in_own_words, words_of
from gemel.configuration import tables
from gemel.configuration.acts.acting import existing, item_row
from gemel.configuration.acts.identity import identities
from gemel.configuration.belief import Entry, as_of, believed, known_at
from gemel.configuration.operations import Judge, Raise
from gemel.configuration.questions import asking
from gemel.configuration.values import FOREVER, Concession, Finding, Level, Node, Nonconformance, Span, Standing
from gemel.errors import InvalidInput, NotFound

__all__ = [
    "RAISED",
    "about",
    "any_standing",
    "close",
    "judge",
    "nonconformances",
    "nonconforming",
    "numbers_of",
    "open_",
    "raise_",
    "standing",
]

RAISED = "raised"
"""In place of the rule, where none is broken."""


def raise_(entry: Entry, said: Raise, *, concession: Concession | None, reason: str) -> int:
    """Note that something is not as it should be; returns its number. Raises NotFound, InvalidInput, InvalidTime."""
    if said.level is Level.ALLOW:
        raise InvalidInput("what is not as it should be is of level warn, concession or block")
    if not reason.strip():
        raise InvalidInput("say what is not as it should be: give a reason")
    if len(said.slot) > 128:
        raise InvalidInput("a slot has a name of 1 to 128 characters")
    if concession is not None and not said.at < concession.until:
        raise InvalidInput("a concession ends after it begins")
    existing(entry.tx, item_row(entry.tx, said.item), Span(said.at, said.at + 1))
    about = "" if said.slot else said.item
    finding = Finding(rule=RAISED, level=said.level, text=reason.strip(), slot=said.slot, item=about, parent=said.item)
    return open_(entry, finding, said.at, concession)


def open_(entry: Entry, finding: Finding, time: int, concession: Concession | None) -> int:
    """Note that it is so; returns its number. Conceded if somebody concedes it, else open."""
    tx = entry.tx
    done = tx.execute(
        insert(tables.nonconformance).values(
            item=item_row(tx, finding.item).number if finding.item else None,
            parent=item_row(tx, finding.parent).number,
            slot=finding.slot,
            rule=finding.rule,
            level=finding.level.value,
            text=in_own_words(tx, entry.actor, finding.text) if finding.rule == RAISED else finding.text,
            act=entry.number,
        )
    )
    key = done.inserted_primary_key
    assert key is not None
    entry.believe(tables.standing, Span(time), **_standing(entry, int(key[0]), concession))
    return int(key[0])


def _standing(
    entry: Entry, number: int, concession: Concession | None, state: Standing = Standing.OPEN
) -> dict[str, Any]:
    if concession is None:
        return {"nonconformance": number, "state": state.value, "party": "", "until": FOREVER, "reason": ""}
    reason = in_own_words(entry.tx, entry.actor, concession.reason)
    told = {"party": concession.by, "until": concession.until, "reason": reason}
    return {"nonconformance": number, "state": Standing.CONCEDED.value, **told}


def standing(tx: Connection, finding: Finding, time: int) -> list[int]:
    """The nonconformances that tell of this finding at a moment, and are not closed then."""
    n, s = tables.nonconformance.c, tables.standing.c
    item = item_row(tx, finding.item).number if finding.item else None
    same = (n.parent == item_row(tx, finding.parent).number, n.slot == finding.slot, n.rule == finding.rule)
    query = (
        select(s.nonconformance)
        .join(tables.nonconformance, n.number == s.nonconformance)
        .where(*same, n.item == item if item is not None else n.item.is_(None))
        .where(s.state != Standing.CLOSED.value, s.valid_from <= time, s.valid_to > time, believed(tables.standing))
    )
    return list(tx.scalars(query).all())


def any_standing(tx: Connection, items: Sequence[int]) -> bool:
    """Whether a nonconformance of slots of these items was ever noted and is not closed at some time."""
    n, s = tables.nonconformance.c, tables.standing.c
    for first in range(0, len(items), 500):
        query = (
            select(s.number)
            .join(tables.nonconformance, n.number == s.nonconformance)
            .where(n.parent.in_(items[first : first + 500]), s.state != Standing.CLOSED.value)
            .where(believed(tables.standing))
            .limit(1)
        )
        if tx.scalar(query) is not None:
            return True
    return False


def close(entry: Entry, finding: Finding, time: int) -> None:
    """What a finding told of is as it should be from a moment on."""
    s = tables.standing.c
    for number in standing(entry.tx, finding, time):
        values = _standing(entry, number, None, Standing.CLOSED)
        begun = entry.tx.scalar(
            select(s.number).where(s.nonconformance == number, s.valid_from == time, believed(tables.standing))
        )
        moment = time if begun is None else time + 1  # it was so, if only for a moment
        entry.follow(tables.standing, s.nonconformance == number, moment, values)


def about(tx: Connection, number: int) -> list[str]:
    """The item that a nonconformance is about, if there is one, and what it is in."""
    n, x = tables.nonconformance.c, tables.item.c
    query = select(x.id).join(tables.nonconformance, (n.item == x.number) | (n.parent == x.number))
    return list(tx.scalars(query.where(n.number == number)).all())


def judge(entry: Entry, said: Judge, *, concession: Concession | None, reason: str) -> None:
    """From a moment on it stands otherwise with a nonconformance. Raises NotFound, InvalidInput, Conflict."""
    s = tables.standing.c
    first = entry.tx.scalar(
        select(s.valid_from)
        .where(s.nonconformance == said.nonconformance, believed(tables.standing))
        .order_by(s.valid_from)
        .limit(1)
    )
    if first is None:
        raise NotFound(f"there is no nonconformance {said.nonconformance}, or it was withdrawn")
    if (said.state is Standing.CONCEDED) != (concession is not None):
        raise InvalidInput("say who concedes it, why and until when; and only of what is conceded")
    if concession is not None and not said.at < concession.until:
        raise InvalidInput("a concession ends after it begins")
    if concession is None and not reason.strip():
        raise InvalidInput("who closes a nonconformance, or opens it again, says why: give a reason")
    values = _standing(entry, said.nonconformance, concession, said.state)
    if concession is None:
        values |= {"party": entry.actor, "reason": in_own_words(entry.tx, entry.actor, reason)}
    entry.follow(tables.standing, s.nonconformance == said.nonconformance, said.at, values)


def nonconformances(tx: Connection, items: Sequence[int], at: int, known: int) -> list[Nonconformance]:
    """Those about some items, or in slots of them, in order of their numbers, as they stand at a moment."""
    n, s, x, a = tables.nonconformance, tables.standing, tables.item, tables.act
    outer = x.alias("outer")
    found = []
    now = identities(tx, items)
    for first in range(0, len(now), 500):
        some = list(now)[first : first + 500]
        about: ColumnElement[bool] = or_(n.c.item.in_(some), n.c.parent.in_(some))
        rows = tx.execute(
            select(n, s.c.state, s.c.party, s.c.until, s.c.reason, x.c.id, outer.c.id.label("holder"), a.c.evidence)
            .join(s, s.c.nonconformance == n.c.number)
            .join(a, a.c.number == n.c.act)
            .join(outer, outer.c.number == n.c.parent)
            .outerjoin(x, x.c.number == n.c.item)
            .where(about, as_of(s, at, known))
        ).all()
        found += [_of(tx, row, now, at, known) for row in rows]
    return sorted({one.number: one for one in found}.values(), key=lambda one: one.number)


def _of(tx: Connection, row: Row[Any], now: Mapping[int, int], at: int, known: int) -> Nonconformance:
    s = tables.standing
    start = tx.scalar(
        select(s.c.valid_from)
        .where(s.c.nonconformance == row.number, known_at(s, known))
        .order_by(s.c.valid_from)
        .limit(1)
    )
    assert start is not None
    state, until, reason = Standing(row.state), row.until, words_of(tx, row.reason)
    if state is Standing.CONCEDED and at >= until:
        state = Standing.OPEN
    placed = row.item is not None and row.slot
    if state is not Standing.CLOSED and placed and not _stayed(tx, row, now, (start, at), known):
        state, reason = Standing.CLOSED, "it is not there any more"
    return Nonconformance(
        number=row.number,
        item=row.id or "",
        parent=row.holder,
        slot=row.slot,
        rule=row.rule,
        level=Level(row.level),
        text=words_of(tx, row.text),
        act=row.act,
        time=start,
        state=state,
        by=row.party,
        until=until,
        reason=reason,
        evidence=row.evidence,
    )


def _stayed(tx: Connection, row: Row[Any], now: Mapping[int, int], times: tuple[int, int], known: int) -> bool:
    """Whether the item has been in that slot from the beginning up to a moment."""
    p, place = tables.placement, tables.place.c
    items = [row.item, now.get(row.item, row.item)]  # before it was merged, and since
    parents = [row.parent, now.get(row.parent, row.parent)]
    found = tx.scalar(
        select(p.c.number)
        .join(tables.place, place.number == p.c.place)
        .where(p.c.child.in_(items), place.parent.in_(parents), place.slot == row.slot)
        .where(as_of(p, times[0], known), p.c.valid_to > times[1])
    )
    return found is not None


def nonconforming(tx: Connection, root: str, at: int, known: int) -> list[Nonconformance]:
    """How it stands with the nonconformances of an item and all that is in it. Raises NotFound."""
    return nonconformances(tx, numbers_of(tx, asking.tree(tx, root, at, known)), at, known)


def numbers_of(tx: Connection, node: Node) -> list[int]:
    """The numbers of all items of a configuration."""
    ids = [node.item.id]
    open_ = list(node.parts)
    while open_:
        inner = open_.pop()
        ids.append(inner.item.id)
        open_ += inner.parts
    c = tables.item.c
    found: list[int] = []
    for first in range(0, len(ids), 500):
        found += tx.scalars(select(c.number).where(c.id.in_(ids[first : first + 500]))).all()
    return found

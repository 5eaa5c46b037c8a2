"""The rows of forms: the versions of what was declared, and what was filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gemel.access import in_own_words, words_of
from gemel.configuration import FOREVER
from gemel.errors import NotFound
from gemel.services.declared import declared_table
from gemel.services.forms.tables import filled_table
from gemel.services.forms.values import Amiss, FieldKind, Filled, Form

__all__ = ["KIND", "forget_filled", "newest", "put", "rows_of", "state_of", "told", "untold", "written"]

KIND = "form"
"""In the table of what is declared."""
_SEALED = '"sealed:'
"""Stands in a body of which something is sealed, perhaps."""


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    serial: str
    answers: dict[str, Any]
    amiss: tuple[Amiss, ...]
    acts: tuple[int, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a form, and until when it was the newest."""

    form: Form
    version: int
    until: int


# declared: the k-th document of an id is its version k


def newest(tx: Connection, ids: Sequence[str] | None = None) -> dict[str, int]:
    """The newest version by the id of a form; `ids`: of these alone."""
    c = declared_table.c
    query = select(c.id, func.count()).where(c.kind == KIND, c.document != "").group_by(c.id)
    query = query if ids is None else query.where(c.id.in_(ids))
    return {id: int(count) for id, count in tx.execute(query)}


def known_by(tx: Connection, known: int) -> list[State]:
    """The forms that were declared at a moment, in the versions of then; by id."""
    c = declared_table.c
    query = select(c.id, c.document).where(c.kind == KIND, c.recorded <= known).order_by(c.number)
    versions: dict[str, int] = {}
    documents: dict[str, str] = {}
    for id, document in tx.execute(query):
        versions[id] = versions.get(id, 0) + bool(document)
        documents[id] = document
    told = sorted((id, document) for id, document in documents.items() if document)
    return [State(form=msgspec.json.decode(one, type=Form), version=versions[id], until=FOREVER) for id, one in told]


def state_of(tx: Connection, id: str, version: int | None) -> State:
    """A version of a form, the newest if none is named; also of one that was withdrawn. Raises NotFound."""
    c = declared_table.c
    rows = tx.execute(select(declared_table).where(c.kind == KIND, c.id == id).order_by(c.number)).all()
    told = [at for at, row in enumerate(rows) if row.document]
    if not told:
        raise NotFound(f"there is no form {id!r:.80}; `gemel forms` lists them")
    wanted = len(told) if version is None else version
    if not 1 <= wanted <= len(told):
        raise NotFound(f"{id:.80} has the versions 1 to {len(told)}, not {wanted}")
    at = told[wanted - 1]
    until = rows[at + 1].recorded if at + 1 < len(rows) else FOREVER
    return State(form=msgspec.json.decode(rows[at].document, type=Form), version=wanted, until=until)


# filled in


def put(tx: Connection, filled: Filled, form: Form, *, digest: str, telling: str) -> Filled:
    """Keep it; it gets its number. `telling`: its readings."""
    kept = _said(filled, _texts(form), lambda text: in_own_words(tx, filled.actor, text))
    body = _Body(title=kept.title, serial=kept.serial, answers=kept.answers, amiss=kept.amiss, acts=kept.acts)
    values = {
        "id": filled.id,
        "form": filled.form,
        "version": filled.version,
        "item": filled.item,
        "twin": filled.twin,
        "work_order": filled.order,
        "actor": filled.actor,
        "key": filled.key,
        "digest": digest,
        "time": filled.at,
        "recorded": filled.recorded,
        "telling": telling,
        "body": msgspec.json.encode(body).decode(),
    }
    number = tx.execute(insert(filled_table).values(**values).returning(filled_table.c.number)).scalar_one()
    return msgspec.structs.replace(filled, number=int(number))


def _texts(form: Form) -> set[str]:
    """What people write in their own words: alone sealed."""
    return {one.name for one in form.fields if one.kind is FieldKind.TEXT}


def _said(filled: Filled, texts: set[str], put: Any) -> Filled:
    answers = {name: put(one) if name in texts else one for name, one in filled.answers.items()}
    return msgspec.structs.replace(filled, answers=answers)


def written(tx: Connection, row: Row[Any]) -> Filled:
    """A row as a value."""
    body = msgspec.json.decode(row.body, type=_Body)
    texts = _texts(state_of(tx, row.form, row.version).form) if _SEALED in row.body else set()
    answers = {name: words_of(tx, one) if name in texts else one for name, one in body.answers.items()}
    return Filled(
        number=row.number,
        id=row.id,
        form=row.form,
        version=row.version,
        title=body.title,
        item=row.item,
        serial=body.serial,
        twin=row.twin,
        order=row.work_order,
        actor=row.actor,
        at=row.time,
        recorded=row.recorded,
        answers=answers,
        amiss=body.amiss,
        acts=body.acts,
        key=row.key,
    )


def rows_of(tx: Connection, asked: Mapping[str, str], *, limit: int, before: int | None = None) -> list[Row[Any]]:
    """The newest first; `asked`: by the names of columns, what is empty is not asked for."""
    c = filled_table.c
    query = select(filled_table).order_by(c.number.desc()).limit(limit)
    query = query.where(*(c[name] == value for name, value in asked.items() if value))
    query = query if before is None else query.where(c.number < before)
    return list(tx.execute(query))


def untold(tx: Connection) -> list[tuple[str, str, str]]:
    """(id, actor, readings as JSON) of those whose readings are not handed in yet, the oldest first."""
    c = filled_table.c
    query = select(c.id, c.actor, c.telling).where(c.telling != "").order_by(c.number)
    return [(row.id, row.actor, row.telling) for row in tx.execute(query)]


def told(tx: Connection, id: str) -> None:
    """Its readings are handed in."""
    tx.execute(update(filled_table).where(filled_table.c.id == id).values(telling=""))


def forget_filled(tx: Connection, twin: str) -> int:
    """Drop what was filled in about a twin that is erased; how many."""
    c = filled_table.c
    return int(tx.execute(delete(filled_table).where(c.twin == twin)).rowcount)

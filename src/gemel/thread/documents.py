"""Documents: versions with their content's hash, for whom each applies and from when, in which language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select

from gemel.access import in_own_words, words_of
from gemel.clock import moment
from gemel.configuration import (
    FOREVER,
    Effectivity,
    Having,
    Item,
    PartType,
    Span,
    check_range,
    effectivity_applies,
    in_revisions,
)
from gemel.configuration.questions.fleet import MOST
from gemel.errors import Conflict, InvalidInput, InvalidTime, NotFound
from gemel.thread import tables
from gemel.thread.nodes import LONGEST
from gemel.thread.store import Content
from gemel.thread.values import RECORD_PHASES, Phase
from gemel.thread.writing import Entry

__all__ = [
    "BULLETIN",
    "Applies",
    "Document",
    "DocumentSpec",
    "Version",
    "add",
    "document_of",
    "documents",
    "versions",
    "withdraw",
]

BULLETIN = "bulletin"
"""The kind of documents that say what is to be done to some machines."""
WITHDRAWN = "withdrawn"
"""What acts do that withdraw a version."""
MOST_HAVING, LONGEST_PART = MOST - 1, 128
"""With what a version applies to, one question to the fleet asks for one more."""
LONGEST_RANGE = 2 * LONGEST_PART + 2
_ALWAYS = -(1 << 62)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Applies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """For what a version applies: a part, and of which revisions and end items."""

    part: str
    revisions: tuple[str, ...] = ()
    """"B", "B..", "..D" or "B..D" in the order of the part's revisions; none: all."""
    serials: tuple[str, ...] = ()
    """Of the end item (the machine, not the part): "A100..A250", "A300..", "..A99" or "A7"; none: all."""
    lots: tuple[str, ...] = ()
    """Of the end item; none: all."""

    def covers(self, item: Item, root: Item, part: PartType | None, at: int) -> bool:
        """Whether it applies to an item that is in an end item (itself perhaps) at a moment; what cannot be told,
        because a revision or a number is not known, does not. `part`: of the item, as the parts book has it."""
        if item.part != self.part or not in_revisions(part, item.revision, self.revisions):
            return False
        told = Effectivity(serials=self.serials, lots=self.lots)
        return bool(effectivity_applies(told, serial=root.serial, lot=root.lot, at=at))


class DocumentSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of a document that is to be known; its content is handed in beside it."""

    id: str
    kind: str = "manual"
    """manual, drawing, certificate, bulletin, nc-program, photograph …"""
    title: str = ""
    phase: Phase | None = None
    version: str = "1"
    language: str = ""
    """BCP 47, like de or en-GB; empty: in none."""
    name: str = ""
    """Of the file, for who downloads it."""
    note: str = ""
    applies: tuple[Applies, ...] = ()
    having: tuple[Having, ...] = ()
    """Of a bulletin: it applies only to machines that have all of it at once."""
    start: int | None = None
    """From when on it applies; None: from ever."""
    end: int | None = None

    def checked(self) -> DocumentSpec:
        """Itself, with its phase and a harmless file name. Raises InvalidInput, InvalidTime."""
        if not self.id or len(self.id) > LONGEST or "/" in self.id:
            raise InvalidInput(f"a document's id has 1 to {LONGEST} characters and no slash, not {self.id!r:.80}")
        if not self.version or len(self.version) > 64:
            raise InvalidInput("a version has 1 to 64 characters")
        if self.language and not _LANGUAGE.fullmatch(self.language):
            raise InvalidInput(f"{self.language!r:.40} is no language; write it like de or en-GB")
        for time in (self.start, self.end):
            if time is not None:
                moment(time)
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise InvalidTime("a version applies until after it begins to")
        for one in self.applies:
            for told in (*one.serials, *one.revisions):
                check_range(told)
            if len(one.part) > LONGEST_PART or any(len(told) > LONGEST_PART for told in one.lots):
                raise InvalidInput(f"a part and a lot have at most {LONGEST_PART} characters")
            if any(len(told) > LONGEST_RANGE for told in (*one.serials, *one.revisions)):
                raise InvalidInput(f"a range has at most {LONGEST_RANGE} characters, dots and all")
        if self.having and self.kind != BULLETIN:
            raise InvalidInput(f"only a bulletin says what machines have; {self.id:.80} is a {self.kind:.60}")
        if len(self.having) > MOST_HAVING:
            raise InvalidInput(
                f"a bulletin names at most {MOST_HAVING} things that a machine has, not {len(self.having)}"
            )
        for what in self.having:
            if not 1 <= len(what.part) <= LONGEST_PART or any(
                len(one) > LONGEST_PART for one in (what.below, what.above, *what.revisions)
            ):
                raise InvalidInput(f"a part and a revision have at most {LONGEST_PART} characters, a part at least one")
        phase = self.phase or RECORD_PHASES.get(self.kind)
        if phase is None:
            raise InvalidInput(f"say in which phase {self.kind!r:.60} belongs: {', '.join(Phase)}")
        name = re.sub(r"[^\w .()+-]", "_", self.name.replace("\\", "/").rpartition("/")[2]).strip(" .")[-120:]
        return msgspec.structs.replace(self, phase=phase, name=name or "document", title=self.title or self.id)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document."""

    number: int
    document: str
    version: str
    language: str
    name: str
    content: Content
    note: str
    applies: tuple[Applies, ...]
    having: tuple[Having, ...] = ()
    """Of a bulletin: what a machine has, all at once, to which it applies."""
    valid: Span
    """When it applies."""
    recorded: Span
    act: int


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document with the versions that are believed, the newest first."""

    id: str
    kind: str
    phase: Phase
    title: str
    versions: tuple[Version, ...]


def add(entry: Entry, spec: DocumentSpec, content: Content) -> int:
    """Know a version; what went before it in the same language applies until it begins to, where nothing else is said.

    Returns the version's number, that of before where nothing is new. Raises Conflict (a version of this name has
    another content), InvalidInput.
    """
    spec, tx = spec.checked(), entry.tx
    assert spec.phase is not None
    c = tables.document.c
    known = tx.execute(select(tables.document).where(c.id == spec.id)).first()
    if known is None:
        tx.execute(
            insert(tables.document).values(
                id=spec.id, kind=spec.kind, phase=str(spec.phase), title=spec.title, act=entry.number
            )
        )
    v = tables.version.c
    held = tx.execute(
        select(tables.version)
        .where(v.document == spec.id, v.language == spec.language, v.recorded_to == FOREVER)
        .order_by(v.number)
    ).all()
    start = _ALWAYS if spec.start is None else spec.start
    end = FOREVER if spec.end is None else spec.end
    for row in held:
        if row.version == spec.version:
            if row.sha256 != content.sha256:
                raise Conflict(
                    f"version {spec.version} of {spec.id} has another content ({row.sha256:.12}…, not "
                    f"{content.sha256:.12}…); give the new one a version of its own, or withdraw the old one"
                )
            said = (set(spec.applies), set(spec.having))
            before = (set(_applies(tx, row.number)), set(_having(tx, row.number)))
            if (row.valid_from, _said_to(tx, row)) == (start, end) and before == said:
                return int(row.number)
            entry.cease(tables.version, [row])
    number = entry.believe(
        tables.version,
        document=spec.id,
        version=spec.version,
        language=spec.language,
        name=spec.name,
        sha256=content.sha256,
        size=content.size,
        media_type=content.media_type,
        note=in_own_words(tx, entry.actor, spec.note),
        valid_from=start,
        valid_to=end,
    )
    _apply(tx, number, spec.applies, spec.having)
    return _one_after_another(entry, spec.id, spec.language).get(spec.version, number)


def withdraw(entry: Entry, document: str, version: str) -> None:
    """A version is not to be used any more; what it was is known for ever, and what it replaced applies again.

    Raises NotFound.
    """
    v = tables.version.c
    rows = entry.tx.execute(
        select(tables.version).where(v.document == document, v.version == version, v.recorded_to == FOREVER)
    ).all()
    if not rows:
        raise NotFound(f"there is no version {version!r:.80} of {document:.80}, or it was withdrawn already")
    entry.cease(tables.version, rows)
    for language in {row.language for row in rows}:
        _one_after_another(entry, document, language)


def _one_after_another(entry: Entry, document: str, language: str) -> dict[str, int]:
    """Each version applies as long as was said of it, at most until the next one begins to, as they are known now.
    Returns the rows that are new: version → number."""
    tx, v = entry.tx, tables.version.c
    held = tx.execute(
        select(tables.version).where(v.document == document, v.language == language, v.recorded_to == FOREVER)
    ).all()
    found: dict[str, int] = {}
    for row in held:
        end = min([_said_to(tx, row), *(one.valid_from for one in held if one.valid_from > row.valid_from)])
        if end != row.valid_to:
            entry.cease(tables.version, [row])
            found[row.version] = entry.again(tables.version, row, valid_to=end)
            _apply(tx, found[row.version], _applies(tx, row.number), _having(tx, row.number))
    return found


def _said_to(tx: Connection, row: Row[Any]) -> int:
    """Until when a version applies as was said of it, before others were said to begin.

    A row that was cut for another version has the act of that one, of its withdrawal, or of the row that it was cut
    from.
    """
    v = tables.version.c
    same = (v.document == row.document, v.language == row.language)
    earlier = select(tables.version).where(*same, v.version == row.version, v.number < row.number)
    for before in tx.execute(earlier.order_by(v.number.desc())):
        if (before.recorded_to, before.valid_from) != (row.recorded_from, row.valid_from):
            break
        if before.act != row.act and not _of_another(tx, row):
            break
        row = before
    return int(row.valid_to)


def _of_another(tx: Connection, row: Row[Any]) -> bool:
    """Whether the act of a row says something of other versions."""
    v, a = tables.version.c, tables.act.c
    same = (v.document == row.document, v.language == row.language)
    others = select(v.number).where(*same, v.version != row.version, v.act == row.act)
    withdrawn = select(a.number).where(a.number == row.act, a.what == WITHDRAWN)
    return any(tx.scalar(one.limit(1)) is not None for one in (others, withdrawn))


def _apply(tx: Connection, number: int, applies: Iterable[Applies], having: Iterable[Having]) -> None:
    for one in applies:
        tx.execute(
            insert(tables.effectivity).values(
                of=number,
                part=one.part,
                revisions=msgspec.json.encode(one.revisions).decode(),
                serials=msgspec.json.encode(one.serials).decode(),
                lots=msgspec.json.encode(one.lots).decode(),
            )
        )
    for what in having:
        told = msgspec.structs.asdict(what) | {"revisions": msgspec.json.encode(what.revisions).decode()}
        tx.execute(insert(tables.having).values(of=number, **told))


def _applies(tx: Connection, number: int) -> tuple[Applies, ...]:
    c = tables.effectivity.c
    rows = tx.execute(select(tables.effectivity).where(c.of == number).order_by(c.number)).all()
    return tuple(
        Applies(
            part=row.part,
            revisions=msgspec.json.decode(row.revisions, type=tuple[str, ...]),
            serials=msgspec.json.decode(row.serials, type=tuple[str, ...]),
            lots=msgspec.json.decode(row.lots, type=tuple[str, ...]),
        )
        for row in rows
    )


def _having(tx: Connection, number: int) -> tuple[Having, ...]:
    c = tables.having.c
    rows = tx.execute(select(tables.having).where(c.of == number).order_by(c.number)).all()
    return tuple(
        Having(
            part=row.part,
            below=row.below,
            above=row.above,
            revisions=msgspec.json.decode(row.revisions, type=tuple[str, ...]),
            unknown=row.unknown,
        )
        for row in rows
    )


def versions(tx: Connection, what: Any, known: int) -> list[Version]:
    """Versions that fit a condition, as they were believed at `known`, the newest first."""
    c = tables.version.c
    rows = tx.execute(
        select(tables.version)
        .where(what, c.recorded_from <= known, c.recorded_to > known)
        .order_by(c.valid_from.desc(), c.number.desc())
    ).all()
    return [_version(tx, row) for row in rows]


def _version(tx: Connection, row: Row[Any]) -> Version:
    return Version(
        number=row.number,
        document=row.document,
        version=row.version,
        language=row.language,
        name=row.name,
        content=Content(sha256=row.sha256, size=row.size, media_type=row.media_type),
        note=words_of(tx, row.note),
        applies=_applies(tx, row.number),
        having=_having(tx, row.number),
        valid=Span(row.valid_from, row.valid_to),
        recorded=Span(row.recorded_from, row.recorded_to),
        act=row.act,
    )


def document_of(tx: Connection, id: str, known: int) -> Document:
    """A document. Raises NotFound, also where it was not known yet."""
    row = tx.execute(select(tables.document).where(tables.document.c.id == id)).first()
    found = versions(tx, tables.version.c.document == id, known)
    if row is None or not (found or _was_known(tx, row.act, known)):
        raise NotFound(f"there is no document {id!r:.120}; look for it with `gemel documents`")
    return Document(id=row.id, kind=row.kind, phase=Phase(row.phase), title=row.title, versions=tuple(found))


def _was_known(tx: Connection, act: int, known: int) -> bool:
    recorded = tx.scalar(select(tables.act.c.recorded).where(tables.act.c.number == act))
    return recorded is not None and recorded <= known


def documents(tx: Connection, *, q: str = "", kind: str = "", known: int, limit: int, after: str = "") -> Sequence[str]:
    """Ids of documents whose id or title holds a text, in order; with `kind`, of this kind."""
    c, a = tables.document.c, tables.act.c
    query = select(c.id).join(tables.act, a.number == c.act).where(a.recorded <= known, c.id > after)
    if q:
        query = query.where(c.id.icontains(q, autoescape=True) | c.title.icontains(q, autoescape=True))
    if kind:
        query = query.where(c.kind == kind)
    return tx.scalars(query.order_by(c.id).limit(limit)).all()

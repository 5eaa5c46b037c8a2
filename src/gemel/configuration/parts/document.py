"""`parts.yaml`: read with the place of every fault, checked through, and described for editors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from gemel.configuration.parts.ordering import check_range, moment_of
from gemel.configuration.parts.values import (
    Condition,
    Effectivity,
    Material,
    PartsDocument,
    PartType,
    Replaced,
    SlotRule,
)
from gemel.configuration.values import Level
from gemel.errors import GemelError, InvalidDocument, Problem
from gemel.twin import schema_of
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml, places

if TYPE_CHECKING:
    from gemel.configuration.parts.book import Book

__all__ = ["located", "parse_parts", "parts_schema", "problems"]


def parse_parts(text: str | bytes, name: str = "parts") -> PartsDocument:
    """A parts document from YAML or JSON. Raises InvalidDocument with all faults, each with line, column and field."""
    text = text if isinstance(text, str) else _decoded(text, name)
    plain = parse_yaml(text, name)
    if not isinstance(plain, dict):
        raise InvalidDocument(name, [Problem("a document is a mapping (key: value)", "", 1, 1)])
    document, faults = build(_texts(plain), PartsDocument)
    if document is None:
        where = places(text, name)
        placed = [(problem, where.locate(problem.field, key=key)) for problem, key in faults]
        raise InvalidDocument(name, [replace(problem, line=at[0], column=at[1]) for problem, at in placed])
    document.__dict__["text"] = text
    return document


def _decoded(text: bytes, name: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise InvalidDocument(name, [Problem("this is not UTF-8; save it as UTF-8", "", line)]) from error


_LISTS = ("serials", "lots", "revisions", "of", "replaces")


def _texts(plain: Any) -> Any:
    """A revision 2 or a serial number 4711 is written without quotes: where text is meant, a whole number is text."""
    if isinstance(plain, list):
        return [_texts(one) for one in plain]
    if not isinstance(plain, dict):
        return plain
    found = {key: _texts(value) for key, value in plain.items()}
    for key in ("part", "revision", "maker", "slot", "what", "from", "until"):
        if type(found.get(key)) is int:
            found[key] = str(found[key])
    for key in _LISTS:
        if isinstance(found.get(key), list):
            found[key] = [str(one) if type(one) is int else one for one in found[key]]
    return found


@cache
def parts_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a parts document."""
    modules = ["gemel.configuration.parts.values", "gemel.configuration.values"]
    return schema_of(PartsDocument, "parts", "Parts document", modules)


def located(document: PartsDocument, found: Sequence[Problem]) -> list[Problem]:
    """The problems with line and column, when the document was read from text."""
    text = getattr(document, "text", None)
    if text is None:
        return list(found)
    where = places(text, "parts")
    return [replace(p, line=at[0], column=at[1]) for p in found for at in [where.locate(p.field)]]


def problems(document: PartsDocument, book: Book) -> list[Problem]:
    """What is wrong with a document; `book`: all parts as they would be."""
    found: list[Problem] = []
    seen: dict[tuple[str, str], int] = {}
    for i, part in enumerate(document.parts):
        field = f"parts[{i}]"
        if (first := seen.setdefault((part.part, part.maker), i)) != i:
            found.append(Problem(f"{part.part} is declared in parts[{first}] already", f"{field}.part"))
        found += _part(part, field, book)
    return found


def _part(part: PartType, field: str, book: Book) -> Iterator[Problem]:
    yield from _named(part.part, f"{field}.part", "a part number")
    for member, key in (("revisions", "revision"), ("slots", "slot")):
        yield from _once([getattr(one, key) for one in getattr(part, member)], f"{field}.{member}", key)
    for j, revision in enumerate(part.revisions):
        for k, replaced in enumerate(revision.stands_for):
            told = isinstance(revision.replaces[k], Replaced)
            yield from _replaces(part, replaced, f"{field}.revisions[{j}].replaces[{k}]", book, told=told)
    for j, slot in enumerate(part.slots):
        if slot.count < 1:
            yield Problem(f"a slot holds 1 piece or more, not {slot.count}", f"{field}.slots[{j}].count")
        if slot.otherwise is Level.ALLOW:
            text = "what no rule allows is warned of, conceded or blocked; a slot that takes any part has no rules"
            yield Problem(text, f"{field}.slots[{j}].otherwise")
        yield from _effectivity(slot.effectivity, f"{field}.slots[{j}].effectivity")
    for j, rule in enumerate(part.rules):
        yield from _rule(part, rule, f"{field}.rules[{j}]", book)
    for j, limit in enumerate(part.limits):
        if not (math.isfinite(limit.limit) and limit.limit > 0):
            yield Problem(f"a life limit is more than 0, not {limit.limit}", f"{field}.limits[{j}].limit")
        yield from _named(limit.kind, f"{field}.limits[{j}].kind", "what is counted")
        yield from _revisions(part, limit.revisions, f"{field}.limits[{j}].revisions")
        yield from _effectivity(limit.effectivity, f"{field}.limits[{j}].effectivity")
    for j, material in enumerate(part.materials):
        yield from _material(material, f"{field}.materials[{j}]")


def _material(told: Material, field: str) -> Iterator[Problem]:
    yield from _named(told.material, f"{field}.material", "a material")
    if not (math.isfinite(told.mass) and told.mass > 0):
        yield Problem(f"the mass of a material is more than 0 kg, not {told.mass}", f"{field}.mass")
    if not 0 <= told.recycled <= 1:
        yield Problem(f"the recycled share is from 0 to 1, not {told.recycled}", f"{field}.recycled")


def _rule(part: PartType, rule: SlotRule, field: str, book: Book) -> Iterator[Problem]:
    if part.slot(rule.slot) is None:
        slots = ", ".join(slot.slot for slot in part.slots) or "none"
        yield Problem(f"{part.part} has no slot {rule.slot!r:.80}; it has {slots}", f"{field}.slot")
    yield from _named(rule.part, f"{field}.part", "a part number")
    yield from _revisions(part, rule.of, f"{field}.of")
    yield from _revisions(book.of(rule.part, rule.maker), rule.revisions, f"{field}.revisions", rule.part)
    yield from _effectivity(rule.effectivity, f"{field}.effectivity")
    yield from _conditions(rule, field, book)


def _conditions(told: SlotRule | Replaced, field: str, book: Book) -> Iterator[Problem]:
    conditions: tuple[tuple[str, tuple[Condition, ...]], ...] = (
        ("requires", told.requires),
        ("excludes", told.excludes),
    )
    for member, several in conditions:
        for k, one in enumerate(several):
            known = book.of(one.part)
            yield from _revisions(known, one.revisions, f"{field}.{member}[{k}].revisions", one.part)


def _revisions(part: PartType | None, ranges: Sequence[str], field: str, name: str = "") -> Iterator[Problem]:
    for k, text in enumerate(ranges):
        try:
            first, last = check_range(text)
        except GemelError as error:
            yield Problem(error.detail, f"{field}[{k}]")
            continue
        ends = [end for end in dict.fromkeys((first, last)) if end]
        if part is None or not part.revisions:
            if first != last:
                name = part.part if part else name
                yield Problem(f"the order of the revisions of {name} is not declared", f"{field}[{k}]")
            continue
        for end in ends:
            if part.order(end) is None:
                known = ", ".join(revision.revision for revision in part.revisions)
                yield Problem(f"{part.part} has no revision {end!r:.60}; it has {known}", f"{field}[{k}]")


def _replaces(part: PartType, replaced: Replaced, field: str, book: Book, *, told: bool) -> Iterator[Problem]:
    """`told`: with its conditions, not as a name alone."""
    if told:
        yield from _effectivity(replaced.effectivity, f"{field}.effectivity")
        yield from _conditions(replaced, field, book)
        field = f"{field}.what"
    other, slash, revision = replaced.what.partition("/")
    if not slash and part.order(replaced.what) is not None:
        return
    known = book.of(other)
    if known is None:
        yield Problem(f"{replaced.what!r:.80} is neither a revision of {part.part} nor a part", field)
    elif slash and known.order(revision) is None:
        yield Problem(f"{other} has no revision {revision!r:.60}", field)


def _effectivity(effectivity: Effectivity, field: str) -> Iterator[Problem]:
    for k, text in enumerate(effectivity.serials):
        try:
            check_range(text)
        except GemelError as error:
            yield Problem(error.detail, f"{field}.serials[{k}]")
    moments = {}
    for name, text in (("from", effectivity.start), ("until", effectivity.until)):
        try:
            moments[name] = moment_of(text) if text else None
        except GemelError as error:
            yield Problem(error.detail, f"{field}.{name}")
    start, until = moments.get("from"), moments.get("until")
    if start is not None and until is not None and start >= until:
        yield Problem("it ends before it begins", f"{field}.until")


def _once(names: Sequence[str], field: str, what: str) -> Iterator[Problem]:
    for j, name in enumerate(names):
        yield from _named(name, f"{field}[{j}].{what}", f"a {what}")
        if names.index(name) != j:
            yield Problem(f"{name!r:.80} is here twice", f"{field}[{j}].{what}")


def _named(name: str, field: str, what: str) -> Iterator[Problem]:
    if not 0 < len(name) <= 128 or not name.isprintable():
        yield Problem(f"{what} has 1 to 128 printable characters", field)

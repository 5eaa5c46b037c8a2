"""What is wrong with a form, and with answers to it. Pure: nothing is read, nothing written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gemel.clock import parse_time, to_rfc3339
from gemel.configuration import Level, check_range
from gemel.errors import GemelError, InvalidDocument, InvalidInput, Problem
from gemel.expression import Expression, Formula, Kind, Quantity
from gemel.services.declared import faults_of, refuse_long
from gemel.services.forms.values import NO, YES, Amiss, Attached, Field, FieldKind, Form
from gemel.twin import check_id, check_name
from gemel.units import check_unit

__all__ = ["LARGEST_FILE", "amiss_of", "checked", "problems_of"]

K = FieldKind
MOST_FIELDS = 200
MOST_FOR = 100
"""Parts, types, slots, stages or jobs that one form is for."""
LONGEST_TEXT = 4000
LONGEST_ASK = 300
LONGEST_SERIAL = 128
LARGEST_FILE = 16 << 20
"""Bytes of one photograph or file."""
_KINDS = {K.TEXT: Kind.TEXT, K.CHOICE: Kind.TEXT, K.SERIAL: Kind.TEXT, K.NUMBER: Kind.NUMBER, K.YES_NO: Kind.BOOLEAN}
"""Answers that expressions may read."""
_ONLY = {
    "unit": {K.NUMBER},
    "low": {K.NUMBER},
    "high": {K.NUMBER},
    "counter": {K.NUMBER},
    "choices": {K.CHOICE},
    "expect": {K.CHOICE, K.YES_NO},
    "observe": {K.SERIAL, K.YES_NO},
    "reading": {K.TEXT, K.NUMBER, K.CHOICE, K.YES_NO},
}
"""What only some kinds of fields have."""


# forms


def problems_of(form: Form) -> list[tuple[str, str]]:
    """What is wrong with a declared form: (field, message)."""
    found = refuse_long({"title": form.title}) + refuse_long({"about": form.about}, LONGEST_TEXT)
    found += faults_of([("id", lambda: check_id(form.id, "the id of a form"))])
    if not form.title.strip():
        found.append(("title", "it has a title, which people look for"))
    if not (form.applies or form.types or form.slots or form.jobs):
        found.append(("applies", "say what it is for: applies (a part), types, slots or jobs"))
    for name in ("applies", "types", "slots", "stages", "jobs"):
        told = getattr(form, name)
        if len(told) > MOST_FOR:
            found.append((name, f"at most {MOST_FOR}, not {len(told)}"))
        found += [f for one in told if isinstance(one, str) for f in refuse_long({name: one}, 128)]
    for i, one in enumerate(form.applies):
        ranges = [*one.revisions, *one.serials]
        found += faults_of([(f"applies[{i}]", lambda text=text: check_range(text)) for text in ranges])  # type: ignore[misc]
    if not 1 <= len(form.fields) <= MOST_FIELDS:
        found.append(("fields", f"a form has 1 to {MOST_FIELDS} fields, not {len(form.fields)}"))
    before: dict[str, Field] = {}
    for i, field in enumerate(form.fields):
        found += [(f"fields[{i}].{at}", said) for at, said in _faults(field, before)]
        before.setdefault(field.name, field)
    return found


def _faults(field: Field, before: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    yield from faults_of([("name", lambda: check_name(field.name, "the name of a field"))])
    if field.name in before:
        yield "name", f"{field.name} is there twice"
    if not field.ask.strip():
        yield "ask", "say what is asked"
    yield from refuse_long({"ask": field.ask, "observe": field.observe, "counter": field.counter}, LONGEST_ASK)
    yield from refuse_long({"help": field.help}, LONGEST_TEXT)
    for name, kinds in _ONLY.items():
        if getattr(field, name) not in ("", None, ()) and field.kind not in kinds:
            yield name, f"only {' and '.join(sorted(kinds))} fields have it, and {field.name} is {field.kind}"
    if field.unit:
        yield from faults_of([("unit", lambda: check_unit(field.unit))])
    limits = [one for one in (field.low, field.high) if one is not None]
    if not all(map(math.isfinite, limits)):
        yield "low", "a limit is a finite number; leave it out for none"
    elif len(limits) == 2 and limits[0] >= limits[1]:
        yield "low", f"low is below high, not {limits[0]:g} and {limits[1]:g}"
    yield from _choice_faults(field)
    if field.outside is Level.ALLOW:
        yield "outside", "warn, concession or block; leave it out where nothing is raised"
    elif field.outside is not None and not (limits or field.expect):
        yield "outside", "say what is amiss: low, high or expect"
    yield from _shown_faults(field, before)


def _choice_faults(field: Field) -> Iterator[tuple[str, str]]:
    if field.kind is K.CHOICE and not 2 <= len(set(field.choices)) == len(field.choices) <= 100:
        yield "choices", "a choice has 2 to 100 different choices"
    if any(not 0 < len(one) <= LONGEST_ASK for one in field.choices):
        yield "choices", f"a choice has 1 to {LONGEST_ASK} characters"
    known = (YES, NO) if field.kind is K.YES_NO else field.choices
    if wrong := [one for one in field.expect if one not in known]:
        yield "expect", f"{wrong[0]!r:.60} is none of {', '.join(known) or 'the choices'}"


def _shown_faults(field: Field, before: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    if not field.shown:
        return
    if len(field.shown) > LONGEST_TEXT:
        yield "shown", f"it has at most {LONGEST_TEXT} characters"
        return
    try:
        if _formula(field.shown, before.values()).result.kind is not Kind.BOOLEAN:
            yield "shown", "it is true or false, like: leak OR pressure > 8"
    except GemelError as error:
        yield "shown", f"{error.detail} (it reads answers to fields before it)"


def _formula(text: str, before: Any) -> Formula:
    known = {
        one.name: Quantity(_KINDS[one.kind], one.unit, one.choices if one.kind is K.CHOICE else ())
        for one in before
        if one.kind in _KINDS
    }
    return Expression.parse(text).check(known)


# answers


def checked(form: Form, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as they are kept, in the order of the form: numbers are floats, moments RFC 3339, files `Attached`.

    Raises InvalidDocument with every fault, each with its field.
    """
    found: dict[str, Any] = {}
    faults: list[Problem] = []
    before: list[Field] = []
    if not isinstance(answers, Mapping):
        raise InvalidInput("answers are given by the names of fields")
    known = {one.name for one in form.fields}
    for name in answers:
        if name not in known:
            listed = ", ".join(one.name for one in form.fields[:10])
            faults.append(Problem(f"{form.id} does not ask for it; it asks for {listed}", f"{name!s:.64}"))
    for field in form.fields:
        given = answers.get(field.name)
        asked = not field.shown or _is_shown(field, before, found)
        before.append(field)
        if given is None or given == "":
            if field.required and asked:
                faults.append(Problem("it has to be answered", field.name))
        elif not asked:
            faults.append(Problem(f"it is asked only where {field.shown:.200}; leave it out", field.name))
        else:
            try:
                found[field.name] = _ANSWERS[field.kind](field, given)
            except GemelError as error:
                faults.append(Problem(error.detail, field.name))
    if faults:
        raise InvalidDocument(form.title, faults)
    return found


def _is_shown(field: Field, before: Sequence[Field], values: Mapping[str, Any]) -> bool:
    return _formula(field.shown, before).one(values) is True


def _text(field: Field, given: Any) -> str:
    longest = LONGEST_SERIAL if field.kind is K.SERIAL else LONGEST_TEXT
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise InvalidInput(f"it is answered by text, not {given!r:.80}")
    if len(given) > longest:
        raise InvalidInput(f"it has at most {longest} characters, not {len(given):,}")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise InvalidInput("it has half of a character, which cannot be kept") from None
    return given.strip()


def _number(field: Field, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidInput(f"it is answered by a number{f' in {field.unit}' if field.unit else ''}, not {given!r:.80}")
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidInput(f"it is answered by a finite number, not {given!r:.80}")
    return number


def _choice(field: Field, given: Any) -> str:
    if given not in field.choices:
        raise InvalidInput(f"{given!r:.80} is none of the choices: {', '.join(field.choices)}")
    return str(given)


def _yes_no(_field: Field, given: Any) -> bool:
    if not isinstance(given, bool):
        raise InvalidInput(f"it is answered by true or false, not {given!r:.80}")
    return given


def _moment(_field: Field, given: Any) -> str:
    if not isinstance(given, str):
        raise InvalidInput(f"it is answered by a moment like 2026-05-01T08:00:00Z, not {given!r:.80}")
    return to_rfc3339(parse_time(given))


def _file(_field: Field, given: Any) -> Attached:
    try:
        file = msgspec.convert(given, Attached)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"it is answered by a file, {{name, data in base64}}: {error!s:.200}") from error
    if not 0 < len(file.data) <= LARGEST_FILE:
        raise InvalidInput(f"a file has 1 byte to {LARGEST_FILE >> 20} MB, not {len(file.data):,} bytes")
    return file


_ANSWERS: dict[FieldKind, Callable[[Field, Any], Any]] = {
    K.TEXT: _text,
    K.NUMBER: _number,
    K.CHOICE: _choice,
    K.YES_NO: _yes_no,
    K.MOMENT: _moment,
    K.SERIAL: _text,
    K.FILE: _file,
}


def amiss_of(form: Form, answers: Mapping[str, Any]) -> list[Amiss]:
    """Which of the answers are not as they should be, and how."""
    told = ((field, _wrong(field, answers[field.name])) for field in form.fields if field.name in answers)
    return [Amiss(field=field.name, text=f"{field.ask}: {wrong}") for field, wrong in told if wrong]


def _wrong(field: Field, answer: Any) -> str:
    if field.kind is K.NUMBER:
        unit = f" {field.unit}" if field.unit not in ("", "1") else ""
        if field.low is not None and answer < field.low:
            return f"{answer:g}{unit} is below {field.low:g}{unit}"
        if field.high is not None and answer > field.high:
            return f"{answer:g}{unit} is above {field.high:g}{unit}"
    elif field.expect:
        said = (YES if answer else NO) if field.kind is K.YES_NO else answer
        if said not in field.expect:
            return f"{said}, not {' or '.join(field.expect)}"
    return ""

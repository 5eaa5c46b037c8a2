"""What stands against what a type says of its effectiveness."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from dateutil.rrule import rrulestr

from gemel.errors import GemelError, InvalidExpression, Problem
from gemel.expression import Expression
from gemel.expression import Kind as Sort
from gemel.twin.computed import formula_of
from gemel.twin.effectiveness import Counting, Effectiveness, Shift
from gemel.twin.types import TwinType

__all__ = ["effectiveness_form_problems", "effectiveness_problems"]

MAX_RULES = 64
_FINER = ("HOURLY", "MINUTELY", "SECONDLY", "BYHOUR", "BYMINUTE", "BYSECOND", "DTSTART", "\n")


def effectiveness_form_problems(type_: TwinType) -> list[Problem]:
    """Every fault that shows without knowing other types."""
    told = type_.effectiveness
    if told is None:
        return []
    return [Problem(message, f"effectiveness.{field}") for field, message in _faults(told)]


def _faults(told: Effectiveness) -> Iterator[tuple[str, str]]:
    if not told.states:
        yield "states", "say at least when it is producing: states: [{state: producing, when: …}]"
    if len(told.states) > MAX_RULES or len(told.shifts) > MAX_RULES:
        yield "states", f"at most {MAX_RULES} rules and {MAX_RULES} shifts"
    for field, text in _expressions(told):
        try:
            read = Expression.parse(text)
            if read.members:
                yield field, "this goes over many parts; declare a computed property of it, and name that here"
            if any(one.about for one in read.inputs):
                yield field, "fresh(), quality() and age() are of this moment; what is stale or bad is a gap anyway"
        except InvalidExpression as error:
            yield field, error.detail
    for name in ("parts", "good", "rejected"):
        count: Counting | None = getattr(told, name)
        if count is not None:
            yield from _count_faults(name, count)
    ways = [name for name in ("good", "rejected", "all_good") if getattr(told, name)]
    if len(ways) > 1:
        yield ways[1], f"{' and '.join(ways)} say the same thing twice; keep one"
    if ways and told.parts is None:
        yield ways[0], "good and rejected parts are some of all parts; say how those are counted, too: parts"
    if told.run_time_s is not None and not 0 < told.run_time_s < 1e9:
        yield "run_time_s", f"{told.run_time_s:g} is not a number of seconds above 0"
    for name, seconds in told.run_times_s.items():
        if not 0 < seconds < 1e9:
            yield f"run_times_s.{name}", f"{seconds:g} is not a number of seconds above 0"
    if told.run_times_s and not told.program:
        yield "run_times_s", "say which property tells the program: program"
    for i, shift in enumerate(told.shifts):
        yield from ((f"shifts[{i}].{field}", message) for field, message in _shift_faults(shift))
    for i, day in enumerate(told.closed):
        if not _is(datetime.date, day):
            yield f"closed[{i}]", f"{day!r:.40} is no date, like 2026-12-25"


def _count_faults(name: str, count: Counting) -> Iterator[tuple[str, str]]:
    if sum(map(bool, (count.counter, count.amounts, count.cycles))) != 1:
        yield name, "parts are counted by one of counter, amounts and cycles"
    if not 0 < count.each < 1e9:
        yield f"{name}.each", f"{count.each:g} is not a number above 0"


def _shift_faults(shift: Shift) -> Iterator[tuple[str, str]]:
    hours = [("starts", shift.starts), ("ends", shift.ends)]
    hours += [(f"breaks[{i}]", one) for i, pair in enumerate(shift.breaks) for one in pair]
    for field, text in hours:
        if not _is(datetime.time, text) or len(text) != 5:
            yield field, f"{text!r:.40} is no time of day, like 06:00"
    if not _is(datetime.date, shift.since):
        yield "since", f"{shift.since!r:.40} is no date, like 2026-01-05"
    elif any(word in shift.every.upper() for word in _FINER):
        yield "every", "this says on which days; at which time say starts and ends"
    else:
        try:
            rrulestr(shift.every, dtstart=datetime.datetime.fromisoformat(shift.since))
        except (ValueError, TypeError, KeyError) as error:
            yield (
                "every",
                f"{shift.every!r:.100} is no rule of a calendar, like FREQ=WEEKLY;BYDAY=MO,TU: {error!s:.100}",
            )


def _is(kind: type[datetime.date] | type[datetime.time], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True


def _expressions(told: Effectiveness) -> Iterator[tuple[str, str]]:
    for i, rule in enumerate(told.states):
        yield f"states[{i}].when", rule.when
    for name in ("parts", "good", "rejected"):
        count: Counting | None = getattr(told, name)
        if count is not None and count.cycles:
            yield f"{name}.cycles", count.cycles


def effectiveness_problems(type_: TwinType, types: Mapping[str, TwinType]) -> list[Problem]:
    """Every fault of names in it, given all types; only of what is sound in its form."""
    told = type_.effectiveness
    if told is None or effectiveness_form_problems(type_):
        return []
    problems = []
    for field, text in _expressions(told):
        try:
            if formula_of(type_, text, types).result.kind is not Sort.BOOLEAN:
                problems.append(
                    Problem("this is not true or false; compare it with something", f"effectiveness.{field}")
                )
        except InvalidExpression as error:
            problems.append(Problem(error.detail, f"effectiveness.{field}"))
    named = [("program", told.program, Sort.TEXT)]
    for name in ("parts", "good", "rejected"):
        count: Counting | None = getattr(told, name)
        if count is not None:
            named += [(f"{name}.counter", count.counter, Sort.NUMBER), (f"{name}.amounts", count.amounts, Sort.NUMBER)]
    for field, path, wanted in named:
        if not path:
            continue
        try:
            found = formula_of(type_, path, types).result.kind
            if found is not wanted and not (wanted is Sort.TEXT and found is Sort.NUMBER):
                problems.append(Problem(f"{path} is a {found}, not a {wanted}", f"effectiveness.{field}"))
        except GemelError as error:
            problems.append(Problem(error.detail, f"effectiveness.{field}"))
    return problems

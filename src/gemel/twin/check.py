"""What a twin type must be beyond its form: names, units, ranges. Faults are told all at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote
from zoneinfo import available_timezones

import msgspec

from gemel.errors import GemelError, Problem
from gemel.expression import Expression
from gemel.twin.binding import MANUAL, ConnectorSpec
from gemel.twin.computed import form_problems, source_problems
from gemel.twin.control import Control
from gemel.twin.effectiveness_check import effectiveness_form_problems
from gemel.twin.evolution import HOWS
from gemel.twin.goal import GoalType
from gemel.twin.ids import check_id, check_name
from gemel.twin.picture import picture_problems
from gemel.twin.reading import Kind
from gemel.twin.spec import Plant, TwinSpec
from gemel.twin.types import CommandType, PropertyType, TwinType
from gemel.units import check_unit

__all__ = ["check_connector", "check_plant", "check_spec", "check_type", "secret_problems"]

_NUMERIC = (Kind.NUMBER, Kind.INTEGER, Kind.ARRAY)
_SEVERITIES = ("info", "warning", "fault")
MAX_MEMBERS = 4096
"""Properties, commands, events or slots of one type."""


def check_type(type_: TwinType) -> list[Problem]:
    """Every fault of a type, each with its field; empty if it is sound."""
    problems: list[Problem] = []
    _try(problems, "id", partial(check_id, type_.id, "type id"))
    if type_.retention is not None:
        problems += [Problem(message, f"retention.{field}") for field, message in type_.retention.problems()]
    for what, members in (
        ("properties", type_.properties),
        ("commands", type_.commands),
        ("events", type_.events),
        ("slots", type_.slots),
        ("goals", type_.goals),
    ):
        if len(members) > MAX_MEMBERS:
            problems.append(Problem(f"{len(members)} {what} are too many; at most {MAX_MEMBERS}", what))
        _check_names(problems, what, [m.name for m in members])
    _check_properties(problems, "properties", type_.properties)
    for i, command in enumerate(type_.commands):
        for side, fields in (("input", command.input), ("output", command.output)):
            _check_names(problems, f"commands[{i}].{side}", [f.name for f in fields])
            _not_computed(problems, f"commands[{i}].{side}", fields)
            _check_properties(problems, f"commands[{i}].{side}", fields)
        if unknown := sorted(set(command.optional) - {f.name for f in command.input}):
            problems.append(Problem(f"{', '.join(unknown)} is no input", f"commands[{i}].optional"))
        _check_effect(problems, f"commands[{i}]", command, type_)
    for i, goal in enumerate(type_.goals):
        _check_goal(problems, f"goals[{i}]", goal)
    for i, event in enumerate(type_.events):
        _check_names(problems, f"events[{i}].fields", [f.name for f in event.fields])
        _not_computed(problems, f"events[{i}].fields", event.fields)
        _check_properties(problems, f"events[{i}].fields", event.fields)
        if event.severity not in _SEVERITIES:
            problems.append(
                Problem(f"severity {event.severity!r} is not info, warning or fault", f"events[{i}].severity")
            )
    for i, slot in enumerate(type_.slots):
        _try(problems, f"slots[{i}].type", partial(check_id, slot.type, "type id"))
        if slot.minimum < 0 or (slot.maximum is not None and slot.maximum < max(1, slot.minimum)):
            problems.append(
                Problem(
                    f"between {slot.minimum} and {slot.maximum} components is no range; 0 ≤ minimum ≤ maximum",
                    f"slots[{i}].maximum",
                )
            )
    if type_.control is not None:
        _check_control(problems, type_.control)
    problems += effectiveness_form_problems(type_)
    problems += [Problem(message, "picture") for message in picture_problems(type_)]
    return problems


def _check_effect(problems: list[Problem], field: str, command: CommandType, type_: TwinType) -> None:
    properties = {one.name: one for one in type_.properties}
    for name, computed in command.effect.items():
        where = f"{field}.effect.{name}"
        if name not in properties:
            problems.append(Problem(f"{type_.id} has no property {name}", where))
        elif properties[name].computed is not None:
            problems.append(Problem(f"{name} is computed; nothing else brings its values", where))
        problems += [Problem(message, where) for _, message in source_problems(computed)]
    other = {one.name: one for one in type_.commands}.get(command.undo)
    if command.undo and other is None:
        problems.append(Problem(f"{type_.id} has no command {command.undo}", f"{field}.undo"))
    elif other is not None and {one.name for one in other.input} - set(other.optional):
        problems.append(Problem(f"{command.undo} needs inputs, which nobody would give it", f"{field}.undo"))


def _check_goal(problems: list[Problem], field: str, goal: GoalType) -> None:
    if goal.unit:
        _try(problems, f"{field}.unit", partial(check_unit, goal.unit))
    if not goal.members:
        problems.append(Problem("a goal moves something; list its members", f"{field}.members"))
    for i, member in enumerate(goal.members):
        _try(problems, f"{field}.members[{i}].value", partial(Expression.parse, member.value))
    if goal.now:
        _try(problems, f"{field}.now", partial(Expression.parse, goal.now))
    if goal.ramp_per_s is not None and not goal.now:
        problems.append(Problem("a ramp begins where it is now; say by an expression what that is", f"{field}.now"))
    for name in ("ramp_per_s", "step_s"):
        value = getattr(goal, name)
        if value is not None and not 0 < value < math.inf:
            problems.append(Problem(f"{value} is not above 0", f"{field}.{name}"))
    for low, high, where in [(goal.minimum, goal.maximum, field)] + [
        (one.minimum, one.maximum, f"{field}.members[{i}]") for i, one in enumerate(goal.members)
    ]:
        if low is not None and high is not None and low > high:
            problems.append(Problem(f"minimum {low} lies above maximum {high}", f"{where}.minimum"))


def _check_control(problems: list[Problem], control: Control) -> None:
    """What it names may belong to another type of the same twin, so only what stands here is judged."""
    _check_names(problems, "control.interlocks", [one.name for one in control.interlocks])
    for i, interlock in enumerate(control.interlocks):
        if not interlock.require.strip():
            problems.append(Problem("an interlock requires something", f"control.interlocks[{i}].require"))
    for i, pace in enumerate(control.paces):
        if pace.seconds_between < 0 or (pace.per_minute is not None and pace.per_minute < 1):
            problems.append(Problem("say seconds_between above 0, or per_minute of at least 1", f"control.paces[{i}]"))
    if control.mode is not None and not control.mode.remote:
        problems.append(Problem("no value of the mode lets anything be sent; list one", "control.mode.remote"))
    safe = control.fail_safe
    if safe is not None and bool(safe.command) == bool(safe.property):
        problems.append(Problem("name a command, or a property and its value", "control.fail_safe"))
    for i, prepare in enumerate(control.prepares):
        if not prepare.of or not prepare.command:
            problems.append(Problem("say what it prepares, and by which command", f"control.prepares[{i}]"))
    if not 0 < control.lapses_s < math.inf:
        problems.append(Problem(f"{control.lapses_s} is not a number of seconds above 0", "control.lapses_s"))
    if control.in_flight < 1:
        problems.append(Problem("at least one order can be under way", "control.in_flight"))


def _try(problems: list[Problem], field: str, check: Callable[[], object]) -> None:
    try:
        check()
    except GemelError as error:
        problems.append(Problem(error.detail, field))


def _check_names(problems: list[Problem], where: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for i, name in enumerate(names):
        field = f"{where}[{i}].name"
        _try(problems, field, partial(check_name, name))
        if name.lower() in seen:  # SQL columns do not tell oil_Temp from oil_temp
            problems.append(
                Problem(f"{name} is here twice ({seen[name.lower()]}); names differ by more than case", field)
            )
        seen[name.lower()] = name


def _check_properties(problems: list[Problem], where: str, properties: Iterable[PropertyType]) -> None:
    owners: dict[str, str] = {}
    for i, property_ in enumerate(properties):
        for name in (property_.name, *property_.aliases):
            owner = owners.setdefault(name, property_.name)
            if owner != property_.name:
                problems.append(Problem(f"{name} names both {owner} and {property_.name}", f"{where}[{i}].aliases"))
    for i, property_ in enumerate(properties):
        problems += [Problem(message, f"{where}[{i}].{field}") for field, message in _property_faults(property_)]


def _not_computed(problems: list[Problem], where: str, fields: Sequence[PropertyType]) -> None:
    told = "only a property of a twin is computed"
    problems += [Problem(told, f"{where}[{i}].computed") for i, f in enumerate(fields) if f.computed is not None]


def _property_faults(p: PropertyType) -> Iterable[tuple[str, str]]:
    if p.unit:
        if p.kind not in _NUMERIC:
            yield "unit", f"a {p.kind} has no unit; leave it out"
        else:
            try:
                check_unit(p.unit)
            except GemelError as error:
                yield "unit", error.detail
    yield from _range_faults(p)
    if p.values and p.kind is not Kind.ENUMERATION:
        yield "values", f"only an enumeration lists values, {p.name} is a {p.kind}"
    if len(set(p.values)) != len(p.values):
        yield "values", f"a value is listed twice in {list(p.values)}"
    if p.slot and not all(one and one == one.strip() for one in p.slot.split("/")):
        yield "slot", f"{p.slot!r:.80} is no way to a slot; name slots with slashes between them, like spindle/bearing"
    if p.tolerance is not None and not (p.kind in _NUMERIC and 0 <= p.tolerance < math.inf):
        yield "tolerance", f"a {p.kind} has no tolerance of {p.tolerance}; it is a number of at least 0, for numbers"
    if p.freshness is not None and not 0 < p.freshness.within_s < math.inf:
        yield "freshness.within_s", f"{p.freshness.within_s} is not a number of seconds above 0"
    if p.retention is not None:
        if p.kind not in _NUMERIC:
            yield "retention", f"a {p.kind} has no sums per minute or hour; its readings are few, and are kept"
        yield from ((f"retention.{field}", message) for field, message in p.retention.problems())
    yield from form_problems(p)
    for i, alias in enumerate(p.aliases):
        try:
            check_name(alias, "alias")
        except GemelError as error:
            yield f"aliases[{i}]", error.detail
    for i, earlier in enumerate(p.earlier):
        if earlier.how not in HOWS:
            yield f"earlier[{i}].how", f"{earlier.how!r} is not one of {', '.join(HOWS)}"


def _range_faults(p: PropertyType) -> Iterable[tuple[str, str]]:
    bounds = [b for b in (p.minimum, p.maximum, *(p.normal or ())) if b is not None]
    if bounds and p.kind not in _NUMERIC:
        yield "minimum", f"a {p.kind} has no range; leave minimum, maximum and normal out"
    if any(not math.isfinite(b) for b in bounds):
        yield "minimum", "bounds are finite numbers; leave out a bound that is not there"
    elif p.minimum is not None and p.maximum is not None and p.minimum > p.maximum:
        yield "maximum", f"maximum {p.maximum} is below minimum {p.minimum}"
    elif p.normal is not None and p.normal[0] > p.normal[1]:
        yield "normal", f"the normal band {list(p.normal)} ends before it begins"


MAX_ATTRIBUTES_BYTES = 64 * 1024
_VARIABLE = re.compile(r"\{[A-Za-z][A-Za-z0-9_]*\}", re.ASCII)  # of a binding for many devices
_SECRET = re.compile(r"pass(word|phrase|wd)?$|secret|token$|api_?key|private_?key|credential", re.IGNORECASE)
_REFERENCES = ("env", "file", "keyring")
# user:password@ before a host; a port (digits up to the path) is none, nor is what follows an IPv6 host in brackets
_USERINFO = re.compile(r"//(?!\[)[^/?#:@]*:(?!\d{1,5}[/?#])")
_PARAMETER = re.compile(r"[?&;#]([^=?&;#\s]+)=[^&;#\s]")


def check_spec(spec: TwinSpec) -> list[Problem]:
    """Every fault of a declared twin that shows without knowing the others."""
    problems: list[Problem] = []
    _try(problems, "id", partial(check_id, spec.id, "twin id"))
    for field, ids in (("types", spec.types), ("aliases", spec.aliases)):
        for i, text in enumerate(ids):
            _try(problems, f"{field}[{i}]", partial(check_id, text, "type id" if field == "types" else "alias"))
        if len(set(ids)) != len(ids):
            problems.append(Problem(f"one of {', '.join(ids)} is here twice", field))
    if not spec.types:
        problems.append(Problem("a twin has at least one type", "types"))
    if spec.id in spec.aliases:
        problems.append(Problem(f"{spec.id} is the id itself; leave it out of the aliases", "aliases"))
    if spec.attributes:
        problems += secret_problems(spec.attributes, "attributes")
        if len(msgspec.json.encode(spec.attributes)) > MAX_ATTRIBUTES_BYTES:
            problems.append(Problem(f"more than {MAX_ATTRIBUTES_BYTES} bytes; link to a document", "attributes"))
    for kind, target, _ in spec.declared_links():
        field = "part_of" if kind == "part_of" and "part_of" not in spec.links else f"links.{kind}"
        _try(problems, field, partial(check_id, kind, "link kind"))
        _try(problems, field, partial(check_id, target, "twin id"))
    return problems


def check_plant(plant: Plant) -> list[Problem]:
    """Every fault of a plant document that shows without knowing what is there already."""
    problems: list[Problem] = []
    if plant.gemel != 1:
        problems.append(Problem(f"form {plant.gemel} is not known to this version; write gemel: 1", "gemel"))
    zone = plant.site.time_zone if plant.site is not None else "UTC"
    if zone not in available_timezones():
        problems.append(Problem(f"{zone!r:.60} is no IANA time zone, like Europe/Berlin", "site.time_zone"))
    members: list[tuple[str, Sequence[Any], Callable[[Any], list[Problem]]]] = [
        ("types", plant.types, check_type),
        ("twins", plant.twins, check_spec),
        ("connectors", plant.connectors, check_connector),
    ]
    for where, things, check in members:
        seen: dict[str, int] = {}
        for i, thing in enumerate(things):
            problems += [replace(p, field=f"{where}[{i}].{p.field}") for p in check(thing)]
            first = seen.setdefault(thing.id, i)
            if first != i:
                problems.append(Problem(f"{thing.id} is declared twice, also as {where}[{first}]", f"{where}[{i}].id"))
    return problems


def check_connector(spec: ConnectorSpec) -> list[Problem]:
    """Every fault of a connector: names, units, rates, and secrets that are not references."""
    problems: list[Problem] = []
    _try(problems, "id", partial(check_id, spec.id, "connector id"))
    if spec.id == "computed":
        problems.append(Problem("computed is the source of computed properties; choose another id", "id"))
    if spec.id == MANUAL and spec.kind != MANUAL:
        problems.append(Problem("manual is the source of what people enter; choose another id", "id"))
    _try(problems, "kind", partial(check_id, spec.kind, "connector kind"))
    problems += secret_problems(spec.settings, "settings")
    for i, binding in enumerate(spec.bindings):
        where = f"bindings[{i}]"
        problems += secret_problems(binding.out, f"{where}.out")
        _try(problems, f"{where}.twin", partial(check_id, _VARIABLE.sub("x", binding.twin), "twin id"))
        _try(problems, f"{where}.property", partial(check_name, _VARIABLE.sub("x", binding.property)))
        if binding.unit:
            _try(problems, f"{where}.unit", partial(check_unit, binding.unit))
        if not binding.address:
            problems.append(Problem("a binding needs an address: where its source keeps it", f"{where}.address"))
        numbers = {"within_s": binding.within_s, "rate_hz": binding.rate_hz, "deadline_s": binding.deadline_s}
        numbers["buffers_s"] = binding.buffers_s
        for field, value in numbers.items():
            if value is not None and not 0 < value < math.inf:
                problems.append(Problem(f"{value} is not a number above 0", f"{where}.{field}"))
        if binding.scale is not None and (not math.isfinite(binding.scale.factor) or binding.scale.factor == 0):
            problems.append(Problem("a factor is a finite number and not 0", f"{where}.scale.factor"))
    return problems


def secret_problems(value: Any, field: str) -> list[Problem]:
    """Secrets told in the clear: under a key like password, only {env: X}, {file: X} or {keyring: X} may stand; and in
    no text a URL with a password or a parameter like `token=`.
    """
    problems: list[Problem] = []
    if isinstance(value, str) and _tells_a_secret(value):
        message = (
            "a URL holds no password and no token; name where it is, in a setting of its own: password: {env: NAME}"
        )
        problems.append(Problem(message, field))
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            problems += secret_problems(item, f"{field}[{i}]")
    if not isinstance(value, dict):
        return problems
    for key, item in value.items():
        where = f"{field}.{key}"
        if not _SECRET.search(str(key)) or item is None or _is_reference(item):
            problems += secret_problems(item, where)
        else:
            problems.append(
                Problem(
                    "a secret is never written here; name where it is: "
                    f"{key}: {{env: NAME}}, {{file: name}} or {{keyring: service/user}}",
                    where,
                )
            )
    return problems


def _tells_a_secret(text: str) -> bool:
    if "//" not in text:
        return False
    names = (unquote(name) for name in _PARAMETER.findall(text))
    before_host = (word.rpartition("@")[0] for word in unquote(text).split())
    return any(map(_USERINFO.search, before_host)) or any(map(_SECRET.search, names))


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in _REFERENCES
        and isinstance(next(iter(value.values())), str)
    )

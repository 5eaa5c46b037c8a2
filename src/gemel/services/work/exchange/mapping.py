"""Between their rows and our fields: names, words, moments, lists. No I/O but the look-ups that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gemel.clock import SECOND, parse_time, to_rfc3339
from gemel.errors import GemelError, InvalidInput
from gemel.services.work.exchange.declared import LISTS, MOMENTS, WORDS, Exchange, FieldMap
from gemel.services.work.order import in_range

__all__ = ["Fields", "LookUps", "at_path", "inward", "outward", "text_of", "version_of"]

Fields = dict[str, Any]
"""Our names → plain values: texts, moments as RFC 3339, lists."""
LONGEST = 16_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LookUps(msgspec.Struct, frozen=True):
    """Which thing somebody means. Each raises NotFound or InvalidInput with the way out."""

    twin: Callable[[str, bool], str]
    """Of (text, by serial number) the id of the twin."""
    item: Callable[[str, bool], str]
    serial: Callable[[str, str], str]
    """Of ("twin" or "item", id) the serial number."""
    person: Callable[[str, str, str, bool], str]
    """Of (system, whom it names, whose the visit was when it was told before, whether they get an id if they have none)
    the random id of the person."""


def at_path(row: Any, path: str) -> Any:
    """What is at a path with dots; a name that itself has dots goes first. None: nothing."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    here = row
    for name in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(name)
        elif isinstance(here, list) and name.isdecimal() and len(name) < 10 and int(name) < len(here):
            here = here[int(name)]
        else:
            return None
    return here


def text_of(value: Any) -> str:
    """A plain value as text; whole numbers of spreadsheets without their point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value).strip()
    if isinstance(value, datetime):
        return value.isoformat()
    return msgspec.json.encode(value, enc_hook=str).decode()


def version_of(exchange: Exchange, row: Any) -> str:
    """Their version or time of change; empty: not told."""
    return text_of(at_path(row, exchange.version))[:200] if exchange.version else ""


def inward(exchange: Exchange, row: Any, look: LookUps) -> Fields:
    """Their row as our fields; what it does not tell is left out. Raises InvalidInput that names the field."""
    if not isinstance(row, Mapping):
        raise InvalidInput("this is no row: it has no names")
    found: Fields = {}
    for name, how in exchange.maps.items():
        given = at_path(row, how.field) if how.field else None
        missing = given is None or given == ""
        if missing and how.required and not how.default:
            raise InvalidInput(f"{how.field} is empty; it says {name}")
        if missing and not how.default:
            if how.field and given == "":
                found[name] = [] if name in LISTS else ""
            continue
        try:
            found[name] = how.default if missing else _ours(name, how, given, look)
        except (GemelError, ValueError, TypeError, OverflowError) as error:
            detail = error.detail if isinstance(error, GemelError) else f"{given!r:.60} cannot be read: {error}"
            raise InvalidInput(f"{how.field}: {detail}") from None
    if not found.get("external"):
        raise InvalidInput(f"{exchange.maps['external'].field} is empty; it is their id of it")
    return {name: told for name, told in found.items() if told != "" or name not in (*MOMENTS, *WORDS)}


def _ours(name: str, how: FieldMap, given: Any, look: LookUps) -> Any:
    if name in LISTS:
        return _listed(name, how, given)
    if name in MOMENTS:
        moment = _moment(how, given)
        in_range(moment)
        return to_rfc3339(moment)
    text = text_of(given)
    if len(text) > LONGEST:
        raise InvalidInput(f"it is longer than {LONGEST} characters")
    if how.values:
        if text not in how.values:
            raise InvalidInput(f"{text!r:.60} is none of {', '.join(how.values)}; add it to `values` of {name}")
        text = how.values[text]
    if name in WORDS and text not in WORDS[name]:
        raise InvalidInput(f"{text!r:.60} is none of {', '.join(WORDS[name])}; say with `values` which it is")
    if name == "twin":
        return look.twin(text, how.look_up == "serial")
    if name == "item":
        return look.item(text, how.look_up == "serial")
    return text


def _listed(name: str, how: FieldMap, given: Any) -> list[Any]:
    lines = given if isinstance(given, list) else [one for one in str(given).split(how.separator) if one.strip()]
    if name != "parts":
        return [text_of(one) for one in lines][:200]
    parts: list[dict[str, Any]] = []
    for one in lines[:200]:
        if isinstance(one, Mapping):
            told = {key: one[key] for key in ("part", "revision", "slot") if one.get(key)}
            parts.append(
                {**{key: text_of(value) for key, value in told.items()}, "quantity": _many(one.get("quantity"))}
            )
        else:
            part, _, count = text_of(one).partition("*")
            parts.append({"part": part.strip(), "quantity": _many(count) if count.strip().isdecimal() else 1})
    return parts


def _many(given: Any) -> int:
    """Spreadsheets and databases write whole numbers as 2.0; nothing is one. Raises InvalidInput."""
    text = text_of(given)
    if not text:
        return 1
    many = float(text)
    if not many.is_integer():
        raise InvalidInput(f"a quantity is a whole number, not {text:.60}")
    return int(many)


def _moment(how: FieldMap, given: Any) -> int:
    if how.time in ("s", "ms"):
        try:
            return round(float(given) * (SECOND if how.time == "s" else 1000))
        except (TypeError, ValueError, OverflowError):
            raise InvalidInput(f"{given!r:.60} is not a number of {how.time} since 1970") from None
    if isinstance(given, datetime):
        moment = given
    elif how.time == "rfc3339":
        return parse_time(text_of(given))
    else:
        try:
            moment = datetime.strptime(text_of(given), how.time)
        except ValueError:
            raise InvalidInput(f"{given!r:.60} is not written as {how.time}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(how.time_zone))
    return round((moment - _EPOCH).total_seconds() * SECOND)


def outward(exchange: Exchange, fields: Fields, look: LookUps, only: frozenset[str] | None = None) -> dict[str, Any]:
    """Our fields as the other system has them: those of `only`, and their id, if it has one."""
    told: dict[str, Any] = {}
    for name, how in exchange.maps.items():
        if not how.outward or name not in fields or (only is not None and name not in only and name != "external"):
            continue
        value = fields[name]
        if name == "external" and not value:
            continue
        _put(told, how.outward, _theirs(name, how, value, look))
    return told


def _theirs(name: str, how: FieldMap, value: Any, look: LookUps) -> Any:
    if value in (None, ""):
        return None
    if name in MOMENTS:
        return _written(how, value)
    if how.values:
        return next((theirs for theirs, ours in how.values.items() if ours == value), value)
    if how.look_up == "serial":
        return look.serial(name, value)
    return value


def _written(how: FieldMap, value: str) -> Any:
    micros = parse_time(value)
    if how.time == "rfc3339":
        return value
    if how.time in ("s", "ms"):
        return micros // (SECOND if how.time == "s" else 1000)
    return datetime.fromtimestamp(micros // SECOND, ZoneInfo(how.time_zone)).strftime(how.time)


def _put(told: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    here = told
    for name in above:
        here = here.setdefault(name, {})
    here[last] = value

"""From the text of a data item to the value of a property."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from gemel.twin import Kind, Scale

__all__ = ["UNAVAILABLE", "condition_update", "reader_of"]

UNAVAILABLE = "UNAVAILABLE"

_ENTRY = re.compile(r"""([^\s=]+)(?:=(?:\{([^}]*)\}|"([^"]*)"|'([^']*)'|(\S*)))?""")


def reader_of(kind: Kind | None, scale: Scale | None = None) -> Callable[[str], Any]:
    """What turns a value's text into the property's value. Text that does not fit is handed on as it is: the intake
    then quarantines it with the reason, and nothing is lost."""
    read = _READERS.get(kind, str) if kind is not None else str
    if scale is None or kind not in (Kind.NUMBER, Kind.INTEGER, Kind.ARRAY):
        return read
    factor, offset = scale.factor, scale.offset

    def scaled(text: str) -> Any:
        value = read(text)
        if isinstance(value, list):
            return [x * factor + offset for x in value]
        return value if isinstance(value, str) else value * factor + offset

    return scaled


def _number(text: str) -> Any:
    try:
        return float(text) if "_" not in text else text  # Python reads 1_000 as a number; no machine writes it
    except ValueError:
        return text


def _integer(text: str) -> Any:
    try:
        return int(text) if "_" not in text else text
    except ValueError:
        number = _number(text)
        return int(number) if isinstance(number, float) and number.is_integer() else text


def _boolean(text: str) -> Any:
    return _BOOLEANS.get(text.strip().upper(), text)


_BOOLEANS = {"TRUE": True, "FALSE": False, "ON": True, "OFF": False, "1": True, "0": False, "YES": True, "NO": False}


def _array(text: str) -> Any:
    try:
        return [float(x) for x in text.split()] if "_" not in text else text
    except ValueError:
        return text


def _data_set(text: str) -> Any:
    """`a=1 b="x y" gone` → {"a": 1.0, "b": "x y", "gone": None}."""
    found: dict[str, Any] = {}
    for match in _ENTRY.finditer(text):
        quoted = next((g for g in match.groups()[1:4] if g is not None), None)
        plain = match[5]
        found[match[1]] = quoted if quoted is not None else None if plain is None else _number(plain)
    return found


_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.NUMBER: _number,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.ARRAY: _array,
    Kind.OBJECT: _data_set,
}


def condition_update(fields: Sequence[str]) -> dict[str, str] | None:
    """What `level|code|severity|qualifier|text` says becomes of one code; None when the item is unavailable.

    Normal without a code clears all, with a code only that one. Raises ValueError for an unknown level.
    """
    level, code, severity, qualifier, *rest = (*fields, "", "", "", "")[: max(5, len(fields))]
    level = level.strip().lower()
    if level == "unavailable":
        return None
    if level not in ("normal", "warning", "fault"):
        raise ValueError(f"{level!r:.40} is not a condition's level; NORMAL, WARNING, FAULT or UNAVAILABLE")
    text = "|".join(rest).strip()
    return {"level": level, "code": code.strip(), "severity": severity, "qualifier": qualifier, "text": text}

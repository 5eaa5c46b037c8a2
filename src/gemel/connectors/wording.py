"""How an order is put into words for a device, and how its answer is read: templates of JSON or text."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gemel.clock import to_rfc3339
from gemel.commands import Errand, Outcome, Result
from gemel.errors import InvalidInput

__all__ = ["answer_of", "check_wording", "filled", "payload_of"]

_VARIABLE = re.compile(r"\{([a-z_]+(?:\.[A-Za-z][A-Za-z0-9_]*)?)\}", re.ASCII)
_KNOWN = ("value", "order", "twin", "name", "deadline", "input", "attempt")
_DONE = {"done", "applied", "ok", "success", "succeeded", "completed"}
_TAKEN = {"accepted", "acknowledged", "pending", "running", "started"}
_REFUSED = {"refused", "rejected", "error", "failed", "denied"}
_LONGEST = 500


def check_wording(template: Any, where: str) -> None:
    """Raises InvalidInput when a template has a variable that orders do not have."""
    for name in _names(template):
        if name.partition(".")[0] not in _KNOWN:
            raise InvalidInput(f"{where} has no {{{name}}}; there is {', '.join(_KNOWN)} and input.<name>")


def _names(template: Any) -> list[str]:
    if isinstance(template, str):
        return _VARIABLE.findall(template)
    if isinstance(template, dict):
        return [name for item in (*template.keys(), *template.values()) for name in _names(item)]
    return [name for item in template for name in _names(item)] if isinstance(template, list | tuple) else []


def payload_of(errand: Errand, template: Any = None) -> bytes:
    """The bytes of an order: JSON of a template that is no text, the text of one that is.

    Without a template: a value as JSON; a command as {"order": …, "input": {…}}.
    """
    if template is None:
        whole: Any = errand.value if errand.input is None else {"order": errand.order, "input": errand.input}
        return msgspec.json.encode(whole)
    told = filled(template, errand)
    return told.encode() if isinstance(template, str) and isinstance(told, str) else msgspec.json.encode(told)


def filled(template: Any, errand: Errand) -> Any:
    """A template with the order's words in it. A text that is nothing but one {variable} becomes its value."""
    if isinstance(template, str):
        whole = _VARIABLE.fullmatch(template)
        if whole:
            return _word(whole[1], errand)
        return _VARIABLE.sub(lambda found: _text(_word(found[1], errand)), template)
    if isinstance(template, dict):
        return {_text(filled(key, errand)): filled(item, errand) for key, item in template.items()}
    return [filled(item, errand) for item in template] if isinstance(template, list | tuple) else template


def _word(name: str, errand: Errand) -> Any:
    first, _, rest = name.partition(".")
    if first == "input" and rest:
        return (errand.input or {}).get(rest)
    words = {
        "value": errand.value,
        "order": errand.order,
        "twin": errand.twin,
        "name": errand.name,
        "input": errand.input,
        "attempt": errand.attempt,
    }
    return to_rfc3339(errand.expires) if first == "deadline" else words.get(first)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def answer_of(payload: bytes) -> tuple[str, Outcome]:
    """(the order that it names, what a device says became of it).

    {"order": …, "status": "done", "output": {…}, "detail": "…"}: `status` is done, accepted or refused (and words like
    them); left out, it is done. An empty answer is done. Raises ValueError for what cannot be read.
    """
    if not payload.strip():
        return "", Outcome(result=Result.DONE)
    try:
        told = msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise ValueError(f"the answer is not JSON: {error}") from None
    if not isinstance(told, dict):
        return "", Outcome(result=Result.DONE, output={"value": told})
    status = str(told.get("status", "done")).lower()
    detail = str(told.get("detail") or told.get("message") or "")[:_LONGEST]
    if status in _DONE:
        own = ("order", "status", "detail", "message", "output")
        output = told.get("output")
        if not isinstance(output, dict):
            output = {key: value for key, value in told.items() if key not in own}
        return str(told.get("order", "")), Outcome(result=Result.DONE, detail=detail, output=output or None)
    if status in _TAKEN or status in _REFUSED:
        result = Result.ACKNOWLEDGED if status in _TAKEN else Result.REFUSED
        return str(told.get("order", "")), Outcome(result=result, detail=detail)
    raise ValueError(f"status {status!r:.60} is none of done, accepted, refused")

"""Reasons not to take something: a code for programs, a sentence for people, and the error that `strict` raises."""

from __future__ import annotations

from gemel.errors import (
    Conflict,
    Denied,
    GemelError,
    InvalidTime,
    InvalidUnit,
    InvalidValue,
    MessageConflict,
    NotFound,
    UnknownProperty,
    UnknownTwin,
)
from gemel.intake.base import Refusal

__all__ = ["Refused", "error_of", "not_granted"]

_ERRORS: dict[str, type[GemelError]] = {
    "unknown-twin": UnknownTwin,
    "unknown-property": UnknownProperty,
    "unknown-event": NotFound,
    "clock": InvalidTime,
    "unit": InvalidUnit,
    "conflict": MessageConflict,
    "not-granted": Denied,
    "not-its-source": Conflict,
}


class Refused(Exception):
    """One reading, event or message cannot be taken. A turn in the road inside this room, never seen outside."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def not_granted(source: str, twin: object) -> Refused:
    """What a source says of a twin that it does not speak for."""
    return Refused("not-granted", f"{source} does not speak for twin {twin!r:.100}; add it to its twins, and replay")


def error_of(refusal: Refusal) -> GemelError:
    """The error that says the same."""
    where = {k: v for k, v in (("twin", refusal.twin), ("property", refusal.property)) if v}
    return _ERRORS.get(refusal.code, InvalidValue)(refusal.detail, reason=refusal.code, **where)

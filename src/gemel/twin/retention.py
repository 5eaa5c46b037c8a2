"""How long readings are kept, as people write it: `90d`, `2y`, `forever`."""

from __future__ import annotations

import re

import msgspec

from gemel.errors import InvalidInput

__all__ = ["FOREVER", "Retention", "parse_duration"]

FOREVER = "forever"
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}  # a year of 365.25 days


def parse_duration(text: str) -> int | None:
    """Seconds; None for `forever` and for nothing said. Raises InvalidInput."""
    if text in ("", FOREVER):
        return None
    found = re.fullmatch(r"(\d{1,6})([mhdwy])", text)
    if found is None or not int(found[1]):
        raise InvalidInput(f"{text!r:.40} is not a duration; write 30m, 12h, 90d, 8w, 2y or forever")
    return int(found[1]) * _UNITS[found[2]]


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the history keeps readings: as they came, and summed up per minute and per hour.

    Empty: what the type, or else the plant's settings, say. In the end everything is kept for ever.
    """

    raw: str = ""
    """Every reading, so long after its time: 90d, 12h, 8w, 2y or forever. Whole days go, at midnight UTC."""
    minutes: str = ""
    """Least, greatest, mean, first and last per minute; at least as long as `raw`."""

    def over(self, other: Retention) -> Retention:
        """What is said here, and of the rest what `other` says."""
        return Retention(raw=self.raw or other.raw, minutes=self.minutes or other.minutes)

    def problems(self) -> list[tuple[str, str]]:
        """(field, what is wrong)."""
        found, seconds = [], {}
        for field in ("raw", "minutes"):
            try:
                seconds[field] = parse_duration(getattr(self, field))
            except InvalidInput as error:
                found.append((field, error.detail))
        raw, minutes = seconds.get("raw"), seconds.get("minutes")
        if raw is not None and raw < 86_400:
            found.append(("raw", f"{self.raw} is less than a day; whole days are dropped, so keep at least 1d"))
        if raw is not None and minutes is not None and minutes < raw:
            found.append(("minutes", f"{self.minutes} is shorter than raw ({self.raw}); sums last at least as long"))
        return found

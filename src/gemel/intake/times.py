"""What times are believed of a source."""

from __future__ import annotations

from typing import Any, NamedTuple

from gemel.clock import MAX_TIME, MIN_TIME, SECOND, to_rfc3339
from gemel.intake.base import SourceRule
from gemel.intake.refusal import Refused
from gemel.intake.validate import Plan

__all__ = ["Window"]


class Window(NamedTuple):
    """Times in [earliest, latest] are believed; what says none is from now."""

    earliest: int
    latest: int
    now: int

    @classmethod
    def of(cls, rule: SourceRule, now: int) -> Window:
        earliest = max(rule.earliest, now - int(rule.past_s * SECOND))
        return cls(earliest, now + int(rule.future_s * SECOND), now)

    def time(self, of: Plan | str, time: Any) -> int:
        """The time of a reading, or of what is named. Raises Refused."""
        if time is None:
            return self.now
        if isinstance(time, bool) or not isinstance(time, int):
            raise Refused("malformed", f"the time {time!r:.60} is not an integer of microseconds since 1970")
        if not self.earliest <= time <= self.latest:
            raise self.refusal(of, time)
        return time

    def refusal(self, of: Plan | str, time: Any) -> Refused:
        """Why a time is not believed."""
        where = of if isinstance(of, str) else of.where
        if not isinstance(time, int):
            return Refused("malformed", f"the time {time!r:.60} is not an integer of microseconds since 1970")
        if not MIN_TIME <= time < MAX_TIME:
            return Refused("clock", f"{where}: {time} µs is outside the years 1900 to 2261; are these seconds or ns?")
        shift = round((self.now - time) / SECOND)
        return Refused(
            "clock",
            f"{where}: the source's clock says {to_rfc3339(time)}, {abs(shift) / 86_400:,.1f} days "
            f"{'before' if shift > 0 else 'after'} ours; set it, and replay with a rule that shifts the times "
            f"(shift_s {shift} would make it now), or widen the rule of this source",
        )

"""A service plan, promise by promise: since when it holds, until when, when it is due. Without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from gemel.clock import SECOND
from gemel.configuration import Kept, UpkeepStanding
from gemel.services.offers.values import Offer, Promised

__all__ = ["months_later", "promised"]

_DAY = 86_400 * SECOND


def promised(offer: Offer, standing: Sequence[UpkeepStanding], now: int) -> list[Promised]:
    """All that the plan of an offer promises, in the order of the plan."""
    return list(_told(offer, standing, now)) if offer.service is not None else []


def _told(offer: Offer, standing: Sequence[UpkeepStanding], now: int) -> Iterator[Promised]:
    plan, since = offer.service, offer.delivered
    assert plan is not None
    until = None if since is None or not plan.months else months_later(since, plan.months)

    def one(what: str, due: int | None = None, standing: str = "") -> Promised:
        return Promised(what=what, since=since, until=until, due=due, standing=standing)

    if plan.availability_percent is not None:
        yield one(f"available {plan.availability_percent:g} % of the time")
    if plan.response_hours is not None:
        yield one(f"at work on a failure within {plan.response_hours:g} h")
    if plan.confirmed_days:
        state = next((told.state for told in standing), None)
        yield one(f"its configuration is confirmed at most {plan.confirmed_days:g} days ago", standing=_state(state))
    if plan.snapshots:
        when = next((told.next_snapshot for told in standing), None)
        yield one(f"a snapshot of its configuration every {plan.snapshots.value}", when)
    for interval in plan.maintenance:
        due = None if since is None or interval.unit != "days" else _due(since, interval.every, now)
        of = f" of {interval.part}" if interval.part else ""
        yield one(f"{interval.title}{of} every {interval.every:g} {interval.unit}", due)
    for rate in plan.metering:
        more = f", {rate.included:g} a month included" if rate.included else ""
        yield one(f"{rate.kind} at {rate.price} {rate.currency} each{more}")


def _state(state: Kept | None) -> str:
    return "" if state is None else state.value


def _due(since: int, days: float, now: int) -> int:
    """The first time that lies ahead."""
    every = max(1, round(days * _DAY))
    return since + max(1, -(-(now - since) // every)) * every


def months_later(moment: int, months: int) -> int:
    """The same day so many months later, or the last one of that month; UTC."""
    begun = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
    month = begun.month - 1 + months
    year, month = begun.year + month // 12, month % 12 + 1
    for day in range(begun.day, 0, -1):
        try:
            then = begun.replace(year=year, month=month, day=day)
        except ValueError:
            continue
        break
    return (then - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

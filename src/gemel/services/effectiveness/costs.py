"""What downtime cost: time down and in repair when the machine was planned to be busy, at the prices of work."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from gemel.services.effectiveness.course import Course, Pieces
from gemel.services.effectiveness.figures import Missing
from gemel.services.work import Cost, Costs, Priced, PriceKind, cost_of, summed, together

__all__ = ["added", "costs", "unpriced"]


def costs(course: Course, twin: str, pieces: Pieces, priced: Priced) -> list[Costs | None]:
    """Of each group of pieces; None: what the machine costs is not told to who asks."""
    if not priced.may(twin):
        return [None] * pieces.groups
    periods = priced.book.periods(PriceKind.DOWNTIME, twin, course.start, course.end)
    turns = [begin for begin, _, _ in periods]
    count = len(periods)
    cut: list[tuple[int, int, int]] = []
    for start, end, group in zip(pieces.start.tolist(), pieces.end.tolist(), pieces.group.tolist(), strict=True):
        for place in range(max(0, bisect_right(turns, start) - 1), count):
            begin, stop = max(start, periods[place][0]), min(end, periods[place][1])
            if begin < stop:
                cut.append((begin, stop, group * count + place))
            elif periods[place][0] >= end:
                break
    down = course.down(Pieces.of(cut, pieces.groups * count))
    found: list[Costs | None] = []
    for group in range(pieces.groups):
        mine = down[group * count : (group + 1) * count]
        lines: list[Cost] = [
            cost_of(price, micros)
            for micros, (_, _, price) in zip(mine, periods, strict=True)
            if price is not None and micros
        ]
        found.append(summed(lines, sum(mine) / 3.6e9))
    return found


def added(each: Sequence[Costs | None]) -> Costs | None:
    """Of several machines or stays; None where what one of them costs is not told."""
    known = [one for one in each if one is not None]
    return together(known) if len(known) == len(each) else None


def unpriced(cost: Costs | None, twin: str) -> tuple[Missing, ...]:
    """That hours have no price, and how one is told."""
    if cost is None or not cost.unpriced_h:
        return ()
    text = f"nobody says what {cost.unpriced_h:,.1f} h of downtime cost; say it, and on what that rests:"
    example = f"gemel work price 1250 EUR --twin {twin} --rests-on 'plan of 2026, finance'"
    return (Missing(what="price", text=f"{text} {example}"),)

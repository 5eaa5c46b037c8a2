"""The plainest possible history: a list, sorted when asked. What the real one must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gemel.twin import Quality


@dataclass(frozen=True)
class Point:
    time: int
    position: int
    value: Any
    quality: Quality = Quality.GOOD

    @property
    def good(self) -> bool:
        return self.value is not None and self.quality <= Quality.UNCERTAIN


def ordered(points: list[Point]) -> list[Point]:
    return sorted(points, key=lambda p: (p.time, p.position))


def value_at(points: list[Point], at: int) -> Point | None:
    before = [p for p in ordered(points) if p.time <= at]
    return before[-1] if before else None


def spells(points: list[Point], start: int, end: int, within: int | None) -> list[tuple[int, int, Any]]:
    """(from, to, value) in which a value was known, clipped to [start, end)."""
    listed = ordered(points)
    found = []
    for i, p in enumerate(listed):
        until = listed[i + 1].time if i + 1 < len(listed) else end
        if within is not None:
            until = min(until, p.time + within)
        low, high = max(p.time, start), min(until, end)
        if p.good and low < high:
            found.append((low, high, p.value))
    return found


def gaps(points: list[Point], start: int, end: int, within: int | None) -> list[tuple[int, int]]:
    found, reached = [], start
    for low, high, _ in spells(points, start, end, within):
        if low > reached:
            found.append((reached, low))
        reached = high
    if reached < end:
        found.append((reached, end))
    return found


def states(points: list[Point], start: int, end: int) -> list[tuple[int, int, Any]]:
    found: list[tuple[int, int, Any]] = []
    for low, high, value in spells(points, start, end, None):
        if found and found[-1][1] == low and found[-1][2] == value:
            found[-1] = (found[-1][0], high, value)
        else:
            found.append((low, high, value))
    return found


def average(points: list[Point], start: int, end: int, within: int | None) -> tuple[float | None, int]:
    listed = spells(points, start, end, within)
    covered = sum(high - low for low, high, _ in listed)
    area = sum((high - low) * value for low, high, value in listed)
    return (area / covered if covered else None), covered


def buckets(points: list[Point], start: int, end: int, width: int) -> dict[int, dict[str, Any]]:
    found: dict[int, list[Point]] = {}
    for p in ordered(points):
        if start <= p.time < end and p.good:
            found.setdefault(p.time // width * width, []).append(p)
    return {
        max(time, start): {
            "min": min(p.value for p in listed),
            "max": max(p.value for p in listed),
            "mean": sum(p.value for p in listed) / len(listed),
            "first": listed[0].value,
            "last": listed[-1].value,
            "count": len(listed),
        }
        for time, listed in found.items()
    }

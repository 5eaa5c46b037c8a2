"""Spans of time, several at once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import msgspec

from gemel.configuration.values import Node, Running, Span

__all__ = ["covering", "gaps", "joined", "not_before", "running_since"]


def joined(spans: Iterable[Span]) -> list[Span]:
    """In order of time; those that meet or touch are one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def covering(spans: Iterable[Span], moment: int) -> Span | None:
    """The one that a moment is in."""
    return next((span for span in spans if span.covers(moment)), None)


def gaps(spans: Iterable[Span], within: Span | None = None) -> list[Span]:
    """What lies between; with `within`, also before and after."""
    told = joined(spans)
    if within is not None:
        told = [Span(within.start, within.start), *told, Span(within.end, within.end)]
    return [Span(one.end, two.start) for one, two in pairwise(told) if one.end < two.start]


def not_before(node: Node, start: int) -> Node:
    """A tree whose times begin no earlier."""
    return msgspec.structs.replace(
        node,
        since=max(node.since, start),
        parts=tuple(not_before(part, start) for part in node.parts),
        software=running_since(node.software, start),
    )


def running_since(software: Iterable[Running], start: int) -> tuple[Running, ...]:
    """The same, told of from a moment on."""
    return tuple(
        one if one.since is None else msgspec.structs.replace(one, since=max(one.since, start)) for one in software
    )

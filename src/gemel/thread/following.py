"""Following the thread: from anything, both ways, step by step, with the path to all that is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection, or_, select

from gemel.errors import InvalidInput
from gemel.thread import tables
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.values import Link, Phase
from gemel.thread.writing import link_of

__all__ = ["Asked", "Followed", "Reached", "Step", "follow"]

_AT_ONCE = 200
"""Ids in one query."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How far the thread is followed, and what of it is told."""

    at: int
    known: int
    depth: int = 3
    direction: Literal["both", "forward", "back"] = "both"
    """forward: from the source of a link to its target."""
    phases: tuple[Phase, ...] = ()
    """Only records and documents of these; none: all. What leads to them is in their paths."""
    kinds: tuple[str, ...] = ()
    """Only links of these kinds; none: all."""
    siblings: bool = False
    """Also go back the way one came: from a program to all other operations that carried it out."""
    limit: int = 500
    after: str = ""
    """Of a part that is followed: its items after this id, or after `Followed.next`."""

    def checked(self) -> Asked:
        """Itself. Raises InvalidInput."""
        if not 1 <= self.depth <= 10 or not 1 <= self.limit <= 5000:
            raise InvalidInput("depth is 1 to 10 and limit 1 to 5000")
        return self


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One link that a path goes along."""

    link: Link
    back: bool
    """It is gone along from its target to its source."""
    of: int | None = None
    """The number of the act that says the link; None: the configuration says it."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the thread leads to, by its shortest path."""

    node: Node
    depth: int
    path: tuple[Step, ...]


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What was reached, the nearest first."""

    start: Node
    reached: tuple[Reached, ...]
    more: bool
    """There is more than was asked for, or than is told at once."""
    next: str = ""
    """Of a part with more items than are told at once: `Asked.after` goes on from there."""


Implied = Callable[[Node], Iterable[Link]]
"""Links of a node that follow from the configuration, from documents, from measurements."""


def follow(tx: Connection, start: Node, asked: Asked, *, implied: Implied, sees: Callable[[Node], bool]) -> Followed:
    """Everything within so many steps of a node, each once, by its shortest path. What is not seen is not passed."""
    asked = asked.checked()
    paths: dict[Node, tuple[Step, ...]] = {start: ()}
    found: list[Reached] = []

    def beyond(edge: Sequence[Node]) -> Iterator[tuple[Node, Step]]:
        """(node of the edge, step to what was not reached yet), as far as that is told."""
        for node, link in _links(tx, edge, asked, implied):
            back = not _meets(link.source, node)
            other = link.source if back else link.target
            if (asked.direction == "forward" and back) or (asked.direction == "back" and not back):
                continue
            path = paths[node]
            turned = bool(path) and path[-1].link.kind == link.kind and path[-1].back != back
            if other in paths or ((turned or _others(node, other, path)) and not asked.siblings) or not sees(other):
                continue
            yield node, Step(link=link, back=back, of=link.act or None)

    edge, more = [start], False
    for depth in range(1, asked.depth + 1):
        ahead: list[Node] = []
        for node, step in beyond(edge):
            if len(paths) > asked.limit:
                more = True
                break
            other = step.link.source if step.back else step.link.target
            paths[other] = (*paths[node], step)
            found.append(Reached(node=other, depth=depth, path=paths[other]))
            ahead.append(other)
        edge = ahead
        if more or not edge:
            break
    else:
        more = any(True for _ in beyond(edge))
    return Followed(start=start, reached=tuple(found), more=more)


def _links(tx: Connection, edge: Sequence[Node], asked: Asked, implied: Implied) -> Iterator[tuple[Node, Link]]:
    """(node of the edge, link that touches it), of all that is valid and known then."""
    c = tables.link.c
    when = (
        c.valid_from <= asked.at,
        c.valid_to > asked.at,
        c.recorded_from <= asked.known,
        c.recorded_to > asked.known,
    )
    kinds = (c.kind.in_(asked.kinds),) if asked.kinds else ()
    near: dict[tuple[str, str], list[Node]] = {}
    for node in edge:
        near.setdefault((str(node.kind), node.id), []).append(node)
    by_kind: dict[str, list[str]] = {}
    for kind, id in near:
        by_kind.setdefault(kind, []).append(id)
    for kind, ids in by_kind.items():
        for part in range(0, len(ids), _AT_ONCE):
            some = ids[part : part + _AT_ONCE]
            touching = or_(
                (c.source_kind == kind) & c.source_id.in_(some), (c.target_kind == kind) & c.target_id.in_(some)
            )
            for row in tx.execute(select(tables.link).where(touching, *when, *kinds).order_by(c.number)):
                link = link_of(row)
                for end in (link.source, link.target):
                    for node in near.get((str(end.kind), end.id), ()):
                        if _meets(end, node):
                            yield node, link
    for node in edge:
        for link in implied(node):
            if not asked.kinds or link.kind in asked.kinds:
                yield node, link


def _others(node: Node, other: Node, path: tuple[Step, ...]) -> bool:
    """From an item to its part, and from there to all other items of that part."""
    passed = (node, *(end for step in path for end in (step.link.source, step.link.target)))
    return (
        other.kind is NodeKind.ITEM and node.kind is NodeKind.PART and any(one.kind is NodeKind.ITEM for one in passed)
    )


def _meets(end: Node, node: Node) -> bool:
    """Whether an end of a link is about a node: the same, the whole of it, or a time that overlaps."""
    if (end.kind, end.id) != (node.kind, node.id):
        return False
    if end.sub and node.sub and end.sub != node.sub:
        return False
    if end.kind is NodeKind.SLOT and end.sub != node.sub:
        return False
    if end.start is None or node.start is None or end.end is None or node.end is None:
        return True
    return end.start < node.end and node.start < end.end

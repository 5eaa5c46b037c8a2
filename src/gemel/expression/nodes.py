"""The tree that a text becomes: literals, names, calls, and aggregates over parts. Values only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Aggregate", "Call", "Literal", "Name", "Node", "walk"]


@dataclass(frozen=True, slots=True)
class Node:
    """`at`: where it stands in the text, in characters from 1."""

    at: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A property, perhaps of a component: ("spindle", "load")."""

    path: tuple[str, ...]

    @property
    def text(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function or an operator, by the name in the tables of `operations`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """Of all members of a set of parts: their values in `arguments`, of those where `condition` holds."""

    name: str
    members: tuple[str, ...]
    """Path of the set: ("parts",), ("all_parts",), or slots: ("cells", "robots")."""
    arguments: tuple[Node, ...]
    condition: Node | None


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, not into aggregates' arguments."""
    yield node
    if isinstance(node, Call):
        for argument in node.arguments:
            yield from walk(argument)

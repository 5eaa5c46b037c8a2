"""What a machine is made of: what its part types declare, summed over what is in it. For whoever takes it apart."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gemel.configuration.parts.book import Book
from gemel.configuration.values import ItemKind, Node

__all__ = ["Passport", "Substance", "passport"]


class Substance(msgspec.Struct, frozen=True, kw_only=True):
    """One material in all that a machine consists of."""

    material: str
    mass: float
    """kg."""
    recycled: float
    """kg of it that had been recycled before."""
    hazard: str
    """Why it needs care; empty: it does not."""
    recovery: str
    """What is done with it in the end."""
    items: tuple[str, ...]
    """Where it is."""


class Passport(msgspec.Struct, frozen=True, kw_only=True):
    """The material passport of a machine."""

    root: str
    materials: tuple[Substance, ...]
    """What needs care first, then the most."""
    mass: float
    """kg, of all that is declared."""
    declared: int
    """Items of which it is declared what they are made of."""
    undeclared: tuple[str, ...]
    """Items of which it is not: so the sums are at least."""


def passport(book: Book, node: Node) -> Passport:
    """Of a configuration. A part without a declaration of its own, whose parts have one, is told as undeclared:
    nobody knows what its housing weighs."""
    found: dict[tuple[str, str, str], list[tuple[str, float, float]]] = {}
    declared, undeclared = 0, list[str]()
    for one in _pieces(node):
        item = one.item
        known = book.of(item.part, item.maker)
        if known is None or not known.materials:
            undeclared.append(item.id)
            continue
        declared += 1
        for told in known.materials:
            mass = told.mass * item.quantity
            about = (told.material, told.hazard, told.recovery)
            found.setdefault(about, []).append((item.id, mass, mass * told.recycled))
    listed = [
        Substance(
            material=material,
            hazard=hazard,
            recovery=recovery,
            mass=sum(mass for _, mass, _ in rows),
            recycled=sum(mass for _, _, mass in rows),
            items=tuple(dict.fromkeys(item for item, _, _ in rows)),
        )
        for (material, hazard, recovery), rows in found.items()
    ]
    listed.sort(key=lambda one: (not one.hazard, -one.mass, one.material))
    return Passport(
        root=node.item.id,
        materials=tuple(listed),
        mass=sum(one.mass for one in listed),
        declared=declared,
        undeclared=tuple(undeclared),
    )


def _pieces(node: Node) -> Iterator[Node]:
    """All that weighs something; not what is only named because others are in it."""
    if node.item.kind in (ItemKind.HARDWARE, ItemKind.ELECTRICAL) and "born" not in node.item.withheld:
        yield node
    for part in node.parts:
        yield from _pieces(part)

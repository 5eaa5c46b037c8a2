"""Whether a configuration is as somebody assumes who does something on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from sqlalchemy import Connection

from gemel.configuration.acts.acting import item_row, occupants
from gemel.configuration.hashing import configuration_hash
from gemel.configuration.questions import asking
from gemel.configuration.questions.applicability import fits, pieces
from gemel.configuration.questions.fleet import Having, Order
from gemel.configuration.values import FOREVER, Expected, ItemKind, Node
from gemel.errors import ConfigurationDiffers, InvalidInput, NotFound

__all__ = ["expect"]

_NOW = FOREVER - 1


def expect(tx: Connection, expected: Sequence[Expected], at: int, order: Order) -> None:
    """Raises ConfigurationDiffers when something is not as it is assumed, NotFound, InvalidInput.

    order: of revisions, and of the versions of software.
    """
    tree = cache(lambda root: _tree(tx, root, at))
    sealed = cache(lambda root: configuration_hash(tree(root)))
    for one in expected:
        if one.hash or one.has:
            if one.hash:
                _same(sealed(one.root), one)
            for told in one.has:
                _has(tree(one.root), told, order)
        else:
            _holds(tx, one, at)


def _tree(tx: Connection, root: str, at: int) -> Node:
    """Of a machine; a place holds any number of them, and nobody writes while a tree is put together."""
    if item_row(tx, root).kind == ItemKind.LOCATION:
        raise InvalidInput(f"{root} is a place; say what is expected of a machine that is there, or of a slot of it")
    return asking.tree(tx, root, at, _NOW)


def _same(found: str, one: Expected) -> None:
    if found != one.hash:
        raise ConfigurationDiffers(
            f"the configuration of {one.root} is {found[:12]}, not {one.hash[:12]}: it was changed since you "
            "looked; look again and decide",
            expected=one.hash,
            found=found,
        )


def _holds(tx: Connection, one: Expected, at: int) -> None:
    held = occupants(tx, one.root, one.slot, at)
    item = ""
    with suppress(NotFound):  # what nobody knows is not there either, and is not told from what is elsewhere
        item = item_row(tx, one.item).id if one.item else ""
    if item not in held if one.item else held:
        there = ", ".join(held) or "nothing"
        raise ConfigurationDiffers(
            f"{one.slot} of {one.root} holds {there}, not {one.item or 'nothing'}; look again and decide",
            expected=one.item,
            found=held,
        )


def _has(tree: Node, told: str, order: Order) -> None:
    """What cannot be told is not as it is assumed: whoever may do it all the same says `?`, or assumes less."""
    absent = told.startswith("!")
    having = Having.parse(told.removeprefix("!"))
    found = [one for one in pieces(tree) if one.part == having.part]
    answers = [fits(having, one, order) for one in found]
    if absent and all(one is False for one in answers):
        return
    if not absent and any(answers):
        return
    there = ", ".join(sorted({f"{one.part} {one.revision or 'at a revision that is not known'}" for one in found}))
    name = tree.item.id
    raise ConfigurationDiffers(
        f"{name} has {there or f'no {having.part}'}, and what is done assumes {'none of ' * absent}"
        f"{told.removeprefix('!')}; look again and decide",
        expected=told,
        found=there,
    )

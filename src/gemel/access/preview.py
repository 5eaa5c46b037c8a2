"""What somebody would see by a grant that is not made yet: which twins, and which properties of them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from gemel.access.gate import Gate
from gemel.access.grants import checked_groups
from gemel.access.selector import Selector, check_selector
from gemel.registry import Directory
from gemel.twin import PropertyGroup, PropertyType

__all__ = ["Preview", "PreviewProperty", "PreviewType", "preview"]

MOST_TWINS = 50


class PreviewProperty(msgspec.Struct, frozen=True):
    """A property, and the group as which it is shared."""

    name: str
    title: str
    group: PropertyGroup


class PreviewType(msgspec.Struct, frozen=True):
    """What would be seen of twins of one type."""

    id: str
    title: str
    twins: int
    seen: list[PreviewProperty]
    hidden: list[PreviewProperty]


class Preview(msgspec.Struct, frozen=True):
    """As of now: when links or stages change, a grant means other twins."""

    selected: str
    """The selector in words."""
    twins: int
    some: list[str]
    """Ids of the first of them."""
    unknown: list[str]
    """What the selector names and is not there."""
    types: list[PreviewType]


def preview(gate: Gate, directory: Directory, selector: Selector, groups: Iterable[PropertyGroup | str]) -> Preview:
    """Raises InvalidInput for what could not be granted."""
    chosen, told = check_selector(selector), checked_groups(groups)
    numbers = gate.covers.numbers(chosen)
    types = []
    for id, type in sorted(directory.types.items()):
        count = len(np.intersect1d(directory.numbers(id), numbers, assume_unique=True))
        if count:
            seen = [one for one in type.properties if not told or one.shared_as in told]
            hidden = [one for one in type.properties if told and one.shared_as not in told]
            types.append(PreviewType(id, type.title or id, count, _named(seen), _named(hidden)))
    return Preview(
        selected=str(chosen),
        twins=len(numbers),
        some=list(directory.ids(numbers[:MOST_TWINS].tolist())),
        unknown=[one for one in chosen.twins if directory.twin(one) is None]
        + [one for one in chosen.types if one not in directory.types],
        types=types,
    )


def _named(properties: Iterable[PropertyType]) -> list[PreviewProperty]:
    return [PreviewProperty(one.name, one.title or one.name, one.shared_as) for one in properties]

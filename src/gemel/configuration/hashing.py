"""One short text for a whole configuration: the same for the same items at the same revisions in the same slots, which
reported the same software.

Where no software was reported it is what it was before software was a part of it (`items_hash`; decision 0030).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from gemel.configuration.values import Node

__all__ = ["configuration_hash", "items_hash"]

_Line = tuple[tuple[str, ...], tuple[str, ...]]
"""Where, and what is there."""


def configuration_hash(root: Node) -> str:
    """64 hexadecimal digits: SHA-256 over slot path, item, part, maker, serial number, lot and revision of all, and
    over slot path, item, part and version of all software that was reported."""
    return _hash([*_lines(root), *_software(root)])


def items_hash(root: Node) -> str:
    """The same without software: what snapshots were sealed with before it was told of."""
    return _hash(_lines(root))


def _hash(lines: Iterable[_Line]) -> str:
    return sha256(msgspec.json.encode(sorted(lines))).hexdigest()


def _lines(node: Node) -> Iterator[_Line]:
    item = node.item
    yield node.path, (item.id, item.part, item.maker, item.serial, item.lot, item.revision)
    for part in node.parts:
        yield from _lines(part)


def _software(node: Node) -> Iterator[_Line]:
    runs = [one for one in node.software if one.version]
    yield from (((*node.path, one.slot), (node.item.id, one.part, one.version)) for one in runs)
    for part in node.parts:
        yield from _software(part)

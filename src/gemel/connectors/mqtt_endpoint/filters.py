"""Topic filters: which are allowed, and which subscriptions a topic meets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["FilterTree", "split_shared", "valid_filter", "valid_topic"]

T = TypeVar("T")
MAX_LEVELS = 64
MAX_BYTES = 1_024


def valid_topic(topic: str) -> bool:
    """Whether a message may have this topic."""
    return 0 < len(topic) <= MAX_BYTES and topic.count("/") < MAX_LEVELS and not set(topic) & set("+#\0")


def valid_filter(pattern: str) -> bool:
    """Whether a subscription may have this filter (MQTT 5, 4.7.1)."""
    levels = pattern.split("/")
    return (
        0 < len(pattern) <= MAX_BYTES
        and len(levels) <= MAX_LEVELS
        and "\0" not in pattern
        and all(level in ("+", "#") or not set(level) & set("+#") for level in levels)
        and "#" not in levels[:-1]
    )


def split_shared(pattern: str) -> tuple[str, str] | None:
    """(group, filter) of `$share/group/filter`; ("", filter) of any other; None for a group without a filter."""
    if not pattern.startswith("$share/"):
        return "", pattern
    _, _, rest = pattern.partition("/")
    group, slash, inner = rest.partition("/")
    return (group, inner) if group and slash and inner and not set(group) & set("+#") else None


class _Node(Generic[T]):
    __slots__ = ("below", "held")

    def __init__(self) -> None:
        self.below: dict[str, _Node[T]] = {}
        self.held: dict[object, T] = {}


class FilterTree(Generic[T]):
    """Things by filter, found by topic: a topic of k levels looks into at most 2^k nodes, mostly into k."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, pattern: str, key: object, thing: T) -> bool:
        """Hold `thing` under a filter; whether none was there under this key."""
        node = self._root
        for level in pattern.split("/"):
            node = node.below.setdefault(level, _Node())
        new = key not in node.held
        node.held[key] = thing
        self._count += new
        return new

    def remove(self, pattern: str, key: object) -> bool:
        """Whether there was one."""
        path = [self._root]
        levels = pattern.split("/")
        for level in levels:
            found = path[-1].below.get(level)
            if found is None:
                return False
            path.append(found)
        if path[-1].held.pop(key, None) is None:
            return False
        self._count -= 1
        for parent, level, node in zip(path[-2::-1], levels[::-1], path[:0:-1], strict=True):
            if node.held or node.below:
                break
            del parent.below[level]
        return True

    def match(self, topic: str) -> Iterator[T]:
        """All things whose filter meets the topic. Wildcards at the start do not meet topics that begin with $."""
        if not self._count:
            return
        levels = topic.split("/")
        end, hidden = len(levels), topic.startswith("$")
        waiting = [(self._root, 0)]
        while waiting:
            node, depth = waiting.pop()
            wild = depth or not hidden
            if wild and (rest := node.below.get("#")) is not None:
                yield from rest.held.values()
            if depth == end:
                yield from node.held.values()
                continue
            if (found := node.below.get(levels[depth])) is not None:
                waiting.append((found, depth + 1))
            if wild and (found := node.below.get("+")) is not None:
                waiting.append((found, depth + 1))

"""What the journal holds: readings in frames, and everything else as changes; both together make a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from gemel.twin.reading import Form

if TYPE_CHECKING:
    from gemel.twin.frame import Frame

__all__ = ["Block", "Change", "Position"]

Position = int
"""How many changes and readings came before, plus one: the first change ever has position 1. Never restarts.
To have read "at position p" is to have seen everything up to and including p."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A fact of low volume: an event of a machine, a command's step, a change of type, twin, link or right.

    `kind` is `area.past_participle` (`twin.created`, `type.changed`, `event.happened`, `plant.applied`,
    `connector.lost`, `source.heartbeat_lost`, `access.granted`); `subject` the id of what it is about.
    """

    kind: str
    subject: str
    time: int
    """When it was so, at its source; microseconds since the epoch, UTC."""
    actor: str = ""
    """Random id of the person or service behind it; never a name."""
    source: str = ""
    """With `id`, the identity of the message that brought it; empty for our own."""
    id: str = ""
    body: dict[str, Any] = {}
    """JSON-able details; the kind says which."""
    ordinal: int = 0
    """Place within its block: position = block.first + ordinal."""

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, roughly: of its details three times their JSON."""
        return 600 + 3 * len(msgspec.json.encode(self.body))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What one group commit made durable together.

    Holds positions first … first+count-1. Every reading and change in it shares `recorded`.
    """

    sequence: int
    """1, 2, 3 … within the partition."""
    first: Position
    recorded: int
    """When it was sealed; microseconds since the epoch, UTC."""
    frames: Mapping[Form, Frame] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    @property
    def count(self) -> int:
        return sum(len(frame) for frame in self.frames.values()) + len(self.changes)

    @property
    def last(self) -> Position:
        """Position of its last reading or change."""
        return self.first + self.count - 1

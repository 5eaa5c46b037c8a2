"""What an edge node knows of its forwarding: for people, and what it keeps over a restart."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gemel.disk import write_whole

__all__ = ["EdgeStanding", "Progress", "Reached"]


class EdgeStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How the forwarding fares. Positions and blocks are those of this plant's own journal."""

    url: str
    name: str
    """Whose words these are upstream: the source is `http:<account>/<name>`."""
    state: str
    """connecting, forwarding, level (all is upstream), waiting (it tries again), refused (the other side says no)."""
    acknowledged: int
    """Everything up to this position is on stable storage upstream."""
    buffered: int
    """Positions that are not."""
    blocks: int
    """Blocks that are not."""
    oldest: int | None
    """When the first of them was recorded here, microseconds since the epoch."""
    lag_s: float
    """How long that is ago."""
    sent: int
    """Readings and events that were accepted upstream since this process began."""
    repeated: int
    quarantined: int
    """Of these, refused there, since this process began: they wait in the quarantine upstream."""
    problem: str
    """Why the last one was."""
    skipped: int
    """Positions that this journal held no more when their turn came, since this process began."""
    error: str
    """What keeps it from forwarding; empty while nothing does."""
    note: str
    """What it could not declare upstream, and the way out."""
    since: int
    """When the state became this one."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The last block that is upstream."""

    epoch: str = ""
    sequence: int = 0
    position: int = 0
    who: str = ""
    """As whom upstream knew us: what it remembers belongs to that one."""


class Progress:
    """`edge.json` in the folder: where forwarding has come, for retention and for people while the line is cut.

    Where to go on, upstream itself says: this file may be missing or old, and nothing is lost or doubled for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.reached = msgspec.json.decode(path.read_bytes(), type=Reached)
        except (OSError, msgspec.DecodeError):
            self.reached = Reached()

    def keep(self, reached: Reached) -> None:
        """Raises OSError."""
        write_whole(self._path, msgspec.json.encode(reached))
        self.reached = reached

"""What every service is to the platform: it follows what is journaled, and carries its own work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gemel.twin import Block

__all__ = ["Run", "Service"]

Run = Callable[..., object]
"""Does work in the writer's transaction for an actor, and journals the changes that it returns."""


class Service(Protocol):
    """One of a platform. What it has begun is on stable storage, so that a stop in between changes nothing."""

    def follow(self, block: Block, /) -> None:
        """What is durable and folded; on the writer's thread, so it does not wait."""

    def start(self) -> None:
        """Take up what an earlier run left, and begin; only where the plant itself runs."""

    def close(self) -> None:
        """Begin nothing more. Safe to call again, and without a start."""

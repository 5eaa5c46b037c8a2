"""What a connection to a broker asks of its port, for one that only listens."""

from __future__ import annotations

from pathlib import Path

from gemel.clock import WallClock
from gemel.connectors.base import SecretRef
from gemel.connectors.reach import Reach
from gemel.twin import ConnectorSpec

__all__ = ["Ear"]


class Ear:
    """Secrets and files by reference; nobody watches."""

    def __init__(self, reach: Reach) -> None:
        self.clock = WallClock()
        self.spec = ConnectorSpec(id="discovery", kind="mqtt")
        self._reach = reach

    def secret(self, ref: SecretRef) -> str:
        return self._reach.secret(ref)

    def file(self, name: str) -> Path:
        return self._reach.file(name)

    def connected(self, detail: str = "") -> bool:
        return bool(detail)

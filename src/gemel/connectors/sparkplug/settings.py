"""What `settings:` of a Sparkplug connector may say."""

from __future__ import annotations

from gemel.connectors.mqtt.settings import BrokerSettings

__all__ = ["SparkplugSettings"]


class SparkplugSettings(BrokerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A broker, and what we are to the edge nodes behind it."""

    host_id: str = ""
    """Name under which edge nodes know us as their host application: we publish that we are online (retained), and
    the broker that we are gone. Empty: nodes are heard and nothing is said of us."""
    rebirth: bool = True
    """Ask a node for its birth certificate where it is missing, or after a message was lost. Without, we only listen,
    and what cannot be read is counted."""
    rebirth_every_s: float = 5.0
    """A node is asked at most this often."""

    def __post_init__(self) -> None:
        BrokerSettings.__post_init__(self)
        if set(self.host_id) & set("/+#\0") or len(self.host_id) > 128:
            raise ValueError(f"host_id {self.host_id!r:.140} is not allowed: no /, + or #, and at most 128 characters")
        if self.rebirth_every_s <= 0:
            raise ValueError(f"rebirth_every_s is {self.rebirth_every_s}; it must be above 0")

"""What `settings:` of an mtconnect connector may say."""

from __future__ import annotations

from urllib.parse import urlsplit

from gemel.connectors.base import Settings

__all__ = ["MtconnectSettings", "host_and_port"]


class MtconnectSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An adapter (shdr://host:7878) or an agent (http://host:5000, with /Device for one device of several)."""

    url: str
    device: str = ""
    """Name of the device where an adapter writes `device:item`, or an agent serves several."""
    timeout_s: float = 10.0
    """For connecting, and for an answer."""
    heartbeat_s: float = 10.0
    """How often an adapter is pinged until it says its own period; how often an agent confirms that it is there."""
    line_limit: int = 1_048_576
    """Longest line of an adapter, in bytes; longest document of an agent is 32 times as much."""
    count: int = 10_000
    """Most observations asked of an agent at once."""
    interval_ms: int = 500
    """How often an agent looks for news; it streams them, or is asked this often when it cannot."""

    def __post_init__(self) -> None:
        scheme = urlsplit(self.url).scheme
        if scheme not in ("shdr", "http", "https"):
            raise ValueError(
                f"url {self.url!r:.200} is neither shdr://host:port (adapter) nor http://host:port (agent)"
            )
        if scheme == "shdr":
            host_and_port(self.url)
        if min(self.timeout_s, self.heartbeat_s, self.line_limit, self.count, self.interval_ms) <= 0:
            raise ValueError("timeout_s, heartbeat_s, line_limit, count and interval_ms must be above 0")


def host_and_port(url: str) -> tuple[str, int]:
    """Of shdr://host:port; 7878, the standard's, when no port is said. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"url {url!r:.200} names no host; write it like shdr://192.168.0.7:7878")
    return parts.hostname, parts.port or 7878

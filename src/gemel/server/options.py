"""What the operator of a server may choose."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

from gemel.errors import InvalidInput
from gemel.server.forwarded import networks

__all__ = ["API", "Options"]

API = "/api/v1"
"""Base path of the interface."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Address, encryption, limits. Everything has a default that is safe on one machine."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 chooses a free one."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """PEM files; both or none."""
    demo: bool = False
    """Sign in whoever sits at this machine. Refused on any other address than the loopback."""
    origins: tuple[str, ...] = ()
    """Further origins (`https://gemel.example`) that browsers may write from: a proxy's public address."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies: what they tell in X-Forwarded-For of who asks is believed."""
    web: Path | None = None
    """Folder of the built web app; None: the one inside the package."""
    json_logs: bool = False
    body_bytes: int = 64 * 1024 * 1024
    """Largest body of a request."""
    query_s: float = 30.0
    """Longest that a query may take."""
    slow_at_once: int = 4
    """Reads of the history and queries at once; fifteen times as many may wait, more are refused with 429."""

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidInput("TLS needs both a certificate and a key; give --tls-cert and --tls-key")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise InvalidInput(f"there is no file {path}; TLS needs a certificate and a key in PEM form")
        networks(self.proxies)
        if self.demo and not self.is_loopback:
            raise InvalidInput(
                f"the demo signs everybody in, so it runs on 127.0.0.1 only, not on {self.host}; "
                "leave --demo out and sign in, or leave --host out"
            )

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"

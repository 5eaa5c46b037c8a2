"""Who the endpoint is to devices: a TLS context whose certificate is renewed while devices connect."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from cryptography import x509

from gemel.clock import SECOND, to_rfc3339
from gemel.connectors.base import Port
from gemel.connectors.guests import Identity
from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.errors import GemelError

__all__ = ["Secured"]

_HOUR, _DAY = 3_600 * SECOND, 86_400 * SECOND
_BEFORE = 30 * _DAY
"""What the plant's authority issued is renewed so long before it ends; of a short life, when a third is left."""


class Secured:
    """A context and what it shows. What is loaded holds for new connections; open ones live on with what they saw."""

    def __init__(self, settings: EndpointSettings, port: Port) -> None:
        """Blocks. Raises what stands against the certificate: its files, or the authority."""
        self._settings, self._port = settings, port
        self._tls = settings.tls
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._problem = ""
        self._due = self._ends = 0
        self._files: tuple[int, ...] = ()
        if self._tls.certificate:
            self._files = self._stamp()
            self._load_files(self.context)
        else:
            identity = self.issue()
            self.context.load_verify_locations(cadata=identity.authority)
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.take(identity)
        if self._tls.client_ca:
            self.context.load_verify_locations(port.file(self._tls.client_ca))
            self.context.verify_mode = ssl.CERT_OPTIONAL

    @property
    def detail(self) -> str:
        """For the connector's health."""
        until = f"certificate until {to_rfc3339(self._ends)[:10]}"
        return f"{until}, not renewed: {self._problem}" if self._problem else until

    @property
    def due(self) -> bool:
        """Whether the authority is to issue another certificate."""
        return not self._tls.certificate and self._port.clock.now() >= self._due

    def issue(self) -> Identity:
        """Blocks. Raises Conflict when the authority has none to give."""
        return self._port.guests.identity(self._settings.names)

    def take(self, identity: Identity) -> None:
        """Show this from now on. On the loop that accepts connections: a context must not change while one begins."""
        with tempfile.TemporaryDirectory(prefix="gemel-") as folder:  # the ssl module reads keys from files alone
            path = Path(folder) / "server.pem"
            path.touch(mode=0o600)
            path.write_text(identity.key + identity.chain)
            self.context.load_cert_chain(path)
        now, self._ends = self._port.clock.now(), _end_of(identity.chain.encode())
        # an authority that ends soon gives certificates that end with it: not one every second
        self._due = max(now + _HOUR, self._ends - min(_BEFORE, (self._ends - now) // 3))
        self._problem = ""

    def put_off(self, error: Exception) -> None:
        """It cannot be issued now: say so, and ask again in an hour."""
        self._problem = str(error)
        self._due = self._port.clock.now() + _HOUR

    def look(self) -> None:
        """Load files of our own again when they were replaced; a pair that does not fit leaves the one before."""
        if not self._tls.certificate:
            return
        try:
            stamp = self._stamp()
            if stamp == self._files:
                return
            self._files = stamp
            self._load_files(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load_files(self.context)
            self._problem = ""
        except (OSError, ValueError, GemelError) as error:  # SSLError is an OSError
            self._problem = f"{type(error).__name__} {error}"[:200]

    def _load_files(self, context: ssl.SSLContext) -> None:
        tls, port = self._tls, self._port
        password = port.secret(tls.key_password) if tls.key_password else None
        certificate = port.file(tls.certificate)
        context.load_cert_chain(certificate, port.file(tls.key), password)
        self._ends = _end_of(certificate.read_bytes())

    def _stamp(self) -> tuple[int, ...]:
        paths = (self._port.file(self._tls.certificate), self._port.file(self._tls.key))
        return tuple(number for path in paths for number in (path.stat().st_ino, path.stat().st_mtime_ns))


def _end_of(chain: bytes) -> int:
    """Until when the first certificate of a chain is good, microseconds."""
    return int(x509.load_pem_x509_certificate(chain).not_valid_after_utc.timestamp()) * SECOND

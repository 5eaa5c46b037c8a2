"""A device's own files: its key, which never leaves, and what it got for its claim code."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gemel.access import write_private
from gemel.errors import InvalidInput, NotFound

__all__ = ["Identity"]

KEY, FRESH, CERTIFICATE, AUTHORITY = "key.pem", "key.pem.fresh", "certificate.pem", "authority.pem"
SECRET, DEVICE = "secret", "device.json"


class Identity:
    """A folder that only this user may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def exists(self) -> bool:
        return (self._folder / SECRET).exists()

    def prepare(self) -> None:
        """Make the folder, and see that it can be written before a code is spent. Raises InvalidInput."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
            if not (self._folder / KEY).exists():
                self._make_key(KEY)
        except OSError as error:
            raise InvalidInput(f"{self._folder} cannot be written: {error.strerror}") from None

    def request(self, *, fresh: bool = False) -> str:
        """A signing request (PEM) for the key; `fresh`: for a new one, that `renew` puts in its place."""
        if fresh:
            self._make_key(FRESH)
        key = self._key(FRESH if fresh else KEY)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])  # the platform says who it is
        made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def keep(self, claimed: dict[str, Any]) -> None:
        """Write what was claimed; the secret last, as it says that all is there."""
        self._write(CERTIFICATE, claimed["certificate"])
        self._write(AUTHORITY, claimed["authority"])
        parts = urlsplit(claimed["http"])
        told = {name: claimed[name] for name in ("id", "twins", "http", "mqtt", "certificate_ends")}
        told["url"] = f"{parts.scheme}://{parts.netloc}"
        self._write(DEVICE, msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        self.keep_secret(claimed["secret"])

    def renew(self, issued: dict[str, Any]) -> None:
        """The fresh key and its certificate take the place of the earlier ones."""
        (self._folder / FRESH).replace(self._folder / KEY)
        self._write(CERTIFICATE, issued["certificate"])
        self._write(AUTHORITY, issued["authority"])

    def keep_secret(self, secret: str) -> None:
        self._write(SECRET, secret + "\n")

    def secret(self) -> str:
        return self._read(SECRET).strip()

    def known(self) -> dict[str, Any]:
        """Who it is and where it reports. Raises NotFound."""
        return msgspec.json.decode(self._read(DEVICE), type=dict[str, Any])

    def _make_key(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self._write(name, key.private_bytes(serialization.Encoding.PEM, form, none).decode())

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self._read(name).encode(), None)
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"{self._folder / name} is no key in PEM form: {error!s:.100}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidInput(f"{self._folder / name} is no elliptic-curve key")
        return key

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text()
        except OSError:
            raise NotFound(
                f"there is no {name} in {self._folder}; claim the device first: gemel device claim"
            ) from None

    def _write(self, name: str, text: str) -> None:
        write_private(self._folder / name, text.encode())

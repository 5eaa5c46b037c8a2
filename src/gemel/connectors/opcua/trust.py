"""Which servers are who they say: their certificate, or that of the authority that issued it, is on a trust list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

__all__ = ["check_trusted", "thumbprint"]


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, as people compare it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":")


def check_trusted(der: bytes | None, trust: Sequence[Path]) -> None:
    """Raises ConnectionRefusedError unless the certificate is valid now and trusted by `trust` (files or folders)."""
    if not der:
        raise ConnectionRefusedError("the server shows no certificate for this security policy")
    # a server may hand over its certificate with the chain behind it; the length of the first is in its header
    certificate = x509.load_der_x509_certificate(der[: int.from_bytes(der[2:4], "big") + 4])
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise ConnectionRefusedError(
            f"the server's certificate was valid from {certificate.not_valid_before_utc} "
            f"to {certificate.not_valid_after_utc}; it needs a new one"
        )
    if not any(certificate == known or _issued(certificate, known) for known in _known(trust)):
        raise ConnectionRefusedError(
            f"the server's certificate ({certificate.subject.rfc4514_string()}, SHA-256 {thumbprint(certificate)}) "
            "is not trusted; compare the thumbprint with the server's own, and add its file to security.trust"
        )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return constraints.ca


def _known(trust: Sequence[Path]) -> Iterator[x509.Certificate]:
    for place in trust:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        for file in files:
            if file.suffix.lower() in (".pem", ".der", ".crt", ".cer"):
                content = file.read_bytes()
                if b"-----BEGIN CERTIFICATE" in content:
                    yield from x509.load_pem_x509_certificates(content)
                else:
                    yield x509.load_der_x509_certificate(content)

"""The plant's own certificate authority: a key in the folder, certificates for devices and for our endpoints."""

from __future__ import annotations

import ipaddress
import os
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gemel.clock import SECOND, Clock
from gemel.errors import Conflict, Corrupt, InvalidInput, Unauthenticated

__all__ = ["Authority", "Request", "check_certificate", "check_proof", "end_of", "pem_of", "write_private"]

FOLDER = "authority"
DAY = 86_400 * SECOND
OWN_LIFE_DAYS = 20 * 365
EARLIER = 3_600 * SECOND
"""Certificates begin an hour ago: the clocks of devices differ."""
LARGEST_PEM = 32_768
SMALLEST_RSA, LARGEST_RSA = 2048, 8192
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_Signer = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Request:
    """A certificate signing request that was checked: whoever sent it holds the key. Its subject and its extensions
    are not looked at: we say who it is."""

    def __init__(self, pem: str) -> None:
        """Raises InvalidInput for what is none, for a wrong signature, and for a weak key."""
        if len(pem) > LARGEST_PEM:
            raise InvalidInput(f"a signing request has at most {LARGEST_PEM} characters")
        try:
            self._csr = x509.load_pem_x509_csr(pem.encode("utf-8", "replace"))
            signed = self._csr.is_signature_valid
            self.key = _strong(self._csr.public_key())
        except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
            raise InvalidInput(
                f"this is not a signing request in PEM form ({error!s:.100}); make one with: gemel device request"
            ) from None
        if not signed:
            raise InvalidInput("the signing request is not signed by its own key; make a new one")

    @property
    def der(self) -> bytes:
        return self._csr.public_bytes(serialization.Encoding.DER)


def _strong(key: object) -> _PublicKey:
    if isinstance(key, rsa.RSAPublicKey):
        if not SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
            raise InvalidInput(
                f"an RSA key of {key.key_size} bits is not taken; use {SMALLEST_RSA} to {LARGEST_RSA}, or better P-256"
            )
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            raise InvalidInput(f"a key on the curve {key.curve.name} is not taken; use P-256, P-384 or P-521")
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise InvalidInput("this kind of key is not taken; use P-256, Ed25519, or RSA of 2048 bits and more")


def check_certificate(pem: str, now: int) -> x509.Certificate:
    """A certificate from outside that may be pinned. Raises InvalidInput: it is none, weak, or not in date."""
    if len(pem) > LARGEST_PEM:
        raise InvalidInput(f"a certificate has at most {LARGEST_PEM} characters")
    try:
        found = x509.load_pem_x509_certificate(pem.encode("utf-8", "replace"))
        _strong(found.public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"this is not a certificate in PEM form ({error!s:.100})") from None
    if end_of(found) <= now:
        raise InvalidInput(f"this certificate ended on {found.not_valid_after_utc:%Y-%m-%d}; pin a newer one")
    return found


def end_of(certificate: x509.Certificate) -> int:
    """Microseconds since the epoch."""
    return int(certificate.not_valid_after_utc.timestamp()) * SECOND


def check_proof(certificate: x509.Certificate, message: bytes, signature: bytes) -> None:
    """`message` was signed with the certificate's key: PKCS #1 v1.5 or ECDSA with SHA-256, or Ed25519.

    Raises Unauthenticated.
    """
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            raise InvalidSignature
    except InvalidSignature:
        raise Unauthenticated("the proof is not the request signed with the key of this certificate") from None


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """Signs with the key below the folder of secrets, which nothing gives out; makes it when it is first needed.

    Who has an authority puts key.pem and certificate.pem (of an intermediate one, with the right to sign) there before.
    """

    def __init__(self, secrets: Path | None, clock: Clock) -> None:
        self._folder = None if secrets is None else secrets / FOLDER
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: tuple[_Signer, x509.Certificate] | None = None

    @property
    def certificate(self) -> str:
        """Its own certificate as PEM: what a device trusts."""
        return pem_of(self._open()[1])

    def issue(self, device: str, request: Request, *, days: int) -> x509.Certificate:
        """A certificate for a device, to show to a server: common name and `urn:gemel:device:<id>`, both ours."""
        return self._sign(
            request.key,
            device,
            [x509.UniformResourceIdentifier(f"urn:gemel:device:{device}")],
            days=days,
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        )

    def server(self, names: Sequence[str], *, days: int = 397) -> tuple[str, str]:
        """A certificate and its key, as PEM, for an endpoint of ours that devices know by these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(
            key.public_key(),
            names[0][:64],
            [_name(name) for name in names],
            days=days,
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
        )
        return pem_of(made) + self.certificate, _key_pem(key).decode()

    def revocations(self, revoked: Iterable[tuple[int, int]]) -> str:
        """A list of (serial, revoked at) as PEM, for servers that are not ours; good for a week."""
        signer, own = self._open()
        now = self._clock.now()
        builder = x509.CertificateRevocationListBuilder().issuer_name(own.subject)
        builder = builder.last_update(_date(now)).next_update(_date(now + 7 * DAY))
        for serial, time in revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_date(time)).build()
            builder = builder.add_revoked_certificate(one)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def _sign(
        self,
        key: _PublicKey,
        name: str,
        alternatives: Sequence[x509.GeneralName],
        *,
        days: int,
        usage: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        signer, own = self._open()
        now = self._clock.now()
        ends = min(now + days * DAY, end_of(own))
        if ends <= now:
            raise Conflict(
                f"the authority's own certificate ended on {own.not_valid_after_utc:%Y-%m-%d}; put a new one in "
                f"{self._folder}"
            )
        return (
            _named(key, name, own.subject)
            .not_valid_before(max(_date(now - EARLIER), own.not_valid_before_utc))
            .not_valid_after(_date(ends))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )

    def _open(self) -> tuple[_Signer, x509.Certificate]:
        with self._lock:
            if self._opened is None:
                if self._folder is None:
                    raise Conflict("this platform has no folder of secrets, so it has no authority for certificates")
                names = [self._folder / name for name in ("key.pem", "certificate.pem")]
                if not any(path.exists() for path in names):
                    self._make(*names)
                self._opened = _load(*names)
            return self._opened

    def _make(self, key_file: Path, certificate_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._clock.now()
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"Gemel devices {x509.random_serial_number():040x}"[:30])]
        )
        made = (
            _named(key.public_key(), "", name, subject=name)
            .not_valid_before(_date(now - EARLIER))
            .not_valid_after(_date(now + OWN_LIFE_DAYS * DAY))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .sign(key, hashes.SHA256())
        )
        for folder in (key_file.parent.parent, key_file.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        write_private(certificate_file, pem_of(made).encode())
        write_private(key_file, _key_pem(key))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that this user alone may read, wholly and durably, or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _load(key_file: Path, certificate_file: Path) -> tuple[_Signer, x509.Certificate]:
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        own = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Corrupt(
            f"the authority in {key_file.parent} cannot be read ({type(error).__name__}); bring key.pem and "
            "certificate.pem back from a backup, or move both away to begin a new one (devices then claim again)"
        ) from None
    if not isinstance(key, _Signer) or key.public_key() != own.public_key():
        raise Corrupt(f"in {key_file.parent}, certificate.pem is not of key.pem; put a pair of RSA or P-256 there")
    return key, own


def _named(
    key: _PublicKey, name: str, issuer: x509.Name, *, subject: x509.Name | None = None
) -> x509.CertificateBuilder:
    own = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    """`sign`: of who shows the certificate; else of an authority."""
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _date(time: int) -> datetime:
    return datetime.fromtimestamp(time // SECOND, UTC)

"""Certificates of devices: issued on a signing request, pinned from outside, renewed, warned of before they end."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sqlalchemy import Connection, update

from gemel.access.authority import Authority, Request, check_certificate, check_proof, end_of, pem_of
from gemel.access.credentials import Device
from gemel.access.device_rows import add_credential, changed
from gemel.access.store import Store
from gemel.access.tables import device_credential
from gemel.clock import SECOND
from gemel.errors import Conflict, InvalidInput, Unauthenticated
from gemel.twin import Change

__all__ = ["Certificates", "Issued"]

LIFE_DAYS = 365
LONGEST_DAYS = 5 * 365
WARN_DAYS = 30
DAY = 86_400 * SECOND


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A new certificate, and what its holder trusts."""

    certificate: str
    """PEM."""
    authority: str
    """PEM: the certificate of the plant's own authority."""
    ends: int


class Certificates:
    """Issues and pins. `get` gives a device, `reload` reads its rows again."""

    def __init__(
        self,
        store: Store,
        authority: Authority,
        *,
        get: Callable[[str], Device],
        reload: Callable[[Sequence[str]], None],
    ) -> None:
        self._store = store
        self.authority = authority
        self._get = get
        self._reload = reload

    def issue(self, id: str, csr: str, *, days: int = LIFE_DAYS, actor: str = "") -> Issued:
        """Sign the key of a request for the device. The earlier certificate is good until the new one is first used,
        at most seven days. Raises NotFound, Conflict (revoked), InvalidInput (the request, its key)."""
        known, request = self._unrevoked(id), Request(csr)
        if not 1 <= days <= LONGEST_DAYS:
            raise InvalidInput(f"a certificate is good for 1 to {LONGEST_DAYS} days, not {days}")
        made = self.authority.issue(known.id, request, days=days)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            return None, [self.keep(tx, known.id, made, "certificate", now=self._store.clock.now())]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        return self.issued(made)

    def issued(self, certificate: x509.Certificate) -> Issued:
        """What its holder gets."""
        return Issued(certificate=pem_of(certificate), authority=self.authority.certificate, ends=end_of(certificate))

    def pin(self, id: str, pem: str, *, actor: str = "") -> Device:
        """Take a certificate that another authority issued, by its fingerprint. Raises as `issue`."""
        known, found = self._unrevoked(id), check_certificate(pem, self._store.clock.now())

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            return None, [self.keep(tx, known.id, found, "pinned", now=self._store.clock.now())]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        return self._get(known.id)

    @staticmethod
    def keep(tx: Connection, id: str, certificate: x509.Certificate, kind: str, *, now: int) -> Change:
        """Write that the device shows this certificate."""
        hashed = hashlib.sha256(der_of(certificate)).digest()
        serial, ends = f"{certificate.serial_number:x}", end_of(certificate)
        add_credential(tx, id, hashed, kind, now=now, serial=serial, ends=ends)
        body: dict[str, Any] = {"kind": kind, "fingerprint": hashed.hex(), "serial": serial, "ends": ends}
        return changed(
            tx, id, now, "device.certificate_issued" if kind == "certificate" else "device.certificate_pinned", **body
        )

    def proven(self, certificate: str, csr: str, proof: str) -> bytes:
        """The certificate as DER, once `proof` (base64) shows that its holder made the request.

        Raises Unauthenticated, InvalidInput.
        """
        shown = check_certificate(certificate, self._store.clock.now())
        try:
            signature = base64.b64decode(proof, validate=True)
        except (binascii.Error, ValueError):
            raise Unauthenticated("the proof is not base64") from None
        check_proof(shown, Request(csr).der, signature)
        return der_of(shown)

    def revocations(self, devices: Sequence[Device]) -> str:
        """The revoked certificates of ours that are still in date, as PEM."""
        now = self._store.clock.now()
        listed = [
            (int(one.serial, 16), one.revoked)
            for known in devices
            for one in known.credentials
            if one.kind == "certificate" and one.revoked is not None and (one.ends or 0) > now
        ]
        return self.authority.revocations(listed)

    def warn(self, devices: Sequence[Device]) -> None:
        """Journal `device.certificate_expiring` for each device whose last good certificate ends within 30 days."""
        now = self._store.clock.now()
        near = []
        for known in devices:
            last = max(
                (one for one in known.credentials if one.is_certificate and one.good(now)),
                key=lambda one: one.ends or 0,
                default=None,
            )
            if last is not None and last.warned is None and (last.ends or 0) < now + WARN_DAYS * DAY:
                near.append(last)
        if not near:
            return

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            for one in near:
                hashed = device_credential.c.hash == bytes.fromhex(one.id)
                tx.execute(update(device_credential).where(hashed).values(warned=now))
            return None, [
                Change(
                    kind="device.certificate_expiring",
                    subject=one.device,
                    time=now,
                    body={
                        "severity": "warning",
                        "fingerprint": one.id,
                        "ends": one.ends,
                        "days": max(0, ((one.ends or 0) - now) // DAY),
                    },
                )
                for one in near
            ]

        self._store.write(work)
        self._reload(sorted({one.device for one in near}))

    def _unrevoked(self, id: str) -> Device:
        known = self._get(id)
        if known.revoked is not None:
            raise Conflict(f"device {known.id} is revoked; make a claim code to let it in again")
        return known


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)

"""Devices: who may report for which twins. Their secrets and claim codes are shown once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.client.values import decode
from gemel.twin import Page

__all__ = ["Devices"]

Row = dict[str, Any]


class Devices:
    """`client.devices`. Answers are plain data, as docs/reference/http.md shows them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def all(self, *, q: str = "", state: str = "", limit: int = 100, cursor: str = "") -> Page[Row]:
        """By id; `q`: part of an id or of a twin's; `state`: waiting, active, lapsed or revoked."""
        return self._at.get(Page[Row], path_of("devices"), q=q, state=state, limit=limit, cursor=cursor)

    def get(self, device: str) -> Row:
        """With its credentials, never the secrets. Raises NotFound."""
        return self._at.get(Row, path_of("devices", device))

    def add(self, device: str, twins: Iterable[str] = (), *, claim_hours: float = 24) -> Row:
        """Let a device in; the answer's `code` is shown this once. Raises Conflict, UnknownTwin."""
        body = {"id": device, "twins": list(twins), "claim_hours": claim_hours}
        return self._at.send(Row, "POST", path_of("devices"), body)

    def change(self, device: str, twins: Iterable[str]) -> Row:
        """Say anew which twins it speaks for."""
        return self._at.send(Row, "PATCH", path_of("devices", device), {"twins": list(twins)})

    def remove(self, device: str) -> None:
        """Forget it; all it could show ends at once."""
        self._at.request("DELETE", path_of("devices", device))

    def claim_code(self, device: str, *, claim_hours: float = 24) -> Row:
        """A new code, shown this once; the earlier one is void."""
        return self._at.send(Row, "POST", path_of("devices", device, "claim-code"), {"claim_hours": claim_hours})

    def rotate(self, device: str) -> Row:
        """A new secret, shown this once; the earlier one is good until this one is first used."""
        return self._at.send(Row, "POST", path_of("devices", device, "rotate"))

    def revoke(self, device: str, *, credential: str = "") -> Row:
        """Keep it out at once, or end one credential."""
        return self._at.send(Row, "POST", path_of("devices", device, "revoke"), {"credential": credential})

    def issue(self, device: str, csr: str, *, days: int = 365) -> Row:
        """A certificate (PEM) on a signing request (PEM)."""
        return self._at.send(Row, "POST", path_of("devices", device, "certificates"), {"csr": csr, "days": days})

    def pin(self, device: str, certificate: str) -> Row:
        """Take a certificate (PEM) that another authority issued."""
        body = {"certificate": certificate}
        return self._at.send(Row, "POST", path_of("devices", device, "certificates"), body)

    def enrol(self, table: bytes, *, dry_run: bool = False, leave_out: bool = False, claim_hours: float = 24) -> Row:
        """Many from a table (CSV), all together; raises InvalidDocument with each faulty row, unless `leave_out`."""
        params = {"dry_run": dry_run, "leave_out": leave_out, "claim_hours": claim_hours}
        headers = {"Content-Type": "text/csv"}
        answer = self._at.request("POST", path_of("devices", "enrol"), content=table, params=params, headers=headers)
        return decode(answer.content, Row)

    def authority(self) -> str:
        """The certificate (PEM) of the plant's own authority."""
        return self._at.request("GET", path_of("authority")).text

    def revocations(self) -> str:
        """Revoked certificates as a CRL (PEM)."""
        return self._at.request("GET", path_of("authority", "revocations")).text

    # what a device asks for itself

    def claim(self, code: str, *, csr: str = "") -> Row:
        """Trade a claim code, once, for a secret; with a signing request (PEM) for a certificate, too."""
        return self._at.send(Row, "POST", path_of("devices", "claim"), {"code": code, "csr": csr})

    def renew(self, *, csr: str = "") -> Row:
        """As the device that this client signed in as: a new certificate with a request (PEM), else a new secret."""
        return self._at.send(Row, "POST", path_of("devices", "renew"), {"csr": csr})

"""What is said about devices over HTTP: bodies and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = [
    "CertificateView",
    "Claim",
    "CredentialView",
    "Credentials",
    "DeviceChange",
    "DeviceView",
    "Endpoint",
    "Enrolled",
    "Invited",
    "NewCode",
    "NewDevice",
    "Renewal",
    "Renewed",
    "Revocation",
    "RowView",
    "Secret",
    "Signing",
]

Hours = Annotated[float, msgspec.Meta(gt=0, le=2160)]


class NewDevice(msgspec.Struct, forbid_unknown_fields=True):
    """A device, and the twins it speaks for."""

    id: str
    twins: list[str] = []
    claim_hours: Hours = 24
    """For how long its claim code is good."""


class DeviceChange(msgspec.Struct, forbid_unknown_fields=True):
    """Whom it speaks for from now on."""

    twins: list[str]


class NewCode(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the code is good."""

    claim_hours: Hours = 24


class Revocation(msgspec.Struct, forbid_unknown_fields=True):
    """What to revoke; without a credential, all that the device could show."""

    credential: str = ""


class Signing(msgspec.Struct, forbid_unknown_fields=True):
    """A signing request (PEM) for a certificate of ours, or a certificate (PEM) from outside to pin."""

    csr: str = ""
    certificate: str = ""
    days: int = 365


class Claim(msgspec.Struct, forbid_unknown_fields=True):
    """A one-time code; with a signing request (PEM) the answer has a certificate, too."""

    code: str
    csr: str = ""


class Renewal(msgspec.Struct, forbid_unknown_fields=True):
    """With a signing request (PEM) a new certificate, without one a new secret.

    A device that has no secret shows its present certificate (PEM), and as `proof` the base64 of its signature over the
    request in DER form, made with that certificate's key (SHA-256).
    """

    csr: str = ""
    certificate: str = ""
    proof: str = ""


class CredentialView(msgspec.Struct):
    """Something that a device can show. `id` is the SHA-256 of the secret or the certificate."""

    id: str
    kind: str
    """secret, certificate or pinned."""
    serial: str
    created: str
    ends: str | None
    used: str | None
    """When it was first used."""
    revoked: str | None
    good: bool


class DeviceView(msgspec.Struct):
    """A device, without its secrets."""

    id: str
    twins: list[str]
    state: str
    """waiting (to be claimed), active, lapsed (neither a code nor a credential is good), revoked."""
    created: str
    changed: str
    revision: int
    last_seen: str | None
    claim_ends: str | None
    certificate_ends: str | None
    certificate_days: int | None
    """Whole days until its last certificate ends."""
    refused: int
    """What is held in quarantine of what it sent."""
    source: str
    """Its name as a source, in quarantine and journal."""
    credentials: list[CredentialView] | None = None
    """Only of one device."""


class Invited(DeviceView):
    """A device and its claim code, which is shown this once."""

    code: str = ""
    code_ends: str = ""


class Secret(msgspec.Struct):
    """A new secret, shown this once; the earlier one is good until this one is first used, at most seven days."""

    id: str
    secret: str


class CertificateView(msgspec.Struct):
    """A new certificate (PEM), and the authority that signed it."""

    certificate: str
    authority: str
    ends: str


class Renewed(msgspec.Struct, omit_defaults=True):
    """What a device got anew: a certificate (PEM) with its authority, or a secret; shown this once."""

    id: str
    secret: str = ""
    certificate: str = ""
    authority: str = ""
    ends: str = ""


class Endpoint(msgspec.Struct):
    """Where a device can connect by MQTT."""

    url: str
    topics: list[str]
    """What it publishes: one value, several values of one twin, an event."""


class Credentials(msgspec.Struct):
    """All that a device needs. `secret`: the password of MQTT, or `Authorization: Bearer <secret>`; shown this once."""

    id: str
    twins: list[str]
    secret: str
    certificate: str
    """PEM; empty without a signing request."""
    certificate_ends: str | None
    authority: str
    """PEM: who signs certificates of this plant; empty without a signing request."""
    http: str
    """POST readings here."""
    mqtt: list[Endpoint]


class RowView(msgspec.Struct):
    """A line of the table. `code` is shown this once."""

    line: int
    id: str
    twins: list[str]
    outcome: str
    creates: str
    problem: str
    code: str


class Enrolled(msgspec.Struct):
    """What becomes, or became, of each line."""

    dry_run: bool
    new: int
    same: int
    refused: int
    claim_ends: str | None
    rows: list[RowView]

"""What a device is and what it shows to prove it: values, and the two texts that people and devices carry."""

from __future__ import annotations

import re
import secrets

import msgspec

from gemel.access.store import hash_secret
from gemel.errors import InvalidId, Unauthenticated
from gemel.twin import check_id

__all__ = ["SECRET_PREFIX", "Credential", "Device", "check_device", "claim_hash", "new_claim"]

SECRET_PREFIX = "gemel_device"
LONGEST_ID = 64
"""What a certificate's common name may have (RFC 5280, ub-common-name)."""
RESERVED = frozenset({"claim", "renew", "enrol"})
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_READ_AS = str.maketrans("OIL", "011")
_CODE = re.compile(f"[{_ALPHABET}]{{12}}")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a device shows: a secret, a certificate of ours, or a pinned one from outside."""

    id: str
    """Hexadecimal SHA-256 of the secret, or of the certificate in DER form (its fingerprint)."""
    device: str
    kind: str
    """secret, certificate or pinned."""
    serial: str = ""
    """Of a certificate, hexadecimal."""
    created: int
    ends: int | None = None
    used: int | None = None
    """When it was first used; None: not yet."""
    warned: int | None = None
    """When it was told that its end is near."""
    revoked: int | None = None

    def good(self, now: int) -> bool:
        """Whether it opens anything now."""
        return self.revoked is None and (self.ends is None or now < self.ends)

    @property
    def is_certificate(self) -> bool:
        return self.kind != "secret"


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may speak for twins, as an engineer sees it: never a secret."""

    id: str
    twins: tuple[str, ...]
    """Ids of the twins it speaks for; for their parts too."""
    created: int
    changed: int
    revision: int
    revoked: int | None = None
    seen: int | None = None
    """When it last reported anything."""
    claim_ends: int | None = None
    """Until when its claim code is good; None: there is none, or it was used."""
    credentials: tuple[Credential, ...] = ()
    """The newest first."""

    @property
    def principal(self) -> str:
        """Its id as a principal, and as a source in the intake: no user's or token's can be the same."""
        return f"device:{self.id}"

    def state(self, now: int) -> str:
        """waiting (to be claimed), active, revoked, or lapsed: neither a code nor a credential of it is good."""
        if self.revoked is not None:
            return "revoked"
        if any(one.good(now) for one in self.credentials):
            return "active"
        return "waiting" if self.claim_ends is not None and now < self.claim_ends else "lapsed"

    def certificate_ends(self, now: int) -> int | None:
        """When the last of its good certificates ends."""
        ends = [one.ends for one in self.credentials if one.is_certificate and one.good(now) and one.ends is not None]
        return max(ends, default=None)


def check_device(id: object) -> str:
    """`id` if a device can be called so. Raises InvalidId."""
    checked = check_id(id, "the id of a device")
    if checked in RESERVED:
        raise InvalidId(f"a device cannot be called {checked!r}, as an address has this name; choose another id")
    if len(checked) > LONGEST_ID:
        raise InvalidId(f"device {checked!r:.80} is too long a name; use at most {LONGEST_ID} characters")
    return checked


def new_claim() -> str:
    """A code that people can read out and type: 60 random bits as K7QX-3MHD-9TRA."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return "-".join((text[:4], text[4:8], text[8:]))


def claim_hash(code: str) -> bytes:
    """The hash of a code however it was typed: case, dashes and spaces do not matter, O is 0, I and L are 1.

    Raises Unauthenticated for what cannot be a code.
    """
    plain = re.sub(r"[\s-]", "", code[:64].upper()).translate(_READ_AS)
    if not _CODE.fullmatch(plain):
        raise Unauthenticated("this is not a claim code; it has twelve letters and digits, like K7QX-3MHD-9TRA")
    return hash_secret(plain)

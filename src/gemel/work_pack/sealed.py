"""A dossier as a file that can be checked by whoever got it: with its SHA-256, signed by the plant."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from gemel.errors import Corrupt, InvalidInput
from gemel.witness import Note, PublicKey

__all__ = ["Sealed", "check_sealed", "seal_dossier"]

_FORM = "gemel.dossier.1"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    form: str
    dossier: dict[str, Any]
    """As JSON: moments RFC 3339, no end as null."""
    sha256: str
    """Of the dossier as JSON with its names in order, without spaces."""
    signature: str
    """A signed note (C2SP) over form, item and SHA-256."""
    key: str
    """Of the plant, name+id+base64, as it says itself: compare it with the one that you were given."""


def seal_dossier(dossier: dict[str, Any], sign: Callable[[str], Note], key: PublicKey) -> Sealed:
    """`sign`: with the plant's key."""
    digest = _digest(dossier)
    note = str(sign(_text(dossier, digest)))
    return Sealed(form=_FORM, dossier=dossier, sha256=digest, signature=note, key=str(key))


def check_sealed(written: bytes, key: str = "") -> Sealed:
    """The file, if it says what was signed, by the key that is asked for or, left out, by the one that it names.

    Raises InvalidInput (it is no dossier), Corrupt (it is not what was signed).
    """
    try:
        one = msgspec.json.decode(written, type=Sealed)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"this is no dossier: {error!s:.200}") from error
    if one.form != _FORM:
        raise InvalidInput(f"this is a dossier of the form {one.form!r:.40}; this version knows {_FORM}")
    if key and key.strip() != one.key:
        raise Corrupt(f"it says that it is signed by {one.key:.200}, not by the key that you gave")
    if _digest(one.dossier) != one.sha256:
        raise Corrupt(f"its content is not that of its SHA-256 {one.sha256:.64}: it was changed")
    note = Note.parse(one.signature)
    if note.text != _text(one.dossier, one.sha256) or not note.signed_by(PublicKey.parse(one.key)):
        raise Corrupt(f"its signature is not one of {one.key:.200} over this dossier")
    return one


def _digest(dossier: dict[str, Any]) -> str:
    return sha256(msgspec.json.encode(dossier, order="sorted")).hexdigest()


def _text(dossier: dict[str, Any], digest: str) -> str:
    item = dossier.get("item", {})
    return f"{_FORM}\n{msgspec.json.encode(item.get('id', '')).decode()}\n{digest}\n"

"""The key that a plant signs its heads with, and the keys before it: each signed the one that followed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gemel.access.authority import FOLDER, write_private
from gemel.clock import Clock
from gemel.disk import make_folder
from gemel.errors import Corrupt, InvalidInput
from gemel.witness.note import Note, PublicKey, check_name, countersign, public_key, rotated, rotation, sign

__all__ = ["Keys", "followed"]

KEY, KNOWN = "witness.pem", "witness.json"


class _Known(msgspec.Struct, frozen=True):
    """What goes with the key, and is no secret."""

    name: str
    first: str
    """The first key there was."""
    rotations: list[str]


class Keys:
    """The key lies where nothing but this room reaches: below the folder of secrets, with the authority's.

    It is made when it is first needed. Any thread.
    """

    def __init__(self, secrets: Path, clock: Clock, *, name: str = "") -> None:
        self._folder, self._clock, self._wanted = secrets / FOLDER, clock, name
        self._lock = threading.Lock()
        self._opened: tuple[Ed25519PrivateKey, _Known] | None = None

    @property
    def name(self) -> str:
        return self._open()[1].name

    @property
    def public(self) -> PublicKey:
        """The key of now."""
        key, known = self._open()
        return public_key(known.name, key)

    @property
    def first(self) -> PublicKey:
        return PublicKey.parse(self._open()[1].first)

    @property
    def rotations(self) -> list[str]:
        """Each key's word for the next one, from the first on."""
        return list(self._open()[1].rotations)

    def all(self) -> list[PublicKey]:
        """Every key there ever was, the newest first."""
        return followed(self.first, self.rotations)[::-1]

    def sign(self, text: str) -> Note:
        key, known = self._open()
        return sign(text, known.name, key)

    def countersign(self, note: Note) -> Note:
        key, known = self._open()
        return countersign(note, known.name, key, self._clock.now())

    def rotate(self) -> PublicKey:
        """A new key, named by the old one, which is then gone."""
        with self._lock:
            key, known = self._load() if self._exists() else self._make()
            new = Ed25519PrivateKey.generate()
            said = rotation(known.name, key, public_key(known.name, new), self._clock.now())
            # First what names the new key, with the key itself beside it: whatever dies in between, `_load` mends.
            write_private(self._folder / f"{KEY}.next", _pem(new))
            self._write(msgspec.structs.replace(known, rotations=[*known.rotations, str(said)]))
            write_private(self._folder / KEY, _pem(new))
            (self._folder / f"{KEY}.next").unlink()
            self._opened = None
        return self.public

    def _open(self) -> tuple[Ed25519PrivateKey, _Known]:
        with self._lock:
            if self._opened is None:
                self._opened = self._load() if self._exists() else self._make()
            return self._opened

    def _exists(self) -> bool:
        return (self._folder / KEY).exists()

    def _make(self) -> tuple[Ed25519PrivateKey, _Known]:
        key = Ed25519PrivateKey.generate()
        name = check_name(self._wanted or f"plant-{key.public_key().public_bytes_raw()[:6].hex()}")
        for folder in (self._folder.parent, self._folder):
            make_folder(folder)
            folder.chmod(0o700)
        known = _Known(name, str(public_key(name, key)), [])
        self._write(known)
        write_private(self._folder / KEY, _pem(key))
        return key, known

    def _write(self, known: _Known) -> None:
        write_private(self._folder / KNOWN, msgspec.json.encode(known))

    def _load(self) -> tuple[Ed25519PrivateKey, _Known]:
        try:
            known = msgspec.json.decode((self._folder / KNOWN).read_bytes(), type=_Known)
            keys = [
                serialization.load_pem_private_key(path.read_bytes(), None)
                for path in (self._folder / KEY, self._folder / f"{KEY}.next")
                if path.exists()
            ]
        except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
            raise Corrupt(
                f"the key in {self._folder / KEY} cannot be read ({type(error).__name__}); bring it and {KNOWN} back "
                "from a backup, or move both away to begin with a new key, which other parties must then pin anew"
            ) from None
        if self._wanted and self._wanted != known.name:
            raise InvalidInput(
                f"`witness.name` is {self._wanted}, but this plant signs as {known.name}; set it back, or move "
                f"{self._folder / KEY} and {KNOWN} away to begin anew with a key that other parties must pin"
            )
        current = followed(PublicKey.parse(known.first), known.rotations)[-1]
        for key in keys:
            if isinstance(key, Ed25519PrivateKey) and public_key(known.name, key) == current:
                return key, known
        raise Corrupt(f"the key in {self._folder / KEY} is not the one that {KNOWN} tells of; bring both back")


def followed(first: PublicKey, rotations: Sequence[str]) -> list[PublicKey]:
    """The keys from `first` on, as far as each names the next; what does not follow is not looked at."""
    found = [first]
    for written in rotations:
        try:
            named = rotated(Note.parse(written), found[-1])
        except InvalidInput:
            break
        if named is None:
            continue  # from before the key that we know
        found.append(named)
    return found


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

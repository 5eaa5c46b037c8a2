"""Signed texts: heads of logs, countersignatures, new keys. The forms are those of C2SP (signed-note, tlog-checkpoint,
tlog-cosignature), which other programs read, too.

A note is a text, an empty line, and signatures: `— name base64(key id (4 bytes) and signature)`. A countersignature
also holds its time, and is over that time and the text.
"""

from __future__ import annotations

import re
import struct
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gemel.clock import SECOND, parse_time, to_rfc3339
from gemel.errors import GemelError, InvalidInput

__all__ = ["Head", "Note", "PublicKey", "check_name", "countersign", "public_key", "rotated", "rotation", "sign"]

PLAIN, COUNTER = 1, 4
"""Kinds of signatures: Ed25519 over the text; Ed25519 over time and text."""
LARGEST = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_ROTATION = "gemel.key.1"


def check_name(name: str) -> str:
    """Raises InvalidInput for what may not be the name of a key."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r:.120} is no name for a key; write letters, digits, . _ / - like acme.example/shop")
    return name


class PublicKey(msgspec.Struct, frozen=True):
    """A name and an Ed25519 key; as text `name+12ab34cd+base64`, which is what parties give to each other."""

    name: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Raises InvalidInput."""
        wrong = InvalidInput(f"{text!r:.200} is no public key; ask the other party for what `gemel witness key` prints")
        name, _, rest = text.strip().partition("+")
        told, _, encoded = rest.partition("+")
        try:
            data = b64decode(encoded, validate=True)
        except (NotBase64, ValueError):
            raise wrong from None
        if not _NAME.fullmatch(name) or len(data) != 33 or data[0] != PLAIN:
            raise wrong
        found = cls(name, data[1:])
        if found.id(PLAIN).hex() != told:
            raise wrong
        return found

    def __str__(self) -> str:
        return f"{self.name}+{self.id(PLAIN).hex()}+{b64encode(bytes([PLAIN]) + self.raw).decode()}"

    def id(self, kind: int) -> bytes:
        """4 bytes."""
        return sha256(self.name.encode() + b"\n" + bytes([kind]) + self.raw).digest()[:4]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def public_key(name: str, key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(name, key.public_key().public_bytes_raw())


class Note(msgspec.Struct, frozen=True):
    """A text and who signed it."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]
    """(name, key id and signature)"""

    @classmethod
    def parse(cls, written: str) -> Note:
        """Raises InvalidInput."""
        text, empty, lines = written.rpartition("\n\n")
        if not empty or len(written) > LARGEST or not lines.endswith("\n"):
            raise InvalidInput("this is no signed note")
        found = []
        for line in lines.splitlines():
            match = re.fullmatch(r"— (\S{1,100}) ([A-Za-z0-9+/=]{1,200})", line)
            try:
                found.append((match[1], b64decode(match[2], validate=True)) if match else None)
            except (NotBase64, ValueError):
                found.append(None)
        if None in found:
            raise InvalidInput("this is no signed note: a line of its signatures cannot be read")
        return cls(text + "\n", tuple(one for one in found if one is not None))

    def __str__(self) -> str:
        lines = "".join(f"— {name} {b64encode(data).decode()}\n" for name, data in self.signatures)
        return f"{self.text}\n{lines}"

    def signed_by(self, key: PublicKey) -> bool:
        """Whether one of the signatures is of this key, and right."""
        return any(
            name == key.name and data[:4] == key.id(PLAIN) and key.verifies(data[4:], self.text.encode())
            for name, data in self.signatures
        )

    def countersigned_by(self, key: PublicKey) -> tuple[int, bytes] | None:
        """(when in microseconds, the signature); None if this key did not."""
        for name, data in self.signatures:
            if name == key.name and len(data) == 76 and data[:4] == key.id(COUNTER):
                time = struct.unpack(">Q", data[4:12])[0]
                if key.verifies(data[12:], _counter_message(self.text, time)):
                    return time * SECOND, data[12:]
        return None

    def only(self, *names: str) -> Note:
        return Note(self.text, tuple(one for one in self.signatures if one[0] in names))


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Note:
    return Note(text, ((name, public_key(name, key).id(PLAIN) + key.sign(text.encode())),))


def countersign(note: Note, name: str, key: Ed25519PrivateKey, now: int) -> Note:
    """The note with our word that we saw it `now`, and that it extends what we saw before."""
    time = now // SECOND
    signature = key.sign(_counter_message(note.text, time))
    data = public_key(name, key).id(COUNTER) + struct.pack(">Q", time) + signature
    return Note(note.text, (*note.signatures, (name, data)))


def _counter_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """How far a log is: its root stands for all of it."""

    owner: str
    """Whose log it is."""
    log: str
    """journal or audit."""
    size: int
    """Blocks of the journal, entries of the audit log."""
    root: bytes
    epoch: str = ""
    """Another one after a restore; empty: the first life of the plant."""
    position: int
    """Of the journal the position at its end, of the audit log its last entry's number."""
    hash: bytes
    """Of the last block or entry, which chains all before it."""
    time: int
    """When it was signed, by the owner's clock."""

    def text(self) -> str:
        lines = (f"{self.owner}/{self.log}", str(self.size), b64encode(self.root).decode(),
                 f"epoch {self.epoch or '-'}", f"position {self.position}", f"hash {self.hash.hex()}",
                 f"time {to_rfc3339(self.time)}")  # fmt: skip
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Head:
        """Raises InvalidInput."""
        try:
            origin, size, root, *more = text.removesuffix("\n").split("\n")
            told = dict(line.split(" ", 1) for line in more)
            owner, _, log = origin.rpartition("/")
            found = cls(
                owner=check_name(owner),
                log=log,
                size=int(size),
                root=b64decode(root, validate=True),
                epoch="" if told["epoch"] == "-" else told["epoch"],
                position=int(told["position"]),
                hash=bytes.fromhex(told["hash"]),
                time=parse_time(told["time"]),
            )
        except (ValueError, KeyError, NotBase64, GemelError) as error:
            raise InvalidInput(f"this is no head of a log: {type(error).__name__}") from None
        if found.text() != text or not 0 <= found.size < 1 << 53 or not 0 <= found.position < 1 << 63:
            raise InvalidInput("this is no head of a log: it is not as it would be written")
        return found


def rotation(name: str, old: Ed25519PrivateKey, new: PublicKey, now: int) -> Note:
    """The old key's word that from now on another one signs."""
    return sign(f"{_ROTATION}\n{name}\n{new}\n{to_rfc3339(now)}\n", name, old)


def rotated(note: Note, old: PublicKey) -> PublicKey | None:
    """The key that `old` names as the next; None if this is not its word."""
    lines = note.text.split("\n")
    if len(lines) != 5 or lines[:2] != [_ROTATION, old.name] or not note.signed_by(old):
        return None
    try:
        found = PublicKey.parse(lines[2])
    except InvalidInput:
        return None
    return found if found.name == old.name else None

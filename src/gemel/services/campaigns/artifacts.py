"""Files of software: kept by the hash of their content, handed out only as they were put in.

A signature is Ed25519 over the 32 bytes of the file's SHA-256, so a maker can sign with any tool and never hands over a
key: `openssl dgst -sha256 -binary file > hash; openssl pkeyutl -sign -rawin -inkey maker.pem -in hash | base64`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, insert, select, update

from gemel.clock import Clock
from gemel.configuration import Software, SoftwareVersion, key_bytes
from gemel.database import Database
from gemel.errors import Corrupt, InvalidInput, NotFound
from gemel.services.base import Run
from gemel.services.campaigns.tables import artifact_table
from gemel.thread import Store
from gemel.twin import Change

__all__ = ["LARGEST", "Artifact", "Artifacts"]

LARGEST = 4 << 30
"""Bytes of one file."""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    sha256: str
    name: str
    size: int
    signature: str = ""
    """Base64; empty: not signed."""
    added: int
    actor: str


class Artifacts:
    """They lie where the contents of documents lie, so that backups have them. Any thread."""

    def __init__(self, folder: Path, database: Database, clock: Clock, run: Run) -> None:
        self._store = Store(folder, largest=LARGEST)
        self._database, self._clock, self._run = database, clock, run

    def add(self, parts: Iterable[bytes], name: str, *, signature: str = "", actor: str = "") -> Artifact:
        """Put a file in; when this returns it is on stable storage. The same content again is the same file.

        Raises InvalidInput, TooLarge, StorageFull.
        """
        if not 0 < len(name) <= 200 or not name.isprintable():
            raise InvalidInput("a file has a name of 1 to 200 printable characters")
        if signature:
            _signature(signature)
        kept = self._store.keep(parts)
        now = self._clock.now()
        found = Artifact(sha256=kept.sha256, name=name, size=kept.size, signature=signature, added=now, actor=actor)
        self._run(lambda tx: [] if self._note(tx, found) else [_told(found)], actor=actor)
        return self.get(kept.sha256)

    def _note(self, tx: Connection, found: Artifact) -> bool:
        """Whether it was known."""
        c = artifact_table.c
        known = tx.execute(select(artifact_table).where(c.sha256 == found.sha256)).first()
        if known is None:
            tx.execute(insert(artifact_table).values(**msgspec.structs.asdict(found)))
        elif found.signature and known.signature != found.signature:
            tx.execute(update(artifact_table).where(c.sha256 == found.sha256).values(signature=found.signature))
        return known is not None

    def get(self, digest: str) -> Artifact:
        """Raises NotFound."""
        with self._database.read() as tx:
            row = tx.execute(select(artifact_table).where(artifact_table.c.sha256 == digest)).first()
        if row is None:
            raise NotFound(f"there is no file {digest!r:.80}; put it in with `gemel software add-file`")
        return _artifact(row)

    def all(self) -> list[Artifact]:
        """The newest first."""
        with self._database.read() as tx:
            return [
                _artifact(row) for row in tx.execute(select(artifact_table).order_by(artifact_table.c.added.desc()))
            ]

    def path(self, digest: str) -> Path:
        """Where its bytes are. Raises NotFound, Corrupt (they are not all there)."""
        known, path = self.get(digest), self._store.path(digest)
        if path.stat().st_size != known.size:
            raise Corrupt(f"the file {known.name} ({digest:.12}…) is not there as it was put in; put it in again")
        return path

    def objection(self, software: Software, version: SoftwareVersion) -> str:
        """Why a version's file may not be handed out; empty: it may, or the version has none."""
        if not version.artifact:
            return f"{software.part} takes signed files only, and {version.version} has none" if software.keys else ""
        try:
            known = self.get(version.artifact)
            self.path(version.artifact)
        except (NotFound, Corrupt) as error:
            return error.detail
        if software.keys and not signed_by(known, software.keys):
            return f"the file of {software.part} {version.version} is not signed by one of its keys"
        return ""


def signed_by(known: Artifact, keys: Iterable[str]) -> str:
    """Which of these keys signed it; empty: none."""
    if not known.signature:
        return ""
    signature, told = _signature(known.signature), bytes.fromhex(known.sha256)
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key_bytes(key)).verify(signature, told)
        except InvalidSignature:
            continue
        return key
    return ""


def _signature(text: str) -> bytes:
    try:
        told = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        told = b""
    if len(told) != 64:
        raise InvalidInput("a signature is 64 bytes of Ed25519 in base64, over the SHA-256 of the file")
    return told


def _artifact(row: Row[tuple[object, ...]]) -> Artifact:
    return Artifact(**row._mapping)


def _told(one: Artifact) -> Change:
    body = {"name": one.name, "size": one.size, "signed": bool(one.signature)}
    return Change(kind="software.file_added", subject=one.sha256, time=one.added, actor=one.actor, body=body)

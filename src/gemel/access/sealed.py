"""What people write in their own words, encrypted with a key of each writer: to erase the words, destroy the key."""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select

from gemel.access.tables import person_key
from gemel.database import Database

__all__ = ["ERASED_TEXT", "destroy_key", "in_own_words", "seal", "unseal", "unseal_in", "words_of"]

NONCE_BYTES = 12
ERASED_TEXT = "(erased with its writer)"
_SEALED = "sealed:"


def seal(tx: Connection, writer: str, text: str) -> bytes:
    """AES-256-GCM with the writer's key, which is made with their first words; the writer's id is bound in."""
    key = tx.execute(select(person_key.c.key).where(person_key.c.id == writer)).scalar()
    if key is None:
        key = AESGCM.generate_key(256)
        tx.execute(insert(person_key).values(id=writer, key=key))
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(bytes(key)).encrypt(nonce, text.encode(), writer.encode())


def unseal(database: Database, writer: str, sealed: bytes) -> str:
    """The words, or `ERASED_TEXT` once the key is gone."""
    with database.read() as connection:
        return unseal_in(connection, writer, sealed)


def unseal_in(tx: Connection, writer: str, sealed: bytes) -> str:
    """The same, where something is being read."""
    key = tx.execute(select(person_key.c.key).where(person_key.c.id == writer)).scalar()
    if key is None:
        return ERASED_TEXT
    try:
        return AESGCM(bytes(key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], writer.encode()).decode()
    except InvalidTag:  # a new key after an erasure
        return ERASED_TEXT


def destroy_key(tx: Connection, writer: str) -> None:
    """Nobody reads what they wrote any more."""
    tx.execute(delete(person_key).where(person_key.c.id == writer))


def in_own_words(tx: Connection, actor: str, text: str) -> str:
    """As it is kept in a column of text: of a person, sealed; what files and programs say is kept as it is."""
    if not text or not actor.startswith("user-"):
        return text
    return f"{_SEALED}{actor}:{base64.b64encode(seal(tx, actor, text)).decode()}"


def words_of(tx: Connection, kept: str) -> str:
    """What `in_own_words` kept, as it was written, or `ERASED_TEXT`; any other text as it is."""
    if not kept.startswith(_SEALED):
        return kept
    actor, _, sealed = kept.removeprefix(_SEALED).partition(":")
    try:
        return unseal_in(tx, actor, base64.b64decode(sealed, validate=True))
    except ValueError:  # somebody wrote what only looks so
        return kept

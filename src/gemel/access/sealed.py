"""What people write in their own words, encrypted with a key of each writer: to erase the words, destroy the key."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select

from gemel.access.tables import person_key
from gemel.database import Database

__all__ = ["ERASED_TEXT", "destroy_key", "seal", "unseal"]

NONCE_BYTES = 12
ERASED_TEXT = "(erased with its writer)"


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
        key = connection.execute(select(person_key.c.key).where(person_key.c.id == writer)).scalar()
    if key is None:
        return ERASED_TEXT
    try:
        return AESGCM(bytes(key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], writer.encode()).decode()
    except InvalidTag:  # a new key after an erasure
        return ERASED_TEXT


def destroy_key(tx: Connection, writer: str) -> None:
    """Nobody reads what they wrote any more."""
    tx.execute(delete(person_key).where(person_key.c.id == writer))

"""Places in lists as they are handed out: sealed, so that nobody reads in them what is hidden, nor makes one up."""

from __future__ import annotations

import base64
import os
import threading
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gemel.access.authority import FOLDER, write_private
from gemel.access.sealed import NONCE_BYTES
from gemel.errors import InvalidInput

__all__ = ["Cursors"]

FILE = "cursors.key"
KEY_BYTES = 32
STEP = 32
"""Bytes: places are filled up to a multiple, or their lengths would tell how large a number is."""


class Cursors:
    """Seals with a key beside the one of the plant's own authority, which nothing gives out; makes it when it is first
    needed. AES-256-GCM; whom a place was told is bound in, and is not in it.
    """

    def __init__(self, secrets: Path) -> None:
        self._folder = secrets / FOLDER
        self._lock = threading.Lock()
        self._made: AESGCM | None = None

    def seal(self, place: bytes, whose: bytes) -> str:
        """A place for one caller and list, as text for addresses."""
        filled = place.ljust(-(-len(place) // STEP) * STEP)
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._box().encrypt(nonce, filled, whose)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def unseal(self, cursor: str, whose: bytes) -> bytes:
        """The place, with blanks after it. Raises InvalidInput for what is altered, made up, or was told another caller
        or of another list."""
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            return self._box().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], whose)
        except (ValueError, InvalidTag):
            raise InvalidInput(
                f"cursor {cursor!r:.40} is not one of ours for you and this list; take `next` of the page before, or "
                "begin without one"
            ) from None

    def _box(self) -> AESGCM:
        with self._lock:
            if self._made is None:
                self._made = AESGCM(_key_in(self._folder))
            return self._made


def _key_in(folder: Path) -> bytes:
    """The key of the folder, the same in every process. Where it cannot be read or kept just now, one that is good
    until this process ends."""
    path, key = folder / FILE, os.urandom(KEY_BYTES)
    with suppress(OSError):
        known = _kept(path)
        if len(known) == KEY_BYTES:
            return known
        for one in (folder.parent, folder):
            one.mkdir(mode=0o700, exist_ok=True)
        if known:  # half a key
            path.unlink(missing_ok=True)
        _keep_first(path, key)
        known = _kept(path)
        return known if len(known) == KEY_BYTES else key
    return key


def _kept(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _keep_first(path: Path, key: bytes) -> None:
    """Keep a key, wholly, unless another process was first: then theirs stays."""
    fresh = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    write_private(fresh, key)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links: the last one stays
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)

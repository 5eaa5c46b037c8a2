"""A small file beside a SQLite database that remembers the last acknowledged head.

SQLite drops whatever follows a damaged place of its write-ahead log without a word. With this file the loss of an
acknowledged block is seen at opening. It is written after each commit without an fsync of its own: it may be older
than the database after a power cut, which is harmless, and is newer only if the database lost something.
"""

from __future__ import annotations

import os
import struct
from hashlib import sha256
from pathlib import Path

__all__ = ["Acknowledged"]

_FORM = struct.Struct("<8sQQ32s")
_MAGIC = b"gemel.h1"

_BINARY = getattr(os, "O_BINARY", 0)
"""Windows, unless told, makes two bytes of a line feed."""


class Acknowledged:
    """The file `<database>.<partition>.head`: sequence, position, hash, and a checksum over them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def read(self) -> tuple[int, int, bytes] | None:
        """(sequence, position, hash), or None if there is none or it is torn itself."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        if len(data) != _FORM.size + 32 or sha256(data[: _FORM.size]).digest() != data[_FORM.size :]:
            return None
        magic, sequence, position, hash_ = _FORM.unpack(data[: _FORM.size])
        return (sequence, position, hash_) if magic == _MAGIC else None

    def write(self, sequence: int, position: int, hash_: bytes) -> None:
        if self._file < 0:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | _BINARY, 0o600)
        data = _FORM.pack(_MAGIC, sequence, position, hash_)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, data + sha256(data).digest())

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

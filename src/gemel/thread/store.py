"""Contents of documents and of files that statements were read from: kept by their SHA-256, each once, until
they are erased with the twin whose readings they hold."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
import puremagic

from gemel.disk import make_folder, refusals, sync
from gemel.errors import Corrupt, NotFound, TooLarge

__all__ = ["LARGEST", "Content", "Store", "sniffed"]

LARGEST = 256 << 20
"""Bytes of one content."""
_PART = 1 << 20
_HEAD = 4096
_PLAIN = "text/plain; charset=utf-8"
_OTHER = "application/octet-stream"
_ACTIVE = ("html", "xml", "svg", "javascript", "ecmascript")


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept under a hash."""

    sha256: str
    size: int
    media_type: str
    """As its first bytes say, never as its name does."""


class Store:
    """Files in `documents/`, named by their hash: the name proves the content. Any thread."""

    def __init__(self, folder: Path, *, largest: int = LARGEST) -> None:
        self.folder = folder
        self._largest = largest

    def keep(self, data: bytes | Iterable[bytes]) -> Content:
        """Keep a content; returns when it is on stable storage. Raises TooLarge, StorageFull, StorageFailed."""
        parts = (data,) if isinstance(data, bytes) else data
        with refusals("a document"):
            make_folder(self.folder)
            aside = self.folder / f".{secrets.token_hex(8)}.new"
            seen, size, head = sha256(), 0, b""
            try:
                with aside.open("xb") as out:
                    for part in parts:
                        size += len(part)
                        if size > self._largest:
                            raise TooLarge(
                                f"a document has at most {self._largest >> 20} MB; keep it elsewhere, link it"
                            )
                        head += part[: _HEAD - len(head)]
                        seen.update(part)
                        out.write(part)
                    out.flush()
                    os.fsync(out.fileno())
                hash_ = seen.hexdigest()
                place = self._place(hash_)
                if place.exists() and place.stat().st_size == size:
                    aside.unlink()
                else:
                    make_folder(place.parent)
                    aside.replace(place)
                    sync(place.parent)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
        return Content(sha256=hash_, size=size, media_type=sniffed(head))

    def keep_file(self, path: Path) -> Content:
        """The same, of a file. Raises NotFound as well."""
        try:
            with path.open("rb") as reading:
                return self.keep(iter(lambda: reading.read(_PART), b""))
        except FileNotFoundError:
            raise NotFound(f"there is no file {path}") from None

    def path(self, hash_: str) -> Path:
        """Where a content lies. Raises NotFound."""
        place = self._place(hash_)
        if not place.is_file():
            raise NotFound(f"the content {hash_:.12}… is not kept here: it was erased, or a backup has it")
        return place

    def open(self, hash_: str) -> BinaryIO:
        """For reading. Raises NotFound."""
        return self.path(hash_).open("rb")

    def check(self, hash_: str) -> int:
        """Read it and hold it against its name; returns its size. Raises NotFound, Corrupt."""
        with self.path(hash_).open("rb") as reading:
            found = file_digest(reading, "sha256").hexdigest()
            if found != hash_:
                raise Corrupt(f"{self._place(hash_)} is not as it was written; restore it from a backup")
            return reading.tell()

    def has(self, hash_: str) -> bool:
        """Whether a content is kept here."""
        return self._place(hash_).is_file()

    def erase(self, hash_: str) -> None:
        """Let a content go for good; gone is gone when this returns. Raises StorageFailed."""
        place = self._place(hash_)
        with refusals("a document"):
            if place.exists():
                place.unlink()
                sync(place.parent)

    def all(self) -> Iterator[str]:
        """The hashes of all contents."""
        for path in sorted(self.folder.glob("??/*")):
            if path.name[0] != ".":
                yield path.name

    def _place(self, hash_: str) -> Path:
        if len(hash_) != 64 or not set(hash_) <= set("0123456789abcdef"):
            raise NotFound(f"{hash_!r:.80} is no SHA-256")
        return self.folder / hash_[:2] / hash_


def sniffed(head: bytes) -> str:
    """The media type that the first bytes of a content show; what a browser would carry out is told as plain text."""
    try:
        found = puremagic.from_string(head, mime=True) if head else ""
    except (puremagic.PureError, ValueError):
        found = ""
    if found and not found.startswith("text/") and not any(word in found for word in _ACTIVE):
        return found
    return _PLAIN if _is_text(head) else _OTHER


def _is_text(head: bytes) -> bool:
    try:
        text = head[: _HEAD - 4].decode() if len(head) >= _HEAD else head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return not any(ord(sign) < 32 and sign not in "\t\r\n\f\x1b" for sign in text)

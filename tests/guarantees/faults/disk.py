"""A disk as the recorded operations leave it: what was synced is there, the rest may be, in part and out of order.

The rules are POSIX's, not one file system's: fsync of a file makes its content durable, but not its name; fsync of a
folder makes durable which names are in it. A rename is whole or not at all.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from tests.guarantees.faults.preload import Kind

__all__ = ["Disk", "Record", "Tree", "digest", "lay_out", "records"]

_HEAD = struct.Struct("<BQqII")
_NOTE = 255
SECTOR = 512

Tree = dict[str, bytes | None]
"""Path relative to the root → content; None for a folder."""


@dataclass(frozen=True)
class Record:
    kind: int
    inode: int
    at: int
    path: str
    data: bytes

    @property
    def note(self) -> str:
        return self.data.decode() if self.kind == _NOTE else ""


def records(log: Path) -> Iterator[Record]:
    data, at = log.read_bytes(), 0
    while at < len(data):
        kind, inode, offset, path, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield Record(kind, inode, offset, data[at : at + path].decode(), data[at + path : at + path + length])
        at += path + length


@dataclass(eq=False)
class _File:
    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data) written, or (length, None) truncated, since the last fsync."""

    def content(self, chance: random.Random | None, keep: float) -> bytes:
        """With `chance`, each pending write is there with probability `keep`, or some of its sectors are."""
        if keep == 0.0 or not self.pending:
            return self.durable
        found = bytearray(self.durable)
        for at, data in self.pending:
            if chance is not None and chance.random() >= keep:
                if data is None or chance.random() < 0.5:
                    continue
                for start in range(0, len(data), SECTOR):
                    if chance.random() < 0.5:
                        _put(found, at + start, data[start : start + SECTOR])
            elif data is None:
                _resize(found, at)
            else:
                _put(found, at, data)
        return bytes(found)


@dataclass(eq=False)
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    """As it is now."""
    durable: dict[str, _File | _Folder] = field(default_factory=dict)
    pending: list[tuple[str, str, _File | _Folder | None]] = field(default_factory=list)
    """(name that goes, name that comes, what it names) since the last fsync; either name may be empty."""

    def change(self, gone: str, come: str, what: _File | _Folder | None) -> None:
        self.pending.append((gone, come, what))
        _rename(self.names, gone, come, what)

    def listed(self, chance: random.Random | None, keep: float) -> dict[str, _File | _Folder]:
        found = dict(self.durable)
        for gone, come, what in self.pending:
            if keep and (chance is None or chance.random() < keep):
                _rename(found, gone, come, what)
        return found


class Disk:
    """Follows the records; `crash` says what a power cut would leave now."""

    def __init__(self, root: Path) -> None:
        """`root` as it lies there is taken as durable."""
        self._root = root
        self._by_inode: dict[int, _File | _Folder] = {}
        self._top = self._scan(root)

    def _scan(self, path: Path) -> _Folder:
        folder = _Folder()
        self._by_inode[path.stat().st_ino] = folder
        for entry in path.iterdir():
            one = self._scan(entry) if entry.is_dir() else _File(entry.read_bytes())
            self._by_inode[entry.stat().st_ino] = folder.durable[entry.name] = folder.names[entry.name] = one
        return folder

    def apply(self, record: Record) -> None:
        if record.kind in (Kind.WRITE, Kind.TRUNCATE, Kind.FSYNC):
            self._file(record)
        elif record.kind in (Kind.CREATE, Kind.MKDIR):
            fresh = self._by_inode[record.inode] = _File() if record.kind == Kind.CREATE else _Folder()
            folder, name = self._parent(record.path)
            folder.change("", name, fresh)
        elif record.kind == Kind.UNLINK:
            folder, name = self._parent(record.path)
            folder.change(name, "", None)
        elif record.kind == Kind.RENAME:
            folder, name = self._parent(record.path)
            other, target = self._parent(record.data.decode())
            assert folder is other, "renames between folders are not modelled"
            folder.change(name, target, folder.names[name])

    def _file(self, record: Record) -> None:
        one = self._by_inode.get(record.inode)
        if one is None:  # opened before the recording, and not below the root
            return
        if isinstance(one, _Folder):
            assert record.kind == Kind.FSYNC
            one.durable, one.pending = dict(one.names), []
        elif record.kind == Kind.FSYNC:
            one.durable, one.pending = one.content(None, 1.0), []
        else:
            one.pending.append((record.at, record.data if record.kind == Kind.WRITE else None))

    def _parent(self, path: str) -> tuple[_Folder, str]:
        *folders, name = Path(path).relative_to(self._root).parts
        here = self._top
        for part in folders:
            step = here.names[part]
            assert isinstance(step, _Folder)
            here = step
        return here, name

    def crash(self, chance: random.Random | None = None, keep: float = 0.0) -> Tree:
        """What is left: `keep` 0.0 only what was synced, 1.0 everything; with `chance` each unsynced part by itself."""
        tree: Tree = {}
        self._lay(self._top, "", tree, chance, keep)
        return tree

    def _lay(self, folder: _Folder, path: str, tree: Tree, chance: random.Random | None, keep: float) -> None:
        for name, one in sorted(folder.listed(chance, keep).items()):
            if isinstance(one, _Folder):
                tree[path + name] = None
                self._lay(one, f"{path}{name}/", tree, chance, keep)
            else:
                tree[path + name] = one.content(chance, keep)


def _rename(names: dict[str, _File | _Folder], gone: str, come: str, what: _File | _Folder | None) -> None:
    if gone:
        names.pop(gone, None)
    if come and what is not None:
        names[come] = what


def _resize(data: bytearray, length: int) -> None:
    if len(data) > length:
        del data[length:]
    else:
        data.extend(bytes(length - len(data)))


def _put(data: bytearray, at: int, part: bytes) -> None:
    if len(data) < at:
        _resize(data, at)
    data[at : at + len(part)] = part


def digest(tree: Tree) -> bytes:
    """Equal trees have equal ones."""
    found = blake2b(digest_size=16)
    for path, content in sorted(tree.items()):
        found.update(b"%d %d " % (len(path), -1 if content is None else len(content)))
        found.update(path.encode() + (content or b""))
    return found.digest()


def lay_out(tree: Tree, target: Path) -> None:
    """Write a tree below `target`."""
    target.mkdir(parents=True)
    for path, content in tree.items():  # folders come before what is in them
        if content is None:
            (target / path).mkdir()
        else:
            (target / path).write_bytes(content)

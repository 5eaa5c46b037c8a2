"""The whole state at a position, as Arrow: what a restart begins with."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.disk import make_folder, sync
from gemel.errors import Corrupt
from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, Cells
from gemel.state.condition import Conditions
from gemel.state.core import Core
from gemel.state.seed import seed
from gemel.state.table import Column
from gemel.twin import Form, Position

__all__ = ["Keyframe", "restore", "snapshot"]

_FIELDS = ("time", "recorded", "changed", "quality", "position")
_VALUES = {Form.NUMBER: pa.float64(), Form.INTEGER: pa.int64(), Form.ARRAY: pa.list_(pa.float64())}
_VERSION = 2
_READ_BYTES = 1 << 22


class _About(msgspec.Struct, frozen=True):
    """What a keyframe's folder holds: `about.json` begins with a checksum of the rest."""

    version: int
    position: Position
    tables: list[tuple[str, int, int]]
    """(type id, property number, checksum of the file), in the order of the files."""
    sources: dict[str, tuple[int, int]]
    retired: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """Everything that is known of each cell that was ever reported.

    `tables`: by type id and property number, rows of twin (number), value, time, recorded, changed, quality, position.
    `sources`: by name, (seen, lost): when each was last heard and since when it is lost (0: it is not).
    """

    position: Position
    tables: Mapping[tuple[str, int], pa.Table]
    sources: Mapping[str, tuple[int, int]]
    retired: tuple[int, ...] = ()

    def save(self, folder: Path) -> Path:
        """Write it durably below `folder`, in place of older ones; returns where."""
        make_folder(folder)
        draft, target = folder / "draft", folder / f"{self.position:020d}"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            self._write(draft)
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
        except BaseException:  # a full disk: half a keyframe must not fill it further
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync(folder)
        for old in _saved(folder)[:-1]:
            shutil.rmtree(old)
        return target

    def _write(self, draft: Path) -> None:
        """Write it into a new folder, and sync all of it."""
        draft.mkdir()
        listed = []
        for i, ((type_id, number), table) in enumerate(self.tables.items()):
            path = draft / f"{i}.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            listed.append((type_id, number, _checksum(path)))
        about = msgspec.json.encode(_About(_VERSION, self.position, listed, dict(self.sources), self.retired))
        (draft / "about.json").write_bytes(b"%08x" % crc32(about) + about)
        for path in (*draft.iterdir(), draft):
            sync(path)

    @classmethod
    def load(cls, folder: Path) -> Keyframe | None:
        """The newest one below `folder`, if there is any. Raises Corrupt."""
        found = _saved(folder)
        if not found:
            return None
        try:
            about = _about(found[-1])
            tables = {}
            for i, (type_id, number, checksum) in enumerate(about.tables):
                path = found[-1] / f"{i}.arrow"
                if _checksum(path) != checksum:  # Arrow would read damaged values as if they were true
                    raise ValueError(f"{path.name} is not as it was written")
                with pa.memory_map(str(path)) as source:
                    tables[type_id, number] = pa.ipc.open_file(source).read_all()
        except (OSError, ValueError, msgspec.MsgspecError, pa.ArrowException) as error:
            raise Corrupt(
                f"the keyframe {found[-1]} cannot be read ({error}); remove it to start from the journal"
            ) from error
        return cls(about.position, tables, about.sources, about.retired)


def snapshot(core: Core) -> Keyframe:
    """The state as it is. Holds every chunk, so that nothing is copied while the lock is held."""
    with core.lock:
        position = core.position
        held = [
            (column, column.table.numbers, [cells.hold() if cells is not None else None for cells in column.chunks])
            for column in core.layout.columns
        ]
        sources = {name: (state.seen, state.lost) for name, state in core.watch.rules.sources.items()}
        retired = tuple(sorted(core.retired))
    tables = {}
    for column, numbers, chunks in held:
        parts = [
            _part(column, cells, numbers[chunk << CHUNK_BITS :])
            for chunk, cells in enumerate(chunks)
            if cells is not None
        ]
        if parts and sum(map(len, parts)):
            tables[column.table.type_id, column.ref.number] = pa.concat_tables(parts)
    return Keyframe(position, tables, sources, retired)


def _part(column: Column, cells: Cells, numbers: NDArray[np.int64]) -> pa.Table:
    rows = np.flatnonzero(cells.position[: len(numbers)] > 0)
    value = cells.value[rows]
    form = column.ref.form
    if column.condition:
        values = pa.array([one.to_json().decode() for one in value], pa.string())
    elif form is Form.ARRAY:
        values = pa.array(list(value), _VALUES[form])
    else:
        values = pa.array(value, _VALUES.get(form, pa.string()))
    others = {name: pa.array(getattr(cells, name)[rows]) for name in _FIELDS}
    return pa.table({"twin": pa.array(numbers[rows]), "value": values, **others})


def restore(core: Core, keyframe: Keyframe) -> None:
    """Make an empty state what it was; twins and properties that the directory no longer knows are left out."""
    with core.lock:
        for (_, number), table in keyframe.tables.items():
            if core.layout.know_property(number):
                _put(core, number, table)
        seed(core.layout, list(core.layout.by_type))  # the registry may know retypes that come after the keyframe
        for name, (seen, lost) in keyframe.sources.items():
            if seen:
                core.watch.rules.heard(name, seen)
            if lost:
                core.watch.rules.set_lost(name, lost)
        core.retired.update(keyframe.retired)
        core.position = keyframe.position
        core.watch.settle(core.clock.now(), core.lock)
        core.moved.notify_all()


def _put(core: Core, number: int, table: pa.Table) -> None:
    twins = table.column("twin").to_numpy()
    column, rows = core.layout.column_and_rows(number, twins)
    chunks = rows >> CHUNK_BITS
    arrays = {name: table.column(name).to_numpy() for name in _FIELDS}
    values = _values(column, table.column("value"))
    for chunk in np.unique(chunks[rows >= 0]).tolist():
        chosen = np.flatnonzero(chunks == chunk)
        cells, low = column.writable(chunk), rows[chosen] & (CHUNK_ROWS - 1)
        cells.value[low] = values[chosen]
        for name, found in arrays.items():
            getattr(cells, name)[low] = found[chosen]
        cells.due = 0


def _values(column: Column, stored: pa.ChunkedArray) -> NDArray[Any]:
    if column.ref.form in (Form.NUMBER, Form.INTEGER):
        return np.asarray(stored.to_numpy())
    found = np.empty(len(stored), object)
    for i, one in enumerate(stored.to_pylist()):
        if column.condition:
            found[i] = Conditions.from_json(one)
        elif column.ref.form is Form.ARRAY and one is not None:
            found[i] = array("d", one)
        else:
            found[i] = one
    return found


def _about(folder: Path) -> _About:
    told = (folder / "about.json").read_bytes()
    if told[:8] != b"%08x" % crc32(told[8:]):
        raise ValueError("about.json is not as it was written")
    about = msgspec.json.decode(told[8:], type=_About)
    if about.version != _VERSION or folder.name != f"{about.position:020d}":
        raise ValueError(f"it is of version {about.version} and position {about.position}")
    return about


def _checksum(path: Path) -> int:
    """CRC-32 of a file."""
    found = 0
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            found = crc32(part, found)
    return found


def _saved(folder: Path) -> list[Path]:
    """Whole keyframes below a folder, the newest one last."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())

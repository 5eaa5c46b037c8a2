"""The block that is being filled: columns per form that grow reading by reading, or by whole frames."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.twin import VALUE_TYPES, Block, Change, Form, Frame

__all__ = ["FORMS", "SLOT", "BlockBuilder", "Chunk", "Columns", "Mark"]

FORMS = tuple(Form)
SLOT = {form: slot for slot, form in enumerate(FORMS)}
"""Columns are kept by the number of their form."""
_CODES = {Form.NUMBER: "d", Form.INTEGER: "q"}


class Columns:
    """Readings of one form, in order of arrival."""

    __slots__ = ("form", "nulls", "ordinal", "quality", "series", "time", "value")

    def __init__(self, form: Form) -> None:
        self.form = form
        self.series = array("q")
        self.time = array("q")
        self.value: Any = array(_CODES[form]) if form in _CODES else []
        self.quality = array("B")
        self.ordinal = array("I")
        self.nulls: list[int] = []

    def __len__(self) -> int:
        return len(self.ordinal)

    def cut(self, length: int) -> None:
        """Forget what came after the first `length` rows; mends columns that an error left uneven."""
        for column in (self.series, self.time, self.value, self.quality, self.ordinal):
            del column[length:]
        while self.nulls and self.nulls[-1] >= length:
            self.nulls.pop()

    def frame(self) -> Frame:
        values = np.frombuffer(self.value, dtype=self.value.typecode) if self.form in _CODES else self.value
        mask = None
        if self.nulls:
            mask = np.zeros(len(self), dtype=np.bool_)
            mask[self.nulls] = True
        return Frame(
            form=self.form,
            series=np.frombuffer(self.series, dtype=np.int64),
            time=np.frombuffer(self.time, dtype=np.int64),
            value=pa.array(values, type=VALUE_TYPES[self.form], mask=mask),
            quality=np.frombuffer(self.quality, dtype=np.uint8),
            ordinal=np.frombuffer(self.ordinal, dtype=np.uint32),
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Checked readings of one form as columns; `order` is their place among those of the same submission."""

    form: Form
    series: NDArray[np.int64]
    time: NDArray[np.int64]
    value: pa.Array
    quality: NDArray[np.uint8]
    order: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mark:
    """How full a builder was."""

    count: int
    changes: int
    rows: list[int]
    frames: list[int]


class BlockBuilder:
    """Fills one block. `count` is how many readings and changes it holds; the next one gets it as its ordinal."""

    def __init__(self) -> None:
        self.count = 0
        self.columns = [Columns(form) for form in FORMS]
        self.changes: list[Change] = []
        self._frames: list[list[Frame]] = [[] for _ in FORMS]

    def change(self, change: Change) -> None:
        self.changes.append(msgspec.structs.replace(change, ordinal=self.count))
        self.count += 1

    def chunks(self, chunks: list[Chunk]) -> None:
        """Add the readings of one submission that came as columns; `close` first."""
        for chunk in chunks:
            if not len(chunk.series):
                continue
            slot = SLOT[chunk.form]
            ordinal = (chunk.order + self.count).astype(np.uint32)
            frame = Frame(chunk.form, chunk.series, chunk.time, chunk.value, chunk.quality, ordinal)
            self._frames[slot].append(frame)
        self.count += sum(len(chunk.series) for chunk in chunks)

    def close(self) -> None:
        """Turn what was added reading by reading into frames."""
        for slot in range(len(FORMS)):
            self._close(slot)

    def _close(self, slot: int) -> None:
        columns = self.columns[slot]
        if len(columns):
            self._frames[slot].append(columns.frame())
            self.columns[slot] = Columns(columns.form)

    def mark(self) -> Mark:
        rows = [len(columns) for columns in self.columns]
        return Mark(self.count, len(self.changes), rows, [len(frames) for frames in self._frames])

    def back_to(self, mark: Mark) -> None:
        """Forget what was added since `mark`."""
        self.count = mark.count
        del self.changes[mark.changes :]
        for slot, parts in enumerate(self._frames):
            length, kept = mark.rows[slot], mark.frames[slot]
            if len(parts) > kept:  # the columns were closed since, with exactly the rows they had
                del parts[kept + (1 if length else 0) :]
                self.columns[slot] = Columns(FORMS[slot])
            else:
                self.columns[slot].cut(length)

    def block(self, sequence: int, first: int, recorded: int) -> Block:
        frames = {}
        self.close()
        for slot, form in enumerate(FORMS):
            parts = self._frames[slot]
            if parts:
                frames[form] = parts[0] if len(parts) == 1 else _joined(form, parts)
        return Block(sequence, first, recorded, frames, tuple(self.changes))


def _joined(form: Form, parts: list[Frame]) -> Frame:
    return Frame(
        form=form,
        series=np.concatenate([part.series for part in parts]),
        time=np.concatenate([part.time for part in parts]),
        value=pa.concat_arrays([part.value for part in parts]),
        quality=np.concatenate([part.quality for part in parts]),
        ordinal=np.concatenate([part.ordinal for part in parts]),
    )

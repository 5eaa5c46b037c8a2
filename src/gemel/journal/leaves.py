"""The leaves of a block: one per series and form, one per change; their exact bytes are in docs/concepts/journal.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256, shake_256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.twin import Form, Frame

__all__ = [
    "FORM_CODES",
    "SALT_BYTES",
    "change_leaf",
    "frame_leaves",
    "hash_leaves",
    "leaf_datas",
    "leaf_series",
    "salts_of",
]

SALT_BYTES = 16
FORM_CODES: dict[Form, int] = {Form.NUMBER: 0, Form.INTEGER: 1, Form.TEXT: 2, Form.ARRAY: 3}
_ROW = np.dtype([("time", "<i8"), ("value", "V8"), ("ordinal", "<u4"), ("quality", "u1"), ("valid", "u1")])
_HEAD = np.dtype([("tag", "S1"), ("form", "u1"), ("series", "<i8"), ("count", "<u4")])


def salts_of(seed: bytes, count: int) -> bytes:
    """`count` salts of 16 bytes each: SHAKE-256 of the block's secret 32-byte seed, cut in order."""
    return shake_256(seed).digest(SALT_BYTES * count)


def change_leaf(change: bytes) -> bytes:
    """The canonical bytes of a change: `C` and its JSON as stored."""
    return b"C" + change


def frame_leaves(frame: Frame) -> tuple[list[int], list[bytes]]:
    """The series of a frame, ascending, and the canonical bytes of each; rows in order of arrival."""
    count = len(frame)
    if count == 0:
        return [], []
    order = _stable_order(frame.series)
    value = frame.value if order is None else frame.value.take(pa.array(order))
    rows = np.empty(count, dtype=_ROW)
    for name in ("time", "ordinal", "quality"):
        column = getattr(frame, name)
        rows[name] = column if order is None else column[order]
    rows["valid"] = 1 if value.null_count == 0 else pc.is_valid(value).to_numpy(zero_copy_only=False)
    fixed, tail, tail_at = _split_values(frame.form, value)
    rows["value"] = fixed.view("V8")
    series = frame.series if order is None else frame.series[order]
    starts = np.flatnonzero(np.concatenate(([True], series[1:] != series[:-1])))
    bounds = np.append(starts, count)
    heads = np.empty(len(starts), dtype=_HEAD)
    heads["tag"], heads["form"], heads["series"], heads["count"] = (
        b"R",
        FORM_CODES[frame.form],
        series[starts],
        np.diff(bounds),
    )
    head, row = heads.tobytes(), rows.view(np.uint8).data
    at = (bounds * _ROW.itemsize).tolist()
    data = [
        head[h : h + _HEAD.itemsize] + row[start:end]
        for h, start, end in zip(range(0, len(head), _HEAD.itemsize), at, at[1:], strict=False)
    ]
    if tail is not None:
        behind = tail_at[bounds].tolist()
        data = [one + tail[start:end] for one, start, end in zip(data, behind, behind[1:], strict=False)]
    return series[starts].tolist(), data


def _stable_order(series: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Indices that sort stably, or None if they are sorted. Few distinct values sort as 16-bit codes, by radix."""
    if bool((series[1:] >= series[:-1]).all()):
        return None
    encoded = pa.array(series).dictionary_encode()
    distinct = encoded.dictionary.to_numpy()
    if len(distinct) > 1 << 16:
        return np.argsort(series, kind="stable")
    rank = np.empty(len(distinct), dtype=np.uint16)
    rank[np.argsort(distinct)] = np.arange(len(distinct), dtype=np.uint16)
    return np.argsort(rank[encoded.indices.to_numpy()], kind="stable")


def _split_values(form: Form, value: pa.Array) -> tuple[NDArray[np.generic], memoryview | None, NDArray[np.int64]]:
    """Eight bytes a row, and for text and arrays the bytes behind them with their offsets."""
    none = np.empty(0, dtype=np.int64)
    if form is Form.NUMBER:
        return _without_nulls(value, 0.0), None, none
    if form is Form.INTEGER:
        return _without_nulls(value, 0), None, none
    if form is Form.TEXT:
        filled = pc.fill_null(value, "") if value.null_count else value
        data = filled.buffers()[2]
        width = 1
    else:
        filled = pc.fill_null(value, pa.scalar([], type=value.type)) if value.null_count else value
        data = filled.values.buffers()[1]
        width = 8
    offsets_at = filled.offset * 8
    offsets = np.frombuffer(filled.buffers()[1], dtype=np.int64, offset=offsets_at, count=len(filled) + 1)
    if form is Form.ARRAY:
        offsets = offsets + filled.values.offset
    lengths = np.diff(offsets)
    tail = memoryview(data) if data is not None else memoryview(b"")
    return lengths, tail.cast("B"), offsets * width


def _without_nulls(value: pa.Array, zero: float) -> NDArray[np.generic]:
    filled = pc.fill_null(value, zero) if value.null_count else value
    return filled.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]  # pyarrow has no types


def leaf_series(frames: Mapping[Form, Frame]) -> list[int]:
    """The series of each leaf of telemetry, in tree order."""
    return [series for form in sorted(frames, key=FORM_CODES.__getitem__) for series in frame_leaves(frames[form])[0]]


def leaf_datas(frames: Mapping[Form, Frame], changes: Sequence[bytes]) -> tuple[list[bytes], int]:
    """The canonical bytes of all leaves in tree order, and how many are of telemetry."""
    datas: list[bytes] = []
    for form in sorted(frames, key=FORM_CODES.__getitem__):
        datas.extend(frame_leaves(frames[form])[1])
    telemetry = len(datas)
    datas.extend(change_leaf(change) for change in changes)
    return datas, telemetry


def hash_leaves(
    frames: Mapping[Form, Frame], changes: Sequence[bytes], seed: bytes, *, skip: int = 0
) -> tuple[list[bytes], int]:
    """Leaf hashes in tree order (forms by code, series ascending, then changes), and how many are of telemetry.

    `skip`: how many leaves before these are no longer here; their salts are passed over.
    """
    sha = sha256
    datas, telemetry = leaf_datas(frames, changes)
    salts = salts_of(seed, skip + len(datas))[skip * SALT_BYTES :]
    return [
        sha(b"\x00" + salts[at : at + 16] + data).digest()
        for at, data in zip(range(0, len(salts), 16), datas, strict=True)
    ], telemetry

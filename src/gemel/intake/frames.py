"""Readings that come as Arrow columns: names resolved once per distinct pair, values checked as vectors.

Whatever the vectors do not plainly accept goes the careful way, row by row, which finds the reason or the rare form
that is good after all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.errors import GemelError, InvalidInput
from gemel.intake.base import COMPUTED
from gemel.intake.builder import Chunk
from gemel.intake.outcome import Outcome
from gemel.intake.payloads import readings_of
from gemel.intake.queue import Item
from gemel.intake.refusal import Refused, error_of
from gemel.intake.refusing import Rows, rows_of, take_apart
from gemel.intake.taker import Taker
from gemel.intake.times import Window
from gemel.intake.validate import MAX_INTEGER, MAX_TEXT_BYTES, Plan
from gemel.twin import VALUE_TYPES, Form, Kind, Quality, split_series

__all__ = ["MAX_ROWS", "Resolver", "check_batch", "take_frame"]

MAX_ROWS = 1_000_000
PAIR_TABLE = 8_000_000
_FORMS = list(Form)
_PLAIN = {Kind.NUMBER, Kind.INTEGER, Kind.TEXT, Kind.BOOLEAN}


def check_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with the columns that are understood, in their expected types. Raises InvalidInput."""
    names = set(batch.schema.names)
    if "series" not in names and not {"twin", "property"} <= names:
        raise InvalidInput("a frame needs the columns `twin` and `property`, or `series`; it has " + _listed(names))
    if "value" not in names:
        raise InvalidInput("a frame needs the column `value`; it has " + _listed(names))
    if batch.num_rows > MAX_ROWS:
        raise InvalidInput(f"a frame of {batch.num_rows} rows is too long; send at most {MAX_ROWS} at once")
    columns: dict[str, pa.Array] = {"value": batch.column("value")}
    try:
        if "series" in names:
            columns["series"] = batch.column("series").cast(pa.int64())
        else:
            columns |= {name: _dictionary(batch.column(name)) for name in ("twin", "property")}
        if "time" in names:
            time = batch.column("time")
            if pa.types.is_timestamp(time.type):
                time = time.cast(pa.timestamp("us", tz=time.type.tz), safe=False)
            columns["time"] = time.cast(pa.int64())
        if "quality" in names:
            columns["quality"] = pc.fill_null(batch.column("quality").cast(pa.uint8()), 0)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"a column of the frame cannot be read: {error!s:.200}") from error
    for name, column in columns.items():
        if name in ("series", "twin", "property") and column.null_count:
            raise InvalidInput(f"the column `{name}` of a frame must not have nulls")
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))[:200] or "none"


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if not (pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type)):
        column = column.cast(pa.dictionary(pa.int32(), pa.string()))
    return column


@dataclass(slots=True)
class _Resolved:
    """What the distinct pairs of a frame are; index k is a pair."""

    plans: list[Plan | None]
    names: list[tuple[str, str]]
    missing: list[str]  # why there is no plan
    series: NDArray[np.int64]
    form: NDArray[np.int8]  # index of Form; -1: the careful way
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def _resolved(
    taker: Taker, source: str, plans: list[Plan | None], names: list[tuple[str, str]], missing: list[str]
) -> _Resolved:
    size = len(plans)
    low, high = np.zeros(size), np.zeros(size)
    found = _Resolved(plans, names, missing, np.zeros(size, np.int64), np.full(size, -1, np.int8), low, high)
    for k, plan in enumerate(plans):
        if plan is None or not taker.plans.is_open(plan, source):
            continue
        found.series[k] = plan.series
        open_ended = plan.kind is Kind.ENUMERATION and not plan.property.values
        free = plan.kind is Kind.ARRAY and plan.property.minimum is None and plan.property.maximum is None
        if plan.kind in _PLAIN or open_ended or free:
            found.form[k] = _FORMS.index(plan.form)
        found.low[k], found.high[k] = (0, 1) if plan.kind is Kind.BOOLEAN else (plan.low, plan.high)
    return found


class Resolver:
    """Keeps the last names of each source resolved, as the next frame mostly has the same."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, pa.Array, pa.Array, NDArray[np.int64], _Resolved]] = {}

    def pairs(self, taker: Taker, source: str, batch: pa.RecordBatch) -> tuple[NDArray[np.int64], _Resolved]:
        """(k of each row, what the pairs are)."""
        twins, names = batch.column("twin"), batch.column("property")
        width = max(1, len(names.dictionary))
        pair = twins.indices.to_numpy().astype(np.int64) * width + names.indices.to_numpy()
        distinct, codes = _factorised(pair, len(twins.dictionary) * width)
        kept = self._of.get(source)
        if (
            kept is not None
            and kept[0] == taker.plans.revision
            and len(kept[3]) == len(distinct)
            and bool((kept[3] == distinct).all())
            and kept[1].equals(twins.dictionary)
            and kept[2].equals(names.dictionary)
        ):
            return codes, kept[4]
        twin_names, property_names = twins.dictionary.to_pylist(), names.dictionary.to_pylist()
        pairs = zip((distinct // width).tolist(), (distinct % width).tolist(), strict=True)
        told = [(twin_names[twin], property_names[name]) for twin, name in pairs]
        plans, missing = _plans(taker, source, told)
        found = _resolved(taker, source, plans, told, missing)
        if len(self._of) > 256:
            self._of.clear()
        self._of[source] = (taker.plans.revision, twins.dictionary, names.dictionary, distinct, found)
        return codes, found


def _plans(taker: Taker, source: str, names: list[tuple[str, str]]) -> tuple[list[Plan | None], list[str]]:
    plans: list[Plan | None] = []
    missing: list[str] = []
    for twin, name in names:
        try:
            plan = taker.plans.resolve(twin, name)
            plans.append(plan if plan.guarded else taker.plans.resolve_for(source, twin, name))
            missing.append("")
        except Refused as refused:
            plans.append(None)
            missing.append(refused.code)
    return plans, missing


def _factorised(numbers: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(distinct numbers ascending, index of each number among them); numbers are in [0, size)."""
    if size > PAIR_TABLE:
        distinct, codes = np.unique(numbers, return_inverse=True)
        return distinct, codes
    present = np.zeros(size, dtype=np.bool_)
    present[numbers] = True
    distinct = np.flatnonzero(present)
    table = np.empty(size, dtype=np.int64)
    table[distinct] = np.arange(len(distinct))
    return distinct, table[numbers]


def _by_series(taker: Taker, source: str, batch: pa.RecordBatch) -> tuple[NDArray[np.int64], _Resolved]:
    encoded = batch.column("series").dictionary_encode()
    directory = taker.plans.directory
    plans: list[Plan | None] = []
    names: list[tuple[str, str]] = []
    missing: list[str] = []
    for series in encoded.dictionary.to_pylist():
        twin, number = split_series(series)
        entry, ref = directory.entry(twin), directory.property(number)
        current = entry.properties.get(ref.property.name) if entry and ref else None
        same = entry is not None and current is not None and current.number == number
        plan = taker.plans.plan(entry, current) if same and entry and current else None
        names.append((plan.twin, plan.property.name) if plan else (f"series {series}", ""))
        refused = plan is not None and plan.property.computed is not None and source != COMPUTED
        plans.append(None if refused else plan)
        missing.append("computed" if refused else "" if plan else "unknown-twin")
    return encoded.indices.to_numpy().astype(np.int64), _resolved(taker, source, plans, names, missing)


def take_frame(taker: Taker, resolver: Resolver, item: Item) -> Outcome:
    """Take one frame that `check_batch` passed. Raises the error of the first refusal if the item is strict."""
    batch, builder = item.frame, taker.builder
    assert batch is not None
    outcome, mark = Outcome(builder.count), builder.mark()
    taker.watermarks.mark()
    if item.identity is not None and not taker.watermarks.take(item.source, *item.identity):
        outcome.repeated = batch.num_rows
        return outcome
    codes, found = (
        _by_series(taker, item.source, batch)
        if "series" in batch.schema.names
        else resolver.pairs(taker, item.source, batch)
    )
    told = _told(batch, taker.window(item.source))
    if item.scope is not None:
        told.good &= np.array([plan is not None and item.scope(plan.twin) for plan in found.plans], np.bool_)[codes]
    chunks, good = _chunks(batch, told, codes, found)
    rest = np.flatnonzero(~good)
    taker.close_columns()
    builder.chunks(chunks)
    outcome.accepted = sum(len(chunk.series) for chunk in chunks)
    if len(rest):
        try:
            rows = Rows(batch, codes, found.plans, found.names, found.missing)
            rest = take_apart(taker, item, rows, rest, outcome)
            if len(rest):
                taker.carefully(item, readings_of(rows_of(rows, rest)), outcome)
            if item.strict and outcome.quarantined:
                raise error_of(outcome.problems[0])
        except GemelError:
            taker.back_to(mark)
            taker.watermarks.back()
            raise
    outcome.end = builder.count
    return outcome


@dataclass(slots=True)
class _Told:
    """What the rows say besides their value; `good`: what of it may be believed."""

    time: NDArray[np.int64]
    quality: NDArray[np.uint8]
    good: NDArray[np.bool_]


def _told(batch: pa.RecordBatch, window: Window) -> _Told:
    names, count = batch.schema.names, batch.num_rows
    told = _Told(np.empty(0, np.int64), np.zeros(count, np.uint8), np.ones(count, np.bool_))
    if "time" in names:
        column = batch.column("time")
        told.time = (pc.fill_null(column, window.now) if column.null_count else column).to_numpy()
        told.good = (told.time >= window.earliest) & (told.time <= window.latest)
    else:
        told.time = np.full(count, window.now, dtype=np.int64)
    value = batch.column("value")
    null = value.is_null().to_numpy(zero_copy_only=False) if value.null_count else None
    if "quality" in names:
        told.quality = batch.column("quality").to_numpy()
        plain = told.quality < Quality.UNAVAILABLE
        told.good &= plain if null is None else plain | (null & (told.quality <= Quality.UNAVAILABLE))
    if null is not None:
        told.quality = np.where(null, np.uint8(Quality.UNAVAILABLE), told.quality).astype(np.uint8)
    return told


def _chunks(
    batch: pa.RecordBatch, told: _Told, codes: NDArray[np.int64], found: _Resolved
) -> tuple[list[Chunk], NDArray[np.bool_]]:
    """The rows that are plainly good, by form, and which they are."""
    count, value = batch.num_rows, batch.column("value")
    series, forms = found.series[codes], found.form[codes]
    chunks: list[Chunk] = []
    taken = np.zeros(count, dtype=np.bool_)
    for index in np.unique(found.form).tolist():
        converted = _converted(_FORMS[index], value, codes, found) if index >= 0 else None
        if converted is None:
            continue
        mine = told.good & converted[1] & (forms == index)
        taken |= mine
        if mine.all():
            chunks.append(Chunk(_FORMS[index], series, told.time, converted[0], told.quality, np.arange(count)))
            continue
        at = np.flatnonzero(mine)
        chosen = converted[0].take(pa.array(at))
        chunks.append(Chunk(_FORMS[index], series[at], told.time[at], chosen, told.quality[at], at))
    _close_ranks(chunks)
    return chunks, taken


def _close_ranks(chunks: list[Chunk]) -> None:
    """Make `order` dense over all chunks: rows that were not taken leave no hole."""
    if len(chunks) == 1:
        chunks[0].order[:] = np.arange(len(chunks[0].order))
        return
    if chunks:
        rank = np.argsort(np.argsort(np.concatenate([chunk.order for chunk in chunks])))
        start = 0
        for chunk in chunks:
            chunk.order[:] = rank[start : start + len(chunk.order)]
            start += len(chunk.order)


def _converted(
    form: Form, value: pa.Array, codes: NDArray[np.int64], found: _Resolved
) -> tuple[pa.Array, NDArray[np.bool_]] | None:
    """The values in the type of `form`, and which of them fit their property; None: the careful way."""
    type_ = value.type
    if form in (Form.NUMBER, Form.INTEGER):
        if not (pa.types.is_integer(type_) or pa.types.is_floating(type_)):
            return None
        numbers = (pc.fill_null(value, 0) if value.null_count else value).to_numpy(zero_copy_only=False)
        low, high = found.low, found.high
        if len(low) and (low == low[0]).all() and (high == high[0]).all():
            fits = (numbers >= low[0]) & (numbers <= high[0])
        else:
            fits = (numbers >= low[codes]) & (numbers <= high[codes])
        if value.null_count:
            fits |= value.is_null().to_numpy(zero_copy_only=False)
        if pa.types.is_uint64(type_):
            fits &= numbers <= np.uint64(MAX_INTEGER)
        if form is Form.INTEGER and not pa.types.is_integer(type_):
            fits &= (numbers == np.floor(numbers)) & (np.abs(numbers) <= 2**53)
            value = pa.array(np.where(fits, numbers, 0).astype(np.int64), mask=_mask(value))
        return value.cast(VALUE_TYPES[form], safe=False), fits
    if form is Form.TEXT:
        if not (pa.types.is_string(type_) or pa.types.is_large_string(type_)):
            return None
        size = pc.fill_null(pc.binary_length(value), 0).to_numpy(zero_copy_only=False)
        return value.cast(pa.large_utf8()), size <= MAX_TEXT_BYTES
    if not (pa.types.is_list(type_) or pa.types.is_large_list(type_)) or not pa.types.is_floating(type_.value_type):
        return None
    items = value.flatten()
    if items.null_count or not np.isfinite(items.to_numpy(zero_copy_only=False)).all():
        return None
    return value.cast(VALUE_TYPES[form]), np.ones(len(value), dtype=np.bool_)


def _mask(value: pa.Array) -> NDArray[np.bool_] | None:
    return value.is_null().to_numpy(zero_copy_only=False) if value.null_count else None

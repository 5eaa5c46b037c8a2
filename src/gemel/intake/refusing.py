"""Rows of a frame that are refused together: one judgement, one line in the quarantine for many of one reason.

A device with a wrong clock sends whole frames that cannot be taken; judging them row by row would hold the writer for
seconds. What the vectors say is only where to look: the first row of each group is judged as any reading is, and the
group goes with it if the reason is the one that was foreseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.intake.base import Refusal, Reported
from gemel.intake.outcome import ONE_BY_ONE, Outcome
from gemel.intake.payloads import RUN_SCHEMA, readings_of
from gemel.intake.quarantine import Held
from gemel.intake.queue import Item
from gemel.intake.taker import Taker
from gemel.intake.validate import Plan
from gemel.twin import Form, Kind, Quality

__all__ = ["Rows", "rows_of", "take_apart"]

_CODES = (
    "",
    "not-granted",
    "unknown-twin",
    "unknown-property",
    "computed",
    "not-its-source",
    "clock",
    "kind",
    "not-finite",
    "range",
)
_PLACE = {code: place for place, code in enumerate(_CODES)}
_TEXTS = {Kind.TEXT, Kind.ENUMERATION}
_NUMBERS = {Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN}
GROUPS = 256
"""So many groups of one twin and one reason at most; where there are more, a group has all twins of one reason."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A frame, and what its distinct pairs of twin and property are; row i has the pair codes[i]."""

    batch: pa.RecordBatch
    codes: NDArray[np.int64]
    plans: list[Plan | None]
    names: list[tuple[str, str]]
    """Twin and property of each pair as they were told."""
    missing: list[str]
    """The code for which a pair without a plan is refused."""


def rows_of(rows: Rows, at: NDArray[np.int64]) -> pa.RecordBatch:
    """Some rows as they came, in the columns of the quarantine."""
    batch, pairs = rows.batch, pa.array(rows.codes[at])
    names, place = batch.schema.names, pa.array(at)
    count = len(at)
    columns = [
        pa.array([twin for twin, _ in rows.names], pa.string()).take(pairs),
        pa.array([name for _, name in rows.names], pa.string()).take(pairs),
        batch.column("time").take(place) if "time" in names else pa.nulls(count, pa.int64()),
        batch.column("value").take(place),
        batch.column("quality").take(place) if "quality" in names else pa.array(np.zeros(count, np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, names=RUN_SCHEMA)


def take_apart(taker: Taker, item: Item, rows: Rows, at: NDArray[np.int64], outcome: Outcome) -> NDArray[np.int64]:
    """Refuse what can be refused together of the rows `at`; returns the others, ascending, for the careful way."""
    foreseen = _foreseen(taker, item, rows, at)
    careful = [at[foreseen == 0]]
    for code, group in _groups(rows, at[foreseen > 0], foreseen[foreseen > 0]):
        if len(group) <= ONE_BY_ONE:
            careful.append(group)
            continue
        (first,) = readings_of(rows_of(rows, group[:1]))
        refused = taker.judge(item, first)
        if refused is None or refused.code != code:
            careful.append(group)
            continue
        refusal = _refusal(refused.code, refused.detail, rows, group, first)
        outcome.refuse(Held(item.source, taker.now, refusal, rows_of(rows, group), item.actor))
    return np.sort(np.concatenate(careful))


def _refusal(code: str, detail: str, rows: Rows, group: NDArray[np.int64], first: Reported) -> Refusal:
    told = {rows.names[k] for k in np.unique(rows.codes[group]).tolist()}
    twins, names = {twin for twin, _ in told}, {name for _, name in told}
    return Refusal(
        code=code,
        detail=detail,
        twin=first.twin if len(twins) == 1 else "",
        property=first.property if len(names) == 1 else "",
        count=len(group),
    )


def _foreseen(taker: Taker, item: Item, rows: Rows, at: NDArray[np.int64]) -> NDArray[np.int8]:
    """int8[n]: the place in _CODES of the reason for which a row will be refused; 0: only a careful look tells."""
    pairs = rows.codes[at]
    why = np.zeros(len(at), np.int8)
    value = _value_reasons(rows, at, pairs)
    why[:] = value
    if "time" in rows.batch.schema.names:
        low, high, _ = taker.window(item.source)
        column = rows.batch.column("time").take(pa.array(at))
        time = pc.fill_null(column, low).to_numpy()
        why[(time < low) | (time > high)] = _PLACE["clock"]
    codes = (code if plan is None else _guarded(taker, plan, item.source) for plan, code in _zip(rows))
    of_pair = np.array([_PLACE[code] if code else 0 for code in codes], np.int8)
    why = np.where(of_pair[pairs] > 0, of_pair[pairs], why)
    if item.scope is not None:
        scope = item.scope
        outside = np.array([not scope(twin) for twin, _ in rows.names], np.bool_)
        why = np.where(outside[pairs], np.int8(_PLACE["not-granted"]), why)
    return why


def _guarded(taker: Taker, plan: Plan, source: str) -> str:
    return "not-its-source" if taker.plans.objection(plan, source) else ""


def _zip(rows: Rows) -> Iterator[tuple[Plan | None, str]]:
    return zip(rows.plans, rows.missing, strict=True)


def _value_reasons(rows: Rows, at: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int8]:
    """Reasons that lie in the values themselves, of rows that have one."""
    value = rows.batch.column("value").take(pa.array(at))
    why = np.zeros(len(at), np.int8)
    kinds = [plan.kind if plan is not None else None for plan in rows.plans]
    numeric = np.array([kind in _NUMBERS for kind in kinds], np.bool_)[pairs]
    texts = np.array([kind in _TEXTS for kind in kinds], np.bool_)[pairs]
    type_ = value.type
    if pa.types.is_floating(type_) or pa.types.is_integer(type_):
        why[texts] = _PLACE["kind"]
        _of_numbers(rows, pairs, value, why)
    elif pa.types.is_string(type_) or pa.types.is_large_string(type_):
        why[numeric] = _PLACE["kind"]
    elif pa.types.is_boolean(type_):
        why[texts] = _PLACE["kind"]
    why[value.is_null().to_numpy(zero_copy_only=False)] = 0
    if "quality" in rows.batch.schema.names:
        quality = rows.batch.column("quality").take(pa.array(at)).to_numpy()
        why[quality >= Quality.UNAVAILABLE] = 0
    return why


def _of_numbers(rows: Rows, pairs: NDArray[np.int64], value: pa.Array, why: NDArray[np.int8]) -> None:
    ranged = np.array([p is not None and p.form in (Form.NUMBER, Form.INTEGER) for p in rows.plans], np.bool_)
    ranged &= np.array([p is None or p.kind is not Kind.BOOLEAN for p in rows.plans], np.bool_)
    low = np.array([0.0 if p is None else p.low for p in rows.plans])
    high = np.array([0.0 if p is None else p.high for p in rows.plans])
    numbers = pc.fill_null(value, 0).to_numpy(zero_copy_only=False).astype(np.float64)
    finite = np.isfinite(numbers)
    outside = finite & ((numbers < low[pairs]) | (numbers > high[pairs])) & (np.abs(numbers) < 2.0**53)
    of_number = np.array([p is not None and p.kind is Kind.NUMBER for p in rows.plans], np.bool_)[pairs]
    whole = of_number | (numbers == np.floor(np.where(finite, numbers, 0.0)))
    why[ranged[pairs] & outside & whole] = _PLACE["range"]
    why[of_number & ~finite] = _PLACE["not-finite"]


def _groups(rows: Rows, at: NDArray[np.int64], why: NDArray[np.int8]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """(code, rows ascending) of each reason and twin, or of each reason where there are too many twins."""
    if not len(at):
        return
    numbers: dict[str, int] = {}
    twin = np.array([numbers.setdefault(twin, len(numbers)) for twin, _ in rows.names], np.int64)
    key = twin[rows.codes[at]] * len(_CODES) + why
    if len(np.unique(key)) > GROUPS:
        key = why.astype(np.int64)
    order = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    for group in np.split(order, cuts):
        yield _CODES[int(why[group[0]])], at[group]

"""Nonconformances that an inspection opens: one for each characteristic of an item that is out of tolerance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from sqlalchemy import Connection, select

from gemel.configuration import Basis, Configuration, Level, Wish, operations, tables
from gemel.errors import GemelError
from gemel.thread.importing.found import Given
from gemel.thread.importing.mapping import QifSource
from gemel.thread.values import Measurement, Status

__all__ = ["raise_failed"]

_AT_ONCE = 10
"""Nonconformances in one transaction of the writer."""


def raise_failed(
    configuration: Configuration,
    tx: Connection,
    given: Given,
    measurements: Iterable[tuple[Measurement, str]],
    source: str,
) -> None:
    """Open those that were not opened before; what was opened once stays as it was judged. What cannot be is noted of
    the file, and hinders no other.

    They are what a program says, so they stay when whoever imported them is erased. `measurements`: with their places
    in the file.
    """
    if not isinstance(given.source, QifSource) or not given.source.raises:
        return
    level = Level(given.source.raises)
    failed = [one for one in measurements if one[0].status is Status.FAIL]
    wished = list(_wishes(failed, level, source, _born(tx, sorted({one.item for one, _ in failed}))))
    told = _told(tx, source, [wish for wish, _ in wished])
    wished = [one for one in wished if one[0].basis.key not in told]
    program = configuration.as_("")
    for first in range(0, len(wished), _AT_ONCE):
        some = wished[first : first + _AT_ONCE]
        try:
            program.together([wish for wish, _ in some], lambda _tx, _done: ())
        except GemelError:
            outcomes = program.do_all([wish for wish, _ in some])
            for (wish, place), outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, GemelError):
                    about = wish.basis.reason
                    given.found.fault(place, f"no nonconformance is opened of {about!r:.120}: {outcome.detail}", "note")


def _wishes(
    failed: Sequence[tuple[Measurement, str]], level: Level, source: str, born: dict[str, int]
) -> Iterator[tuple[Wish, str]]:
    for one, place in failed:
        if one.item not in born:
            continue
        at = born[one.item] if one.time is None else max(one.time, born[one.item])
        marked = f"{one.inspection}\n{one.item}\n{one.characteristic}"
        basis = Basis(
            source=source,
            evidence=f"record:{one.inspection}",
            key=f"nonconformance {sha256(marked.encode()).hexdigest()[:32]}",
            reason=_said(one),
        )
        yield Wish(operation=operations.Raise(item=one.item, at=at, level=level), basis=basis), place


def _said(one: Measurement) -> str:
    bounds = f"{'' if one.lower is None else f'{one.lower:g}'} … {'' if one.upper is None else f'{one.upper:g}'}"
    if one.value is None:
        return f"{one.characteristic} is out of tolerance"
    off = "" if one.off is None else f", {one.off:.3g} {one.unit} out of {bounds.strip()}"
    return f"{one.characteristic}: {one.value:g} {one.unit}{off}"


def _born(tx: Connection, items: Sequence[str]) -> dict[str, int]:
    x = tables.item.c
    found: dict[str, int] = {}
    for first in range(0, len(items), 500):
        some = items[first : first + 500]
        found |= {row.id: row.born for row in tx.execute(select(x.id, x.born).where(x.id.in_(some)))}
    return found


def _told(tx: Connection, source: str, wishes: Sequence[Wish]) -> set[str]:
    """The keys under which one was opened already."""
    a, keys = tables.act.c, [one.basis.key for one in wishes]
    found: set[str] = set()
    for first in range(0, len(keys), 500):
        asked = select(a.key).where(a.source == source, a.key.in_(keys[first : first + 500]))
        found.update(tx.scalars(asked))
    return found

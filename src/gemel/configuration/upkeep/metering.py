"""Use that machines tell themselves: a property of a machine's twin becomes the use of it and of all that is in it.

By declared rules, a day at a time (UTC), as acts like any other. A day that was told is not told again; when readings
of one of the last days came late, its act is withdrawn with the reason, and told anew in the same transaction.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from typing import Any, Literal

import msgspec
import numpy as np
import structlog
from sqlalchemy import and_, func, select

from gemel.clock import SECOND, Clock, to_rfc3339
from gemel.configuration import tables
from gemel.configuration.acts.doing import Wish
from gemel.configuration.belief import believed
from gemel.configuration.configuration import Configuration
from gemel.configuration.operations import Use, Withdraw
from gemel.configuration.values import Basis
from gemel.database import Database
from gemel.errors import Conflict, GemelError, UnknownProperty
from gemel.history import History, Rows
from gemel.registry import Registry
from gemel.twin import Quality

__all__ = ["SOURCE", "Metering", "UsageRule", "amount_of"]

SOURCE = "meter"
"""Of the acts that come of rules."""
DAY = 24 * 3600 * SECOND
LATENESS = 3600 * SECOND
"""So long after its end a day is told."""
_BACK_DAYS = 31
_AGAIN_DAYS = 3
_SAME = 1e-6
_BUDGET_S = 0.1
_log = structlog.get_logger("gemel.configuration")


class UsageRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the use of machines of a twin type is metered."""

    kind: str
    """As it is counted and limited: hours, strokes, starts …"""
    type: str
    """Of the machine's twin."""
    property: str
    how: Literal["counter", "time"] = "counter"
    """counter: what it gained (a fall is a reset to zero); time: hours in which it was true, or more than zero."""


class _Due(msgspec.Struct, frozen=True):
    rule: UsageRule
    item: str
    twin: str
    day: int

    @property
    def key(self) -> str:
        item = self.item if len(self.item) <= 100 else hashlib.blake2b(self.item.encode(), digest_size=16).hexdigest()
        return f"{item}:{self.rule.kind}:{to_rfc3339(self.day)[:10]}"


class Metering:
    """Folds what machines reported into acts, a little at each step. One thread at a time."""

    def __init__(
        self,
        configuration: Configuration,
        database: Database,
        registry: Registry,
        clock: Clock,
        *,
        rules: tuple[UsageRule, ...],
    ) -> None:
        self._configuration, self._rules = configuration.as_("gemel"), rules
        self._database, self._registry, self._clock = database, registry, clock
        self._due: deque[_Due] = deque()
        self._looked = 0
        """The day up to which it was looked."""

    def step(self, history: History) -> int:
        """What is due now, for a tenth of a second at most; returns how many acts were told."""
        if not self._rules:
            return 0
        today = (self._clock.now() - LATENESS) // DAY * DAY
        if not self._due and today > self._looked:
            self._due.extend(self._days(today))
            self._looked = today
        told, end = 0, self._clock.monotonic() + _BUDGET_S
        while self._due:
            try:
                told += self._fold(self._due.popleft(), history)
            except GemelError as error:
                _log.warning("the use of an item was not metered", error=error.detail)
            if self._clock.monotonic() >= end:
                break
        return told

    @property
    def waiting(self) -> int:
        """Days of items that are yet to be looked at."""
        return len(self._due)

    def _days(self, today: int) -> list[_Due]:
        """Of each item with such a twin: the days that were never told, and the last ones again."""
        x, a = tables.item.c, tables.act.c
        found: list[_Due] = []
        first = today - _BACK_DAYS * DAY
        with self._database.read() as tx:
            known = set(tx.scalars(select(a.key).where(a.source == SOURCE, a.time >= first)))
            for rule in self._rules:
                directory = self._registry.directory
                if directory.type(rule.type) is None:
                    continue
                twins = set(directory.ids(directory.numbers(rule.type).tolist()))
                for row in tx.execute(select(x.id, x.twin, x.born).where(x.twin != "", x.merged.is_(None))):
                    if row.twin not in twins:
                        continue
                    for day in range(max(first, row.born // DAY * DAY), today, DAY):
                        due = _Due(rule, row.id, row.twin, day)
                        if due.key not in known or day >= today - _AGAIN_DAYS * DAY:
                            found.append(due)
        return found

    def _fold(self, due: _Due, history: History) -> int:
        with self._database.read() as tx:
            born = tx.scalar(select(tables.item.c.born).where(tables.item.c.id == due.item))
        start, end = max(due.day, int(born or 0)), due.day + DAY
        try:
            rows = history.readings(due.twin, due.rule.property, start, end)
        except UnknownProperty:
            return 0
        amount = amount_of(due.rule, rows, start, end)
        times, before = self._told(due)
        if amount is None or (before is not None and abs(before[1] - amount) <= _SAME * max(1.0, abs(amount))):
            return 0
        if before is None and times:  # somebody withdrew it: people know better
            return 0
        wishes: list[Wish] = []
        if before is not None:
            reason = f"readings of {due.key} came late: {amount:g}, not {before[1]:g}"
            wishes.append(Wish(operation=Withdraw(act=before[0]), basis=Basis(source=SOURCE, reason=reason)))
        again = f"#{times + 1}" if times else ""
        basis = Basis(source=SOURCE, key=due.key + again, evidence=f"{due.twin}.{due.rule.property}")
        use = Use(item=due.item, kind=due.rule.kind, start=start, end=end, amount=amount)
        wishes.append(Wish(operation=use, basis=basis))
        try:
            self._configuration.together(wishes, lambda _tx, _done: ())
        except Conflict:  # somebody told of that time: people know better
            return 0
        return 1

    def _told(self, due: _Due) -> tuple[int, tuple[int, float] | None]:
        """How often a day was told, and the act and amount of it that is believed."""
        a, u = tables.act.c, tables.usage.c
        mine = and_(a.source == SOURCE, (a.key == due.key) | a.key.startswith(due.key + "#", autoescape=True))
        with self._database.read() as tx:
            times = int(tx.scalar(select(func.count()).where(mine)) or 0)
            asked = select(u.begun_by, u.amount).join(tables.act, a.number == u.begun_by)
            row: Any = tx.execute(asked.where(mine, believed(tables.usage))).first()
        return times, None if row is None else (int(row.begun_by), float(row.amount))


def amount_of(rule: UsageRule, rows: Rows, start: int, end: int) -> float | None:
    """How much was used in [start, end), of the readings in force then; None: nobody told.

    counter: Σ max(0, v[i] - v[i-1]), and v[i] after a fall. time: ∫ (v > 0) dt in hours, as far as v is known.
    """
    known = [
        float(value) if value is not None and quality <= Quality.UNCERTAIN else math.nan
        for value, quality in zip(rows.value.to_pylist(), rows.quality, strict=True)
    ]
    values = np.array(known)
    good = ~np.isnan(values)
    if not good.any():
        return None
    if rule.how == "counter":
        told = values[good]
        if len(told) < 2:
            return None if int(rows.time[good][-1]) < start else 0.0
        steps = np.diff(told)
        return float(np.where(steps >= 0, steps, told[1:]).sum())
    edges = np.append(np.maximum(rows.time, start), end)
    return float((np.diff(edges) * (values > 0)).sum() / (3600 * SECOND))

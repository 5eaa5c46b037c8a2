"""What one item is expected to do: its life, its pace, its limits, and what a model makes of them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from gemel.configuration import Configuration, Item
from gemel.health.learning.training import Parameters
from gemel.health.learning.values import CALENDAR, Asked
from gemel.health.lifetimes.lives import Lives
from gemel.health.lifetimes.predicting import DAY, expect, moment_after, pace_of
from gemel.health.lifetimes.values import Limit, Model, Pace, Prediction, Risk

__all__ = ["Outlook", "expected", "risk_of", "why_not"]

PACE_DAYS, PACE_TIMES = 7.0, 8
"""Its pace is that of so many weeks."""


class Outlook:
    """Reads what an item has behind it. Any thread."""

    def __init__(self, configuration: Configuration, lives: Lives) -> None:
        self._configuration, self._lives = configuration, lives

    def life(self, asked: Asked, item: str, at: int, known: int | None) -> dict[str, Any] | None:
        """The life that an item is in, or its last one."""
        table = self._lives.table(asked, at, known=known, items=[item])
        found: list[dict[str, Any]] = table.to_pylist()
        return max(found, key=lambda row: row["life"], default=None)

    def pace(self, item: Item, counter: str, at: int, known: int | None) -> Pace | None:
        if counter == CALENDAR:
            return Pace(per_day=1.0, low=1.0, high=1.0, days=0.0)
        step = int(PACE_DAYS * DAY)
        moments = [at - n * step for n in range(PACE_TIMES, -1, -1) if at - n * step >= item.born]
        if len(moments) < 3:
            return None
        number = self._configuration.spells([item.part], at, known=known, items=[item.id])["number"]
        if not len(number):
            return None
        asked = pa.table(
            {
                "item": pa.array([number[0].as_py()] * len(moments), pa.int64()),
                "kind": pa.array([counter] * len(moments), pa.string()),
                "until": pa.array(moments, pa.int64()),
            }
        )
        told = self._configuration.counts(asked, known=known).sort_by("until")
        used = (told["amount"].to_numpy() - told["adjusted"].to_numpy()).tolist()
        silent = np.diff(told["untold"].to_numpy()) >= 0.99 * step
        amounts = [after - before for before, after, gap in zip(used, used[1:], silent, strict=False) if not gap]
        return pace_of(amounts, PACE_DAYS)

    def limits(self, item: Item, at: int, known: int | None) -> list[Limit]:
        found = []
        for one in self._configuration.limits(item.id, at, known=known):
            pace = self.pace(item, one.kind, at, known)
            moments: list[int | None] = [None, None, None]
            if pace is not None:
                moments = [moment_after(at, one.remaining, rate) for rate in (pace.per_day, pace.high, pace.low)]
            found.append(
                Limit(
                    kind=one.kind,
                    limit=one.limit,
                    hard=one.hard,
                    remaining=one.remaining,
                    time=moments[0],
                    earliest=moments[1],
                    latest=moments[2],
                )
            )
        return found


def why_not(row: dict[str, Any] | None, parameters: Parameters | None, model: Model) -> str:
    """Why nothing can be told of this life; empty: something can."""
    if row is None:
        return f"it was in no machine yet, or is none of {', '.join(model.asked.parts)[:200]}"
    if row["ended"] == "failed":
        return f"it has failed: {row['mode']}"
    return model.why if parameters is None else ""


def expected(
    told: Prediction, model: Model, parameters: Parameters, row: dict[str, Any], *, by_use: bool
) -> Prediction:
    """`told`, with what the model expects; `by_use`: of its `more`, not of its `until`."""
    pace, why = told.pace, ""
    more = (told.more, told.more, told.more)
    until = told.until
    if until is not None and not by_use:
        if pace is None:
            return msgspec.structs.replace(told, why="nobody tells how much it is used, so not what that moment means")
        days = (until - told.at) / DAY
        more = (days * pace.per_day, days * pace.low, days * pace.high)
    elif pace is not None:
        until = moment_after(told.at, more[0], pace.per_day)
    strange = parameters.encoding.strange(row)
    if strange:
        why = f"no life that was learnt from had {', '.join(strange)}: it is held for a usual one"
    if row["ended"] == "removed":
        why = "; ".join(filter(None, (why, "it is in no machine now: this is of when it is used again")))
    x = parameters.encoding.matrix([row])[0]
    found = expect(parameters, x, told.age, more, model.seed)
    moments: list[int | None] = [None, None, None]
    if pace is not None and row["ended"] == "running":
        uses = ((found.left, pace.per_day), (found.left_low, pace.high), (found.left_high, pace.low))
        moments = [moment_after(told.at, use, rate) for use, rate in uses]
    has = {
        (column.feature, column.level) for column, value in zip(parameters.encoding.columns, x, strict=True) if value
    }
    return msgspec.structs.replace(
        told,
        more=more[0],
        until=until,
        probability=found.probability,
        low=found.low,
        high=found.high,
        left=found.left,
        left_low=found.left_low,
        left_high=found.left_high,
        fails=moments[0],
        fails_low=moments[1],
        fails_high=moments[2],
        curve=found.curve,
        influences=tuple(one for one in model.effects if (one.feature, one.level) in has),
        why=why,
    )


def risk_of(row: dict[str, Any], probability: float, low: float, high: float, left: float) -> Risk:
    """A row of a list by risk."""
    named = {name: row[name] for name in ("item", "part", "revision", "machine", "position")}
    return Risk(**named, age=row["exit"], probability=probability, low=low, high=high, left=min(left, 1e300))

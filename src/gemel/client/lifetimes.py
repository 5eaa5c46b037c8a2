"""How long items live, over the network, each verb one request. Answers are plain data, as docs/reference/http.md
shows them; tables are Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemel.client.jobs import finished
from gemel.client.transport import Transport, path_of
from gemel.client.values import table_of
from gemel.clock import Moment, moment, to_rfc3339

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Lifetimes"]

Row = dict[str, Any]


class Lifetimes:
    """`client.lifetimes`."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def table(
        self,
        parts: Sequence[str],
        *,
        counter: str = "days",
        events: Sequence[str] = (),
        conditions: Sequence[str] = (),
        changing: bool = False,
        at: Moment | None = None,
        known: Moment | None = None,
    ) -> pa.Table:
        """One row a life; with `changing`, one for each time in which nothing changed. `.to_pandas()` gives a frame."""
        asked = _asked(parts, counter, events, conditions, changing)
        params = asked | {"format": "arrow"} | _times(at, known)
        body = self._at.request("GET", path_of("lifetimes", "lives"), params=params).content
        return table_of(body)

    def export(
        self,
        target: Path,
        parts: Sequence[str],
        *,
        counter: str = "days",
        events: Sequence[str] = (),
        conditions: Sequence[str] = (),
        changing: bool = False,
        form: str = "parquet",
        at: Moment | None = None,
        known: Moment | None = None,
    ) -> int:
        """The same into a file: csv, parquet or arrow. Returns how many bytes."""
        params = _asked(parts, counter, events, conditions, changing) | {"format": form} | _times(at, known)
        return target.write_bytes(self._at.request("GET", path_of("lifetimes", "lives"), params=params).content)

    def models(self) -> list[Row]:
        """The newest version of each. Raises Denied."""
        return self._at.get(list[Row], path_of("lifetimes", "models"))

    def model(self, id: str, version: int | None = None) -> Row:
        """How good it is, with the configuration and without. Raises NotFound, Denied."""
        return self._at.get(Row, path_of("lifetimes", "models", id), version=version)

    def train(
        self,
        draft: Mapping[str, Any],
        *,
        at: Moment | None = None,
        known: Moment | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Row:
        """Learn {"id", "asked": {"parts", "counter", "failures"}, "horizon", "features"}; returns when that is done.
        Whoever is interrupted meanwhile ends it. Raises GemelError when it failed."""
        job = self._at.send(Row, "POST", path_of("lifetimes", "models"), dict(draft), params=_times(at, known))
        return finished(self._at, job, progress, what="the learning", left="there is no model")

    def record(self, id: str) -> int:
        """Keep what a model expects of all items now; how many predictions were kept."""
        return int(self._at.send(Row, "POST", path_of("lifetimes", "models", id, "predictions"))["recorded"])

    def calibration(self, id: str) -> Row:
        """Whether what it said came true."""
        return self._at.get(Row, path_of("lifetimes", "models", id, "calibration"))

    def risks(self, model: str = "", **query: Any) -> Row:
        """Items that run, by risk: `more, root, at, known, limit`."""
        return self._at.get(Row, path_of("lifetimes", "risks"), model=model, **_texts(query))

    def predict(self, item: str, **query: Any) -> Row:
        """What is expected of one: `model, more, until, at, known`. Raises NotFound."""
        return self._at.get(Row, path_of("items", item, "prediction"), **_texts(query))

    def recorded(self, item: str, *, limit: int = 100) -> list[Row]:
        """What was expected of one, and what became of it, the newest first."""
        return self._at.get(list[Row], path_of("items", item, "predictions"), limit=limit)


def _asked(parts: Sequence[str], counter: str, events: Sequence[str], conditions: Sequence[str], changing: bool) -> Row:
    told: Row = {"part": list(parts), "counter": counter, "changing": str(changing).lower()}
    lists = {"event": list(events), "condition": list(conditions)}
    return told | {name: listed for name, listed in lists.items() if listed}


def _times(at: Moment | None, known: Moment | None) -> Row:
    return _texts({name: one for name, one in (("at", at), ("known", known)) if one is not None})


def _texts(query: Mapping[str, Any]) -> Row:
    moments = {"at", "known", "until"}
    return {
        name: to_rfc3339(moment(one)) if name in moments and not isinstance(one, str) else one
        for name, one in query.items()
        if one is not None
    }

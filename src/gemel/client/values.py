"""What the client answers with. Moments are microseconds since the epoch, UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gemel.clock import parse_time
from gemel.errors import GemelError
from gemel.twin import Link, Now, Quality, Reading, Tabular, Twin

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Average", "Head", "Me", "Plan", "Receipt", "Series", "Site", "link_of", "now_of", "table_of", "twin_of"]

T = TypeVar("T")


class Me(msgspec.Struct, frozen=True):
    """Who the platform takes the client for."""

    id: str
    name: str
    kind: str
    role: str
    roles: list[str]
    demo: bool


class Site(msgspec.Struct, frozen=True):
    """The place that the platform runs for."""

    name: str
    time_zone: str
    version: str
    position: int
    revision: int
    demo: bool
    now: str


class Head(msgspec.Struct, frozen=True):
    """The end of the journal: the hash stands for everything up to the position."""

    sequence: int
    position: int
    hash: str
    recorded: str | None


class Receipt(msgspec.Struct, frozen=True):
    """What became of what was handed in; everything accepted is on stable storage."""

    first: int = 0
    last: int = 0
    accepted: int = 0
    repeated: int = 0
    quarantined: int = 0
    problems: list[dict[str, Any]] = []


class Plan(msgspec.Struct, frozen=True):
    """The difference that `apply` made or, with `dry_run`, would make."""

    dry_run: bool
    empty: bool
    steps: list[dict[str, Any]]
    text: str
    position: int

    def __str__(self) -> str:
        return self.text


class Average(msgspec.Struct, frozen=True):
    """The time-weighted average, and for how many seconds a value was known."""

    value: float | None
    unit: str
    covered_s: float
    position: int


class Series(Tabular, msgspec.Struct, frozen=True, kw_only=True):
    """A property over a range."""

    twin: str
    property: str
    kind: str
    unit: str
    method: str
    start: int
    end: int
    resolution_s: float
    position: int
    columns: dict[str, list[Any]]
    """Equal lengths: time in microseconds with value, or min, max, mean …; states: start, end, value."""
    gaps: list[tuple[int, int]] = []


def decode(body: bytes, kind: type[T]) -> T:
    """The JSON answer as `kind`. Raises GemelError when it is not what this version of the client knows."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise GemelError(f"the platform's answer is not understood ({error}); are both of one version?") from error


def table_of(body: bytes) -> pa.Table:
    """The Arrow stream of an answer."""
    from pyarrow import ipc

    with ipc.open_stream(body) as stream:
        return stream.read_all()


def now_of(value: dict[str, Any]) -> Now:
    since = value["stale_since"]
    return Now(
        value["value"],
        parse_time(value["time"]),
        parse_time(value["recorded"]),
        parse_time(value["changed"]),
        Quality[value["quality"].upper()],
        value["position"],
        value["fresh"],
        None if since is None else parse_time(since),
    )


def reading_of(twin: str, name: str, value: dict[str, Any]) -> Reading:
    return Reading(
        twin=twin,
        property=name,
        value=value["value"],
        time=parse_time(value["time"]),
        recorded=parse_time(value["recorded"]),
        quality=Quality[value["quality"].upper()],
        position=value["position"],
    )


def twin_of(view: dict[str, Any]) -> Twin:
    known = {name: view[name] for name in ("id", "types", "name", "description", "serial", "aliases", "stage")}
    return msgspec.convert(
        {
            **known,
            "number": 0,
            "attributes": view["attributes"],
            "revision": view["revision"],
            "created": parse_time(view["created"]),
            "changed": parse_time(view["changed"]),
        },
        Twin,
    )


def link_of(view: dict[str, Any]) -> Link:
    return Link(
        kind=view["kind"],
        source=view["source"],
        target=view["target"],
        slot=view["slot"],
        since=parse_time(view["since"]),
        until=None if view["until"] is None else parse_time(view["until"]),
    )

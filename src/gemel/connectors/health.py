"""The health of a connector: what a person asks first when a value does not come, and the twin that tells it."""

from __future__ import annotations

import threading
from collections import Counter, deque

import msgspec

from gemel.clock import SECOND, to_rfc3339
from gemel.intake import Message, Reported
from gemel.twin import Freshness, FreshnessMode, Kind, LifeStage, PropertyType, TwinSpec, TwinType

__all__ = ["HEALTH_TYPE", "Health", "RateMeter", "health_message", "health_twin"]

STATES = ("starting", "connected", "lost", "waiting", "blocked", "ended", "disabled", "stopped", "failed")
WINDOW_S = 10.0
MAX_ADDRESSES = 1_000


class Health(msgspec.Struct, kw_only=True):
    """How a connector is. A copy: it does not change under its reader."""

    id: str
    kind: str
    state: str = "starting"
    """starting, connected, lost (its object is), waiting (to try again), blocked, ended, disabled, stopped."""
    detail: str = ""
    """A sentence: to what it is connected, or why not."""
    rate: float = 0.0
    """Readings and events per second over the last ten seconds."""
    lag_s: float = 0.0
    """From the newest time in the last delivery to when that was durable."""
    last_seen: int | None = None
    """When something last came from the object; microseconds since the epoch, UTC."""
    connects: int = 0
    errors: int = 0
    """Times that it failed and was started again."""
    last_error: str = ""
    readings: int = 0
    events: int = 0
    repeated: int = 0
    quarantined: int = 0
    waiting: int = 0
    """Messages that are not yet durable."""
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    """Reason → how often something came that could not be read."""
    rejected_samples: dict[str, str] = {}
    """Reason → the latest example, cut."""
    unbound: Counter[str] = msgspec.field(default_factory=Counter)
    """Address → how often something came that no binding names."""

    def problems(self) -> list[str]:
        """What a person may want to mend, a sentence each, the most frequent first."""
        found = [f"no binding for item {address} ({count} times)" for address, count in self.unbound.most_common()]
        return [f"{reason} ({count} times)" for reason, count in self.rejected.most_common()] + found


class RateMeter:
    """Counts per second over a sliding window; thread-safe."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._lock = threading.Lock()

    def add(self, now: float, count: int) -> None:
        """`now` in monotonic seconds."""
        with self._lock:
            self._counts.append((now, count))
            self._sum += count
            self._forget(now)

    def rate(self, now: float) -> float:
        with self._lock:
            self._forget(now)
            return self._sum / WINDOW_S

    def _forget(self, now: float) -> None:
        while self._counts and self._counts[0][0] <= now - WINDOW_S:
            self._sum -= self._counts.popleft()[1]


_SAMPLES = Freshness(mode=FreshnessMode.SAMPLES, within_s=30.0)

HEALTH_TYPE = TwinType(
    id="gemel_connector",
    title="Connector",
    description="How one connector is: connected or not, how much it brings, how late, and what it could not read.",
    purpose="operation",
    properties=(
        PropertyType(
            name="state", title="State", kind=Kind.ENUMERATION, values=STATES, headline=True, freshness=_SAMPLES
        ),
        PropertyType(name="rate", title="Rate", unit="/s", headline=True, minimum=0, freshness=_SAMPLES),
        PropertyType(name="lag", title="Lag", unit="s", headline=True, freshness=_SAMPLES),
        PropertyType(name="last_seen", title="Last seen", kind=Kind.TEXT, freshness=_SAMPLES),
        PropertyType(name="errors", title="Errors", kind=Kind.INTEGER, headline=True, minimum=0, freshness=_SAMPLES),
        PropertyType(name="connects", title="Connections", kind=Kind.INTEGER, minimum=0, freshness=_SAMPLES),
        PropertyType(name="readings", title="Readings", kind=Kind.INTEGER, minimum=0, freshness=_SAMPLES),
        PropertyType(name="waiting", title="Not yet durable", kind=Kind.INTEGER, minimum=0, freshness=_SAMPLES),
        PropertyType(name="quarantined", title="Quarantined", kind=Kind.INTEGER, minimum=0, freshness=_SAMPLES),
        PropertyType(name="rejected", title="Could not be read", kind=Kind.INTEGER, minimum=0, freshness=_SAMPLES),
        PropertyType(name="unbound", title="Without a binding", kind=Kind.INTEGER, minimum=0, freshness=_SAMPLES),
        PropertyType(name="detail", title="Detail", kind=Kind.TEXT, freshness=_SAMPLES),
    ),
)
"""The type of `connector.<id>`."""


def health_twin(id: str, title: str = "") -> TwinSpec:
    """The twin that tells how connector `id` is."""
    return TwinSpec(id=f"connector.{id}", types=(HEALTH_TYPE.id,), name=title or id, stage=LifeStage.IN_SERVICE)


def health_message(health: Health, now: int) -> Message:
    """The readings of the connector's twin at `now`."""
    values = {
        "state": health.state,
        "rate": health.rate,
        "lag": health.lag_s,
        "errors": health.errors,
        "connects": health.connects,
        "readings": health.readings,
        "waiting": health.waiting,
        "quarantined": health.quarantined,
        "rejected": health.rejected.total(),
        "unbound": health.unbound.total(),
        "detail": health.detail,
    }
    if health.last_seen is not None:
        values["last_seen"] = to_rfc3339(health.last_seen // SECOND * SECOND)
    twin = f"connector.{health.id}"
    return Message(readings=[Reported(twin=twin, property=name, value=v, time=now) for name, v in values.items()])

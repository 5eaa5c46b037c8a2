"""What Prometheus reads: requests, connections, positions, health of what runs inside."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]


class Metrics:
    """One registry for each server, so that several can run in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gemel_http_requests",
            "Requests by method, route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "gemel_http_request_seconds",
            "Time to answer",
            ["route"],
            registry=self.registry,
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
        )
        self.sockets = Gauge("gemel_live_sockets", "Open live sockets", registry=self.registry)
        self.streams = Gauge("gemel_event_streams", "Open server-sent event streams", registry=self.registry)
        self.position = Gauge("gemel_position", "Journal position that was reached", ["room"], registry=self.registry)
        self.devices = Gauge("gemel_devices", "Devices by state", ["state"], registry=self.registry)
        self.refused = Gauge(
            "gemel_devices_refused", "What devices sent and is held in quarantine", registry=self.registry
        )
        self.twins = Gauge("gemel_twins", "Twins that are known", registry=self.registry)
        self.health = Gauge("gemel_health", "0 ok, 1 warn, 2 bad; by part", ["part"], registry=self.registry)
        self.room = Gauge("gemel_disk_bytes", "Room of the plant's folder", ["what"], registry=self.registry)
        self.days_left = Gauge(
            "gemel_disk_days_left", "Days until the room is used up; NaN if unknown", registry=self.registry
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        children = self._children.get((method, route, status))
        if children is None:
            children = self.requests.labels(method, route, str(status)), self.seconds.labels(route)
            self._children[method, route, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)

"""OpenTelemetry: a span for each request and metrics of the platform, sent by OTLP over HTTP to a collector.

Off until the environment says where to: `OTEL_EXPORTER_OTLP_ENDPOINT` and the other standard variables, which the
exporters read themselves. Nothing of OpenTelemetry is imported before that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gemel
from gemel.server.logs import log_of

if TYPE_CHECKING:
    from gemel.platform import Platform

__all__ = ["Telemetry", "telemetry_of"]

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
_FLUSH_MS = 3_000
_ERROR = 500
_log = log_of("gemel.server")


def telemetry_of(platform: Platform) -> Telemetry | None:
    """What the environment asks for; None when it asks for nothing, or for what is not installed (which is logged)."""
    asked = any(os.environ.get(name) for name in _ENDPOINTS)
    if not asked or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    if protocol != "http/protobuf":
        _log.warning("telemetry is off: only http/protobuf is spoken", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
        return None
    try:
        return Telemetry(platform)
    except ModuleNotFoundError as error:
        _log.warning("telemetry is off: pip install 'gemel[otel]'", missing=error.name)
        return None


class Telemetry:
    """Sends in threads of its own; what cannot be sent is dropped, and holds nothing up."""

    def __init__(self, platform: Platform) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        name = os.environ.get("OTEL_SERVICE_NAME") or "gemel"
        resource = Resource.create({"service.name": name, "service.version": gemel.__version__})
        self._clock = platform.clock
        self._context = TraceContextTextMapPropagator()
        self._tracer = None
        self._duration: Any = None
        self._closing: list[Callable[[], Any]] = []
        if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none":
            self._tracer = self._spans(resource)
        if os.environ.get("OTEL_METRICS_EXPORTER", "otlp") != "none":
            self._measures(resource, platform)

    def answered(self, method: str, route: str, status: int, seconds: float, headers: dict[bytes, bytes]) -> None:
        """One request was answered just now. Cheap: a span is put into a queue."""
        told = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        if self._duration is not None:
            self._duration.record(seconds, told)
        if self._tracer is None:
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode

        carrier = {name: headers[name.encode()].decode("latin-1") for name in _TRACE if name.encode() in headers}
        end = self._clock.now() * 1000
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._context.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=told,
            start_time=end - int(seconds * 1e9),
        )
        if status >= _ERROR or not status:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        """Send what is left, for three seconds at most."""
        for close in self._closing:
            close()

    def _spans(self, resource: Any) -> Any:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._closing += [lambda: provider.force_flush(_FLUSH_MS), provider.shutdown]
        return provider.get_tracer("gemel", gemel.__version__)

    def _measures(self, resource: Any, platform: Platform) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._closing.append(lambda: provider.shutdown(_FLUSH_MS))
        meter = provider.get_meter("gemel", gemel.__version__)
        self._duration = meter.create_histogram("http.server.request.duration", "s", "Time to answer")
        for name, unit, about, read in _observed(platform):
            make = meter.create_observable_counter if unit else meter.create_observable_gauge
            make(name, [_reading(read)], unit, about)


_TRACE = ("traceparent", "tracestate")
_Read = Callable[[], float]


def _observed(platform: Platform) -> Iterable[tuple[str, str, str, _Read]]:
    """Name, unit (of counters; empty for what goes up and down), description, and how it is read."""
    journal, state, history = platform.journal, platform.state, platform.history
    return [
        ("gemel.journal.commits", "{commit}", "Blocks made durable", lambda: journal.head().sequence),
        ("gemel.journal.position", "{change}", "Readings and changes made durable", lambda: journal.head().position),
        ("gemel.state.position", "{change}", "Readings and changes in the live state", lambda: state.position),
        ("gemel.history.rows", "{row}", "Rows committed to Parquet", lambda: history.status().rows),
        ("gemel.history.commits", "{commit}", "Commits to Parquet", lambda: history.status().commits),
        (
            "gemel.history.waiting",
            "",
            "Readings and changes that are not in Parquet yet",
            lambda: history.status().waiting,
        ),
        ("gemel.history.lag", "", "Seconds for which the oldest of them waits", lambda: history.status().lag_s),
        ("gemel.history.commit.duration", "", "Seconds of the last commit", lambda: history.status().last_commit_s),
        ("gemel.history.failures", "", "Failures in a row", lambda: history.status().failures),
        ("gemel.twins", "", "Twins that are known", lambda: len(platform.registry.directory)),
        ("gemel.connectors.failing", "", "Connectors that are not connected", lambda: _failing(platform)),
    ]


def _failing(platform: Platform) -> int:
    sound = ("connected", "ended", "disabled", "stopped")
    return sum(health.state not in sound for health in platform.supervisor.health().values())


def _reading(read: _Read) -> Callable[[Any], Iterable[Any]]:
    from opentelemetry.metrics import Observation

    return lambda _options: [Observation(read())]

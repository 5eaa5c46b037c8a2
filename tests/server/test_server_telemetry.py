"""OpenTelemetry against a real OTLP/HTTP receiver, which decodes what it is sent."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import gemel
from gemel.server import Server


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, str]] = []
        self.answer = 200
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
                self.send_response(collector.answer)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Not on the screen."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for one in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({a.key: a.value.string_value for a in one.resource.attributes})
                self.spans += [span for scope in one.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics"
            for told in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {metric.name: metric for scope in told.scope_metrics for metric in scope.metrics}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    monkeypatch.setattr("gemel.server.telemetry._FLUSH_MS", 60_000)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "press-shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    yield collector
    collector.close()


def attributes(of: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in of.attributes}


def test_requests_come_as_spans_of_the_callers_trace_and_the_platform_as_metrics(
    collector: Collector, tmp_path: Path
) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with gemel.open(tmp_path) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(
            "gemel: 1\ntypes: [{id: press, properties: [{name: t}]}]\ntwins: [{id: press-7, types: [press]}]"
        )
        platform.write("press-7", "t", 1.0)
        headers = {"traceparent": f"00-{trace}-{parent}-01"}
        assert httpx.get(f"{server.url}/api/v1/twins/press-7/now", headers=headers).status_code == 200
        assert httpx.get(f"{server.url}/api/v1/twins/press-9").status_code == 404
    assert collector.resources[0]["service.name"] == "press-shop"
    assert collector.resources[0]["deployment.environment"] == "test"
    spans = {span.name: span for span in collector.spans}
    read = spans["GET /api/v1/twins/{twin}/now"]
    assert (read.trace_id.hex(), read.parent_span_id.hex()) == (trace, parent)
    assert 0 < read.end_time_unix_nano - read.start_time_unix_nano < 10**12
    statuses = {attributes(span)["http.response.status_code"] for span in collector.spans}
    assert statuses == {200, 404}
    assert "press" not in str([attributes(span) for span in collector.spans]), "routes, not what was asked for"
    durations = collector.metrics["http.server.request.duration"].histogram.data_points
    assert sum(point.count for point in durations) == 2
    assert collector.metrics["gemel.journal.commits"].sum.data_points[0].as_int > 0
    assert collector.metrics["gemel.journal.position"].sum.is_monotonic
    assert collector.metrics["gemel.twins"].gauge.data_points[0].as_int >= 1
    assert collector.metrics["gemel.history.lag"].gauge.data_points[0].as_double >= 0


def test_one_of_the_two_can_be_left_out(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    with gemel.open(tmp_path) as platform, Server(platform, port=0) as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert not collector.spans
    assert "gemel.journal.commits" in collector.metrics


def test_a_collector_that_refuses_holds_nothing_up(collector: Collector, tmp_path: Path) -> None:
    collector.answer = 400
    with gemel.open(tmp_path) as platform, Server(platform, port=0) as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])
def test_it_is_off_when_the_environment_says_so(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with gemel.open(tmp_path) as platform, Server(platform, port=0) as server:
        assert server.services.telemetry is None


def test_nothing_of_it_is_imported_when_it_is_off(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfor name in list(os.environ):\n    if name.startswith('OTEL_'): del os.environ[name]\n"
        "import gemel\nfrom gemel.server import Server\n"
        f"with gemel.open({str(tmp_path)!r}) as platform, Server(platform, port=0) as server:\n"
        "    ours = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "    assert not [name for name in sys.modules if name.startswith(ours)]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr

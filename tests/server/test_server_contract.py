"""The interface keeps to its own description: whatever fits the OpenAPI document, or does not, nothing fails inside."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from gemel.access import Role
from gemel.platform import Platform
from gemel.server import Server
from tests.server.test_server_guard import FRAMEWORK, declared
from tests.server.test_server_parties import OF_A, OF_B, TYPES

STAYS_OPEN = "/api/v1/stream"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Platform.open(tmp_path_factory.mktemp("plant"), run_connectors=False) as platform:
        platform.apply(f"{TYPES}\ntwins:\n{OF_A}\n{OF_B}")
        with Server(platform, port=0) as server:
            yield server


def tried(server: Server, times: int) -> int:
    """How many operations of the document were tried `times` times each by an administrator."""
    _, secret = server.services.platform.gate.tokens.add("fuzzer", Role.ADMINISTRATOR)
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == STAYS_OPEN:
            continue

        @settings(max_examples=times, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def once(case: schemathesis.Case) -> None:
            headers = {"Authorization": f"Bearer {secret}"}
            answer = case.call(base_url=server.url, headers=headers, timeout=60)
            assert answer.status_code not in {500, 502, 504}, f"{case.as_curl_command()}: {answer.text[:300]}"

        given(case=operation.as_strategy())(once)()
        count += 1
    return count


def test_every_route_is_in_the_document_that_is_tried(server: Server) -> None:
    """A new route is tried without anybody having to think of it."""
    document = httpx.get(f"{server.url}/api/v1/openapi.json", timeout=60).json()
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = {
        (method, re.sub(r":\w+}", "}", path))
        for method, path, _ in declared(server)
        if method not in {"WEBSOCKET", "HEAD", "OPTIONS"} and path.startswith("/api/v1/")
    }
    assert {one for one in routes - listed if not (one[1] + "/").startswith(FRAMEWORK + "/")} == set()
    assert len(routes) > 100


def test_no_request_that_the_document_allows_makes_the_server_fail(server: Server) -> None:
    assert tried(server, 2) > 80


@pytest.mark.soak
def test_no_request_makes_the_server_fail_for_long(server: Server) -> None:
    assert tried(server, 200) > 80

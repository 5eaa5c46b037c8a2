"""Whatever is thrown at a route, the answer is a refusal with a reason, never a fault of ours."""

from __future__ import annotations

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.server import Server
from tests.server.test_server_guard import FRAMEWORK, PATHS, declared

JUNK = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"0",
    b'""',
    b"{",
    b"\x00\xff\xfe",
    b'{"a": NaN}',
    b'{"value": 1e400}',
    b'{"value": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b"[" * 100_000,
    b"a: &a [*a, *a]",
    b"gemel: 1\ntypes: " + b"{x: " * 500,
    '{"name": "\u0000", "password": "\ud800"}'.encode("utf-8", "surrogatepass"),
    b'{"value": 123456789012345678901234567890}',
    b'{"id": "../../etc/passwd", "types": ["press"]}',
    b'{"messages": [{"readings": [{"twin": 5}]}]}',
    b'{"ids": [99999999999999999999]}',
    b'{"sql": "ATTACH \'/etc/passwd\'"}',
    b'{"sql": "SELECT * FROM read_csv(\'/etc/passwd\')"}',
    b'{"name": "x", "expires": "yesterday"}',
]
NAMES = ["..", "%2e%2e", "a%00b", "%ff", "x" * 5000, "%F0%9F%92%A9", "a b", "'; DROP TABLE twin; --", "*", "0", "-1"]
QUERIES = [
    "limit=0",
    "limit=x",
    "limit=99999999999999999999",
    "cursor=%00",
    "cursor=!!!!",
    "cursor=" + "A" * 1999,
    "cursor=99999999999999999999",
    "cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ",
    "cursor=1:99999999999999999999",
    "at=now",
    "time=0",
    "start=2026-01-01",
    "end=9999-12-31T23:59:59Z",
    "points=0",
    "method=guess",
    "unit=furlong",
    "version=-1",
    "depth=99",
    "property=%3E%3E",
    "linked=::",
    "attribute=x",
    "include=secrets",
    "stage=asleep",
    "after=99999999999999999999",
    "allowed=perhaps",
    "q=%ff%fe",
    "limit=1&limit=2",
]


def address_of(path: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        path = path.replace(f"{{{name}:str}}", value)
    return path


def routes(server: Server) -> list[tuple[str, str]]:
    return [
        (method, path)
        for method, path, _ in declared(server)
        if method != "WEBSOCKET" and "stream" not in path and not (path + "/").startswith(FRAMEWORK + "/")
    ]


def check(answer: httpx.Response, said: str) -> None:
    assert answer.status_code < 500, f"{said}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400 and "odata-version" in answer.headers:
        error = msgspec.json.decode(answer.content)["error"]  # OData has a form of its own
        assert error["code"]
        assert error["message"]
        assert "Traceback" not in answer.text
    elif answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", said
        problem = msgspec.json.decode(answer.content)
        assert problem["code"]
        assert problem["detail"]
        assert "Traceback" not in answer.text


def test_no_body_makes_a_route_fail(server: Server, admin: httpx.Client) -> None:
    known = {**PATHS, "twin": "line-1", "user": "nobody", "token": "none", "connector": "none", "target": "ghost"}
    for method, path in routes(server):
        if method in {"GET", "HEAD", "DELETE"} or path.endswith("/verify"):
            continue
        for body in JUNK:
            for kind in ("application/json", "application/vnd.apache.arrow.stream", "application/cloudevents+json"):
                if kind != "application/json" and not path.endswith("/ingest"):
                    continue
                answer = admin.request(method, address_of(path, known), content=body, headers={"Content-Type": kind})
                check(answer, f"{method} {path} {body[:60]!r}")
    admin.get("/api/v1/me").raise_for_status()


def test_no_name_makes_a_route_fail(server: Server, admin: httpx.Client) -> None:
    for method, path in routes(server):
        if "{" not in path:
            continue
        for name in NAMES:
            names = dict.fromkeys([*PATHS, "user", "token", "connector"], name)
            check(admin.request(method, address_of(path, names)), f"{method} {path} {name[:40]}")


def test_no_query_makes_a_route_fail(server: Server, admin: httpx.Client) -> None:
    known = {**PATHS, "twin": "line-1", "user": "nobody", "token": "none", "connector": "none"}
    for method, path in routes(server):
        if method == "GET":
            for query in QUERIES:
                check(admin.get(f"{address_of(path, known)}?{query}"), f"{path}?{query[:60]}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(value=JSON, time=JSON, quality=JSON)
def test_any_json_as_a_value_is_taken_or_refused(
    admin: httpx.Client, value: object, time: object, quality: object
) -> None:
    for body in ({"value": value}, {"value": 1, "time": time}, {"value": 1, "quality": quality}):
        content = msgspec.json.encode(body, enc_hook=str)
        check(admin.put("/api/v1/twins/press-7/now/oil_temperature", content=content), repr(body))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=st.fixed_dictionaries({"messages": JSON}) | JSON)
def test_any_json_as_messages_is_taken_or_refused(admin: httpx.Client, body: object) -> None:
    check(admin.post("/api/v1/ingest", content=msgspec.json.encode(body, enc_hook=str)), repr(body))


@pytest.mark.parametrize(
    "header", ["Idempotency-Key", "If-Match", "If-None-Match", "Accept", "Origin", "Cookie", "Host"]
)
@pytest.mark.parametrize("value", ["", "\x80\xff", "a" * 6000, '"', "gemel_session=", "W/", "null"])
def test_no_header_makes_a_route_fail(admin: httpx.Client, header: str, value: str) -> None:
    sent = [(header.encode(), value.encode("latin-1"))]
    for method, path in (("GET", "/api/v1/twins/press-7"), ("PATCH", "/api/v1/twins/press-8")):
        answer = admin.request(method, path, headers=sent, content=b"{}")
        assert answer.status_code < 500, answer.text

"""Positions, pages, revisions, idempotency, problems, headers."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import httpx
import pyarrow as pa
import pytest

from gemel.platform import Platform
from gemel.server import Server

NOW = "/api/v1/twins/press-7/now/oil_temperature"


def test_a_write_answers_when_it_is_durable_and_is_read_at_its_position(
    admin: httpx.Client, platform: Platform
) -> None:
    written = admin.put(NOW, json={"value": 61.5, "time": "2026-01-02T03:04:05.678Z"})
    position = written.json()["position"]
    assert written.headers["gemel-position"] == str(position)
    assert platform.journal.head().position >= position
    read = admin.get(NOW, params={"at_position": position})
    assert int(read.headers["gemel-position"]) >= position
    value = read.json()
    assert (value["value"], value["time"], value["quality"]) == (61.5, "2026-01-02T03:04:05.678Z", "good")


def test_a_reader_waits_for_a_position_that_is_still_to_come(
    admin: httpx.Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.server.services.WAIT_S", 60.0)
    wanted = platform.state.position + 1
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(admin.get("/api/v1/site", params={"at_position": wanted})))
    waiting.start()
    platform.write("press-7", "parts_made", 3)
    waiting.join(60)
    assert answers[0].status_code == 200
    assert int(answers[0].headers["gemel-position"]) >= wanted


def test_a_position_that_does_not_come_is_said_so(server: Server, admin: httpx.Client, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("gemel.server.services.WAIT_S", 0.05)
    answer = admin.get("/api/v1/site", params={"at_position": 10**12})
    assert (answer.status_code, answer.json()["code"]) == (503, "not-yet")
    assert "retry-after" in answer.headers
    for wrong in ("-1", "x", "1.5", "9" * 40, "٣"):
        assert admin.get("/api/v1/site", params={"at_position": wrong}).status_code == 422


def test_who_is_not_signed_in_neither_waits_for_a_position_nor_learns_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.server.services.WAIT_S", 600.0)
    with httpx.Client(base_url=server.url) as nobody:
        answer = nobody.get("/api/v1/site", params={"at_position": 10**12}, timeout=60)
        assert answer.status_code == 401
        assert "gemel-position" not in answer.headers
        assert nobody.get("/healthz", params={"at_position": 10**12}, timeout=60).status_code == 401


def test_a_twin_by_alias_with_parts_links_and_values(admin: httpx.Client) -> None:
    twin = admin.get("/api/v1/twins/seven").json()
    assert (twin["id"], twin["serial"]) == ("press-7", "SN-4711")
    assert {(link["kind"], link["source"], link["target"]) for link in twin["links"]} == {
        ("part_of", "press-7", "line-1"),
        ("feeds", "press-8", "press-7"),
    }
    tree = admin.get("/api/v1/twins/line-1/parts").json()
    assert [part["id"] for part in tree["parts"]] == ["press-7"]
    admin.put(NOW, json={"value": 20})
    deep = admin.get("/api/v1/twins/line-1/now", params={"depth": 1}).json()
    assert deep["parts"]["press-7"]["oil_temperature"]["value"] == 20


def test_a_stale_revision_is_refused_and_the_current_one_is_named(admin: httpx.Client) -> None:
    read = admin.get("/api/v1/twins/press-8")
    etag = read.headers["etag"]
    assert admin.get("/api/v1/twins/press-8", headers={"If-None-Match": etag}).status_code == 304
    changed = admin.patch("/api/v1/twins/press-8", json={"name": "Eight"}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["name"]) == (200, "Eight")
    stale = admin.patch("/api/v1/twins/press-8", json={"name": "8"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision-conflict")
    assert admin.patch("/api/v1/twins/press-8", json={"name": "8"}, headers={"If-Match": "*"}).status_code == 200
    assert admin.patch("/api/v1/twins/press-8", json={}, headers={"If-Match": "soon"}).status_code == 422


def test_a_patch_merges_attributes_and_null_removes(admin: httpx.Client) -> None:
    admin.patch("/api/v1/twins/press-8", json={"attributes": {"maker": "Acme", "year": 2020}})
    changed = admin.patch("/api/v1/twins/press-8", json={"attributes": {"year": None, "model": "P2"}}).json()
    assert changed["attributes"] == {"maker": "Acme", "model": "P2"}
    assert admin.patch("/api/v1/twins/press-8", json={"id": "other"}).status_code == 422


def test_a_list_is_paged_without_repeats_or_holes(admin: httpx.Client) -> None:
    for number in range(7):
        body = {"id": f"page-{number}", "types": ["press"], "attributes": {"group": "pages"}}
        assert admin.post("/api/v1/twins", json=body).status_code == 201
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = admin.get("/api/v1/twins", params={"attribute": "group:pages", "limit": 3, "cursor": cursor}).json()
        assert len(page["items"]) <= 3
        seen += [twin["id"] for twin in page["items"]]
        cursor = page["next"]
    assert seen == [f"page-{number}" for number in range(7)]
    again = admin.post("/api/v1/twins", json={"id": "page-0", "types": ["press"]})
    assert again.status_code in {409, 412}


def test_a_cursor_is_good_for_whom_it_was_told_and_in_that_list_alone(as_role: Callable[[str], httpx.Client]) -> None:
    mine = as_role("viewer").get("/api/v1/twins", params={"limit": 1}).json()["next"]
    tried = [("viewer", "/twins", mine), ("operator", "/twins", mine), ("viewer", "/events", mine)]
    tried += [("viewer", "/twins", mine[:20] + mine[20:].swapcase()), ("viewer", "/records", "WzFd")]
    told = [as_role(role).get(f"/api/v1{path}", params={"cursor": cursor}) for role, path, cursor in tried]
    assert [one.status_code for one in told] == [200, 422, 422, 422, 422]
    assert {one.json()["code"] for one in told[1:]} == {"invalid-input"}
    assert "take `next` of the page before" in told[1].json()["detail"]


def test_a_search_by_a_live_value(admin: httpx.Client) -> None:
    admin.put(NOW, json={"value": 95})
    admin.put("/api/v1/twins/press-8/now/oil_temperature", json={"value": 30})
    found = admin.get("/api/v1/twins", params={"property": "oil_temperature>80", "include": "headline"}).json()["items"]
    assert [twin["id"] for twin in found] == ["press-7"]
    assert found[0]["headline"]["oil_temperature"]["value"] == 95


def test_the_same_key_has_one_effect_and_the_same_answer(admin: httpx.Client, platform: Platform) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = admin.put(NOW, json={"value": 41}, headers=headers)
    before = platform.state.position
    again = admin.put(NOW, json={"value": 41}, headers=headers)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert platform.state.position == before
    other = admin.put(NOW, json={"value": 42}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "key-reused")


def test_a_key_belongs_to_who_used_it(admin: httpx.Client, as_role: Callable[[str], httpx.Client]) -> None:
    headers = {"Idempotency-Key": "order-2"}
    admin.put(NOW, json={"value": 41}, headers=headers)
    other = as_role("operator").put(NOW, json={"value": 43}, headers=headers)
    assert other.status_code == 200
    assert "idempotency-replayed" not in other.headers
    refused = as_role("viewer").put(NOW, json={"value": 41}, headers=headers)
    assert refused.status_code == 403


def test_an_overlong_key_is_refused(admin: httpx.Client) -> None:
    assert admin.put(NOW, json={"value": 1}, headers={"Idempotency-Key": "k" * 201}).status_code == 422


def test_an_answer_with_a_secret_is_not_kept(admin: httpx.Client) -> None:
    answer = admin.post("/api/v1/tokens", json={"name": "t"}, headers={"Idempotency-Key": "token-1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_a_refused_write_is_not_remembered(admin: httpx.Client) -> None:
    headers = {"Idempotency-Key": "order-3"}
    assert admin.delete("/api/v1/twins/press-8", headers={**headers, "If-Match": '"9999"'}).status_code == 412
    assert admin.put(NOW, json={"value": 1}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("value", "code"),
    [("hot", "invalid-value"), (1e9, "invalid-value"), ([1], "invalid-value"), ({}, "invalid-value")],
)
def test_a_value_that_does_not_fit_is_refused_with_the_value_and_the_way_out(
    admin: httpx.Client, value: object, code: str
) -> None:
    answer = admin.put(NOW, json={"value": value})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= problem.keys()


def test_ingest_in_json_arrow_and_cloudevents(admin: httpx.Client, platform: Platform) -> None:
    message = {
        "id": "m-1",
        "readings": [
            {"twin": "press-7", "property": "mode", "value": "MANUAL"},
            {"twin": "press-7", "property": "nothing", "value": 1},
        ],
    }
    receipt = admin.post("/api/v1/ingest", json={"messages": [message], "source": "gauge"}).json()
    assert (receipt["accepted"], receipt["quarantined"]) == (1, 1)
    assert admin.post("/api/v1/ingest", json={"messages": [message], "source": "gauge"}).json()["accepted"] == 0
    table = pa.table(
        {
            "twin": ["press-7", "press-8"],
            "property": ["parts_made", "parts_made"],
            "time": pa.array([1_700_000_000_000_000] * 2, pa.timestamp("us", tz="UTC")),
            "value": [11, 12],
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    arrow = {"Content-Type": "application/vnd.apache.arrow.stream"}
    assert admin.post("/api/v1/ingest", content=sink.getvalue().to_pybytes(), headers=arrow).json()["accepted"] == 2
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/line/1",
        "type": "gemel.readings",
        "subject": "press-7",
        "data": {"oil_temperature": 33.0},
    }
    cloud = {"Content-Type": "application/cloudevents+json"}
    assert admin.post("/api/v1/ingest", json=event, headers=cloud).json()["accepted"] == 1
    assert platform.now("press-7")["oil_temperature"].value == 33.0
    assert admin.post("/api/v1/ingest", content=b"<x/>", headers={"Content-Type": "text/xml"}).status_code == 415


def test_what_was_not_accepted_is_listed_and_can_be_discarded(admin: httpx.Client) -> None:
    body = {"messages": [{"readings": [{"twin": "ghost", "property": "x", "value": 1}]}], "source": "ghosts"}
    assert admin.post("/api/v1/ingest", json=body).json()["quarantined"] == 1
    held = admin.get("/api/v1/quarantine", params={"source": "http:ghosts"}).json()["items"]
    assert [one["code"] for one in held] == ["unknown-twin"]
    assert admin.post("/api/v1/quarantine/discard", json={}).status_code == 422
    discarded = admin.post("/api/v1/quarantine/discard", json={"source": "http:ghosts"}).json()
    assert discarded == {"discarded": 1}
    assert admin.get("/api/v1/quarantine", params={"source": "http:ghosts"}).json()["items"] == []


def test_a_plant_document_is_applied_once(admin: httpx.Client) -> None:
    document = "gemel: 1\ntypes:\n  - {id: pump, properties: [{name: flow, kind: number, unit: L/min}]}\n"
    yaml = {"Content-Type": "application/yaml"}
    dry = admin.post("/api/v1/apply", params={"dry_run": True}, content=document, headers=yaml).json()
    assert [(step["action"], step["id"]) for step in dry["steps"]] == [("create", "pump")]
    assert admin.get("/api/v1/types/pump").status_code == 404
    assert not admin.post("/api/v1/apply", content=document, headers=yaml).json()["empty"]
    assert admin.post("/api/v1/apply", content=document, headers=yaml).json()["empty"]
    wrong = admin.post("/api/v1/apply", content="gemel: 1\ntypes:\n  - {id: x, colour: red}\n", headers=yaml)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-document")
    assert wrong.json()["problems"][0]["line"] == 3


def test_a_type_evolves_with_its_version_as_revision(admin: httpx.Client) -> None:
    body = {"properties": [{"name": "level", "kind": "number", "unit": "%"}]}
    made = admin.put("/api/v1/types/tank", json=body)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    body["properties"].append({"name": "full", "kind": "boolean"})
    assert admin.put("/api/v1/types/tank", json=body, headers={"If-Match": '"7"'}).status_code == 412
    assert admin.put("/api/v1/types/tank", json=body, headers={"If-Match": '"1"'}).headers["etag"] == '"2"'
    versions = admin.get("/api/v1/types/tank/versions").json()["items"]
    assert [one["version"] for one in versions] == [1, 2]
    assert len(admin.get("/api/v1/types/tank", params={"version": 1}).json()["properties"]) == 1
    assert admin.put("/api/v1/types/tank", json={"id": "other"}).status_code == 422


def test_links_begin_and_end(admin: httpx.Client) -> None:
    link = admin.put("/api/v1/twins/press-7/links/feeds/press-8").json()
    assert (link["source"], link["target"], link["until"]) == ("press-7", "press-8", None)
    out = {"kind": "feeds", "direction": "out"}
    assert len(admin.get("/api/v1/twins/press-7/links", params=out).json()["items"]) == 1
    assert admin.delete("/api/v1/twins/press-7/links/feeds/press-8").status_code == 204
    assert admin.get("/api/v1/twins/press-7/links", params=out).json()["items"] == []
    assert admin.get("/api/v1/twins/press-7/links", params={"direction": "up"}).status_code == 422


def test_the_past_is_read_as_values_ranges_and_averages(admin: httpx.Client) -> None:
    first = admin.put("/api/v1/twins/line-1/now/oil_temperature", json={"value": 10, "time": "2026-02-01T00:00:00Z"})
    admin.put("/api/v1/twins/line-1/now/oil_temperature", json={"value": 30, "time": "2026-02-01T00:30:00Z"})
    assert first.status_code == 200
    then = admin.get("/api/v1/twins/line-1/at", params={"time": "2026-02-01T00:10:00Z"}).json()
    assert then["values"]["oil_temperature"]["value"] == 10
    hour = {"start": "2026-02-01T00:00:00Z", "end": "2026-02-01T01:00:00Z"}
    history = admin.get("/api/v1/twins/line-1/history/oil_temperature", params={**hour, "method": "raw"}).json()
    assert history["columns"]["value"] == [10, 30]
    assert history["unit"] == "Cel"
    average = admin.get("/api/v1/twins/line-1/history/oil_temperature/average", params=hour).json()
    assert average["value"] == pytest.approx(20)
    arrow = {"Accept": "application/vnd.apache.arrow.stream"}
    table = admin.get("/api/v1/twins/line-1/history/oil_temperature", params={**hour, "method": "raw"}, headers=arrow)
    with pa.ipc.open_stream(table.content) as stream:
        assert stream.read_all().column("value").to_pylist() == [10.0, 30.0]
    backwards = {"start": hour["end"], "end": hour["start"]}
    assert admin.get("/api/v1/twins/line-1/history/oil_temperature", params=backwards).status_code == 400


def test_every_answer_has_the_security_headers(server: Server, admin: httpx.Client) -> None:
    for path in ("/", "/api/v1/site", "/api/v1/nothing", "/healthz", "/deep/link"):
        headers = admin.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self'" in policy
        assert "server" not in headers


def test_health_readiness_and_metrics(server: Server, admin: httpx.Client) -> None:
    assert httpx.get(server.url + "/healthz").json() == {"status": "ok"}
    assert httpx.get(server.url + "/readyz").json() == {"status": "ready"}
    text = admin.get("/metrics").text
    assert 'gemel_http_requests_total{method="GET",route="/api/v1/twins/{twin}",status="200"}' in text or (
        "gemel_http_requests_total" in text
    )
    assert "gemel_position" in text
    assert httpx.get(server.url + "/metrics").status_code == 401


def test_too_large_a_body_is_refused(server: Server, admin: httpx.Client) -> None:
    size = server.options.body_bytes + 1

    def parts():  # type: ignore[no-untyped-def]
        for _ in range(size // 1_000_000 + 1):
            yield b" " * 1_000_000

    answer = admin.post("/api/v1/ingest", content=parts(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_the_openapi_document_describes_every_route(server: Server, admin: httpx.Client) -> None:
    from tests.server.test_server_guard import declared

    answer = httpx.get(server.url + "/api/v1/openapi.json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    for method, path, _ in declared(server):
        if method != "WEBSOCKET" and not path.startswith("/api/v1/schema/") and path != "/api/v1/schema":
            address = path.replace(":str}", "}").replace(":int}", "}")
            operation = document["paths"][address][method.lower()]
            assert operation["summary"], f"{method} {path}"
            assert "application/problem+json" in operation["responses"]["4XX"]["content"]
    write = document["paths"]["/api/v1/twins/{twin}/now/{name}"]["put"]
    assert write["requestBody"]["content"]["application/json"]["example"]["value"] == 61.5
    references = re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', answer.text)
    assert references
    assert set(references) <= document["components"]["schemas"].keys()
    page = httpx.get(server.url + "/api/v1/docs")
    assert "/api/v1/twins/{twin}/now" in page.text
    assert "<script" not in page.text


def test_the_json_schemas_are_published(server: Server) -> None:
    for name in ("twin-type.json", "plant.json"):
        answer = httpx.get(f"{server.url}/api/v1/schemas/{name}")
        assert answer.json()["$schema"].startswith("https://json-schema.org")
    assert httpx.get(server.url + "/api/v1/schemas/other.json").status_code == 404


def test_what_happened_is_listed_newest_first_and_paged(admin: httpx.Client, as_role) -> None:  # type: ignore[no-untyped-def]
    events = [
        {"twin": "press-8", "event": "overheated", "time": f"2026-04-01T00:0{n}:00Z", "fields": {}, "id": f"h-{n}"}
        for n in range(5)
    ]
    receipt = admin.post("/api/v1/ingest", json={"messages": [{"events": events}], "source": "furnace"}).json()
    assert receipt["accepted"] == 5
    params = {"start": "2026-04-01T00:00:00Z", "end": "2026-04-01T01:00:00Z", "limit": 2}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = admin.get("/api/v1/twins/press-8/events", params={**params, "cursor": cursor}).json()
        seen += [event["time"] for event in page["items"]]
        cursor = page["next"]
    assert seen == [f"2026-04-01T00:0{n}:00Z" for n in reversed(range(5))]
    assert admin.get("/api/v1/events", params={"kind": "access."}).json()["items"]
    assert as_role("viewer").get("/api/v1/events", params={"kind": "access."}).json()["items"] == []
    assert admin.get("/api/v1/events", params={"twin": "ghost"}).status_code == 404


def test_readings_are_downloaded_in_three_forms(admin: httpx.Client, as_role) -> None:  # type: ignore[no-untyped-def]
    import io

    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    readings = [
        {
            "twin": "press-8",
            "property": "oil_temperature",
            "value": n % 100,
            "time": f"2026-05-01T{n // 60:02d}:{n % 60:02d}:00Z",
        }
        for n in range(1200)
    ]
    admin.post("/api/v1/ingest", json={"messages": [{"readings": readings}]}).raise_for_status()
    params = {
        "twins": "press-8",
        "properties": "oil_temperature",
        "start": "2026-05-01T00:00:00Z",
        "end": "2026-05-02T00:00:00Z",
    }
    csv = as_role("viewer").get("/api/v1/export", params=params)
    assert "attachment" in csv.headers["content-disposition"]
    tables = [
        pa_csv.read_csv(io.BytesIO(csv.content)),
        pq.read_table(io.BytesIO(admin.get("/api/v1/export", params={**params, "format": "parquet"}).content)),
        pa.ipc.open_stream(admin.get("/api/v1/export", params={**params, "format": "arrow"}).content).read_all(),
    ]
    for table in tables:
        assert table.num_rows == 1200
        assert sum(table.column("number").to_pylist()) == sum(n % 100 for n in range(1200))
    assert admin.get("/api/v1/export", params={**params, "format": "xls"}).status_code == 422
    assert admin.get("/api/v1/export", params={**params, "twins": "ghost"}).status_code == 404
    assert admin.get("/api/v1/export", params={**params, "properties": "ghost"}).status_code == 404
    backwards = {**params, "start": params["end"], "end": params["start"]}
    assert admin.get("/api/v1/export", params=backwards).status_code == 400


def test_a_reader_who_leaves_a_download_holds_up_nobody(server: Server, admin: httpx.Client) -> None:
    params = {"twins": "press-8", "start": "2026-05-01T00:00:00Z", "end": "2026-05-02T00:00:00Z"}
    for _ in range(12):  # more than may run at once: each must have let its thread go
        with admin.stream("GET", "/api/v1/export", params=params) as answer:
            assert answer.status_code == 200


def test_sql_answers_with_columns_and_rows(admin: httpx.Client) -> None:
    admin.put("/api/v1/twins/press-7/now/parts_made", json={"value": 12})
    body = {"sql": "SELECT twin, parts_made FROM live.press WHERE twin = 'press-7'"}
    answer = admin.post("/api/v1/query", json=body).json()
    assert [column["name"] for column in answer["columns"]] == ["twin", "parts_made"]
    assert answer["rows"] == [["press-7", 12]]
    for sql in ("DROP TABLE x", "SELECT * FROM read_csv('/etc/passwd')", "SELECT", "", "SELECT 1; SELECT 2"):
        refused = admin.post("/api/v1/query", json={"sql": sql})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid-query"), sql


def test_the_hot_and_the_ordinary_way_answer_alike(admin: httpx.Client, as_role) -> None:  # type: ignore[no-untyped-def]
    admin.put("/api/v1/twins/press-7/now/mode", json={"value": "MANUAL"})
    hot = admin.get("/api/v1/twins/seven/now")
    ordinary = admin.get("/api/v1/twins/seven/now?depth=0")
    assert hot.json()["values"] == ordinary.json()["values"]
    assert hot.headers.keys() == ordinary.headers.keys()
    for client in (as_role(""), as_role("viewer"), as_role("operator"), admin):
        for path in ("press-7/now/mode", "ghost/now/mode", "press-7/now/ghost", "../now/x", "%2e%2e/now/x"):
            for body in ({"value": "MANUAL"}, {"value": 5}, {}, [], {"value": "MANUAL", "colour": "red"}):
                one = client.put(f"/api/v1/twins/{path}", json=body)
                two = client.put(f"/api/v1/twins/{path}?x=1", json=body)
                assert (one.status_code, one.json().get("code")) == (two.status_code, two.json().get("code")), path
        for path in ("press-7/now", "ghost/now", "/now", "a%2Fb/now"):
            one, two = client.get(f"/api/v1/twins/{path}"), client.get(f"/api/v1/twins/{path}?x=1")
            assert (one.status_code, one.json().get("code")) == (two.status_code, two.json().get("code")), path

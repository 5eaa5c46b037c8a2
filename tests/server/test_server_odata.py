"""The OData feed, read by an OData client of somebody else, and by hand."""

from __future__ import annotations

import base64
import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from odatapy.client import BearerAuth, EdmEnabledODataClient, HttpxTransport

from gemel.clock import parse_time, to_rfc3339
from gemel.errors import InvalidQuery
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.odata import SETS, parse_filter

ODATA = "/api/v1/odata"
START = parse_time("2026-03-20T08:00:00Z")
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
READINGS = "Twin eq 'press-7' and Property eq 'oil_temperature' and Time ge 2026-03-20T00:00:00Z"
Client = Callable[[str], httpx.Client]


@pytest.fixture(scope="module", autouse=True)
def filled(platform: Platform) -> None:
    messages = [
        Message(
            readings=[Reported(twin="press-7", property="oil_temperature", value=20 + n / 64, time=START + n * 10**6)]
        )
        for n in range(2500)
    ]
    formula = '=HYPERLINK("http://evil.example","x")'
    now = START + 2500 * 10**6
    messages += [
        Message(
            readings=[
                Reported(twin="press-7", property="mode", value="MANUAL", time=now),
                Reported(twin="press-7", property="running", value=True, time=now),
                Reported(twin="press-7", property="parts_made", value=12, time=now),
                Reported(twin="press-7", property="hydraulics", value={"level": "fault", "text": formula}, time=now),
                Reported(twin="press-8", property="oil_temperature", value=None, time=now),
            ],
            events=[Happened(twin="press-7", event="overheated", time=now, fields={"n": 1})],
        )
    ]
    receipt = platform.ingest(messages, source="odata")
    assert (receipt.quarantined, receipt.accepted) == (0, len(messages) + 5)


@pytest.fixture
def client(server: Server, tokens: dict[str, str]) -> Iterator[EdmEnabledODataClient]:
    with httpx.Client(timeout=60) as http:
        transport = HttpxTransport(http, auth=BearerAuth(tokens["viewer"]))
        yield EdmEnabledODataClient(server.url + ODATA, transport)


def rows(admin: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = admin.get(f"{ODATA}/{path}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


def test_a_client_of_somebody_else_finds_the_tables_and_reads_them(client: EdmEnabledODataClient) -> None:
    document = client.get_service_document()
    assert set(document.entity_sets) == {"Twins", "Now", "Readings", "Events"}
    twins = {entity.get_value("Id"): entity for entity in client.iter_entities(client.entity_set_uri("Twins"))}
    assert {"line-1", "press-7", "press-8"} <= twins.keys()
    assert twins["press-7"].get_value("Serial") == "SN-4711"
    assert isinstance(twins["press-7"].get_value("Created"), datetime.datetime)


def test_all_pages_of_a_long_answer_are_followed(admin: httpx.Client) -> None:
    url: str | None = f"{ODATA}/Readings?$filter={READINGS}"
    found, pages = [], 0
    while url is not None:
        answer = admin.get(url).json()
        found += [row["Number"] for row in answer["value"]]
        url = answer.get("@odata.nextLink")
        pages += 1
    assert found == [20 + n / 64 for n in range(2500)]
    assert pages == 3


def test_the_metadata_describe_every_row(admin: httpx.Client) -> None:
    answer = admin.get(f"{ODATA}/$metadata")
    assert answer.headers["odata-version"] == "4.0"
    assert answer.headers["content-type"].startswith("application/xml")
    tree = etree.fromstring(answer.content)
    for one in SETS.values():
        (entity,) = [found for found in tree.iter(f"{EDM}EntityType") if found.get("Name") == one.entity]
        assert [p.get("Name") for p in entity.iter(f"{EDM}Property")] == list(one.columns)
        assert [p.get("Name") for p in entity.iter(f"{EDM}PropertyRef")] == list(one.keys)
        query = f"{one.name}?$top=1" + (f"&$filter={READINGS}" if one.name == "Readings" else "")
        assert list(rows(admin, query)[0]) == list(one.columns)


def test_values_of_now_stand_in_number_or_in_text(admin: httpx.Client) -> None:
    found = {row["Property"]: row for row in rows(admin, "Now?$filter=Twin eq 'press-7'")}
    assert (found["oil_temperature"]["Number"], found["oil_temperature"]["Unit"]) == (59.046875, "Cel")
    assert (found["running"]["Number"], found["parts_made"]["Number"]) == (1.0, 12.0)
    assert (found["mode"]["Number"], found["mode"]["Text"]) == (None, "MANUAL")
    assert '"fault"' in found["hydraulics"]["Text"]
    assert [row["Quality"] for row in rows(admin, "Now?$filter=Twin eq 'press-8'")] == ["unavailable"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Twins?$filter=Serial eq 'SN-4711'&$select=Id", [{"Id": "press-7"}]),
        ("Twins?$filter=startswith(Id,'press') and not (Id eq 'press-8')&$select=Id,Stage", [("press-7", "planned")]),
        ("Twins?$filter=contains(Id,'press-') or Id eq 'line-1'&$select=Id&$orderby=Id asc", 3),
        ("Twins?$filter=startswith(Id,'press')&$top=1&$skip=1&$select=Id", [{"Id": "press-8"}]),
        ("Twins?$filter=Name eq 'O''Brien'", 0),
        ("Now?$filter=Number gt 50 and Number lt 60&$select=Twin,Property", [("press-7", "oil_temperature")]),
        ("Now?$filter=Text eq null and Twin eq 'press-8'", 1),
        (f"Readings?$filter={READINGS} and Time lt 2026-03-20T08:00:03Z&$select=Number", [20.0, 20.015625, 20.03125]),
        (f"Readings?$filter={READINGS} and Number ge 59.03125&$select=Number", [59.03125, 59.046875]),
        (f"Readings?$filter={READINGS}&$orderby=Time desc&$top=2&$select=Number", [59.046875, 59.03125]),
        ("Events?$filter=Kind eq 'event.happened'&$select=Twin,Kind", [("press-7", "event.happened")]),
        ("Events?$filter=Twin eq 'press-8' and startswith(Kind,'twin.')", 1),
    ],
)
def test_filters_pages_and_columns(admin: httpx.Client, query: str, expected: Any) -> None:
    found = rows(admin, query)
    if isinstance(expected, int):
        assert len(found) == expected
    else:
        wanted = [tuple(e.values()) if isinstance(e, dict) else e if isinstance(e, tuple) else (e,) for e in expected]
        assert [tuple(row.values()) for row in found] == wanted


def test_rows_are_counted(admin: httpx.Client) -> None:
    answer = admin.get(f"{ODATA}/Readings?$filter={READINGS}&$top=1&$count=true").json()
    assert answer["@odata.count"] == 2500
    assert "@odata.nextLink" not in answer
    assert admin.get(f"{ODATA}/Twins/$count?$filter=startswith(Id,'press')").text == "2"
    assert admin.get(f"{ODATA}/Readings/$count?$filter={READINGS} and Number lt 21").text == "64"


def test_one_twin_has_an_address(admin: httpx.Client) -> None:
    answer = admin.get(f"{ODATA}/Twins('press-7')").json()
    assert (answer["Name"], answer["@odata.context"][-14:]) == ("Press 7", "#Twins/$entity")
    missing = admin.get(f"{ODATA}/Twins('press-9')")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown-twin")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("Readings", "needs a filter"),
        ("Twins?$expand=Now", "$expand is not taken"),
        ("Twins?$filter=Size eq 3", "has no column 'Size'"),
        ("Twins?$filter=Revision eq 'x'", "is Edm.Int64"),
        ("Twins?$filter=Id like 'x'", "use eq, ne"),
        ("Twins?$filter=(Id eq 'x'", "lacks a )"),
        ("Twins?$filter=Id eq", "ends too early"),
        ("Twins?$filter=Id eq 'x' 'y'", "goes on after its end"),
        ("Twins?$filter=Id eq §", "cannot be read"),
        ("Twins?$select=Size", "has no column"),
        ("Twins?$top=-1", "not a whole number"),
        ("Twins?$orderby=Name", "can be ordered by Id"),
        ("Twins?$skiptoken=zzz", "not one of ours"),
        ("Readings?$filter=Twin eq 'press-7' and Property eq 'speed'", "has no property"),
        ("Pumps", "there is no table"),
    ],
)
def test_what_is_not_understood_is_refused_in_the_form_of_odata(admin: httpx.Client, path: str, reason: str) -> None:
    answer = admin.get(f"{ODATA}/{path}")
    assert answer.status_code in (400, 404, 422)
    assert reason in answer.json()["error"]["message"]


def test_rights_are_those_of_every_other_way_in(as_role: Client) -> None:
    for path in ("", "/$metadata", "/Twins", "/Now", "/Events", "/Twins/$count"):
        assert as_role("").get(ODATA + path).status_code == 401, path
    viewer = as_role("viewer")
    assert len(rows(viewer, f"Readings?$filter={READINGS}&$top=5")) == 5
    hidden = viewer.get(f"{ODATA}/Readings?$filter=Twin eq 'no-such' and Property eq 'oil_temperature'")
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "unknown-twin")
    kinds = {row["Kind"].partition(".")[0] for row in rows(viewer, "Events?$filter=Time ge 2000-01-01T00:00:00Z")}
    assert "access" not in kinds
    assert "access" in {row["Kind"].partition(".")[0] for row in rows(as_role("administrator"), "Events")}


def test_excel_signs_in_with_the_name_token(server: Server, tokens: dict[str, str]) -> None:
    good = httpx.get(f"{server.url}{ODATA}/Twins", auth=("token", tokens["viewer"]))
    assert good.status_code == 200
    assert httpx.get(f"{server.url}{ODATA}/Twins", auth=("token", "gml_wrong")).status_code == 401
    broken = base64.b64encode(b"no colon").decode()
    assert httpx.get(f"{server.url}{ODATA}", headers={"Authorization": f"Basic {broken}"}).status_code == 401


def test_behind_a_proxy_links_lead_to_the_address_that_the_caller_knows(
    platform: Platform, tokens: dict[str, str]
) -> None:
    with Server(platform, port=0, origins=("https://gemel.example",)) as server:
        headers = {"Authorization": f"Bearer {tokens['viewer']}", "Host": "gemel.example"}
        answer = httpx.get(f"{server.url}{ODATA}/Readings?$filter={READINGS}", headers=headers).json()
    assert answer["@odata.nextLink"].startswith(f"https://gemel.example{ODATA}/Readings?")
    assert answer["@odata.context"].startswith(f"https://gemel.example{ODATA}/$metadata#Readings")


@given(st.text(max_size=60))
def test_any_filter_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidQuery):
        assert parse_filter(text, SETS["Now"]).test is not None


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@given(TEXTS, TEXTS, st.integers(-(10**6), 10**6), st.integers(0, 10**15))
def test_what_is_quoted_is_what_is_compared(text: str, other: str, number: int, time: int) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    moment = to_rfc3339(time)
    parsed = parse_filter(f"Text eq {quoted} and Number le {number} and Time gt {moment}", SETS["Now"])
    row = {"Text": text, "Number": float(number), "Time": time + 1}
    assert parsed.test(row)
    assert not parsed.test({**row, "Time": time})
    assert parsed.test({**row, "Text": other}) == (text == other)
    assert parsed.all_of is not None
    assert [one.value for one in parsed.all_of] == [text, float(number), time]

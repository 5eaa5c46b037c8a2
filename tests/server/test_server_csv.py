"""CSV for spreadsheets: the history of one property, and nothing in it that runs."""

from __future__ import annotations

import csv
import io

import httpx
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import parse_time
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server.csv import csv_of

START = parse_time("2026-03-21T08:00:00Z")
RANGE = {"start": "2026-03-21T08:00:00Z", "end": "2026-03-21T08:01:00Z", "format": "csv"}


def read(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_the_history_of_a_property_comes_as_csv(platform: Platform, admin: httpx.Client) -> None:
    readings = [
        Reported(twin="press-8", property="oil_temperature", value=20.5 + n, time=START + n * 10**6) for n in range(60)
    ]
    readings.append(Reported(twin="press-8", property="mode", value="MANUAL", time=START))
    platform.ingest([Message(readings=readings)])
    answer = admin.get("/api/v1/twins/press-8/history/oil_temperature", params={**RANGE, "method": "mean"})
    assert answer.headers["content-type"].startswith("text/csv")
    found = read(answer.content)
    assert found[0] == {"time": "2026-03-21T08:00:00Z", "value": "20.5", "count": "1"}
    assert len(found) == 60
    few = read(admin.get("/api/v1/twins/press-8/history/oil_temperature", params={**RANGE, "points": 6}).content)
    assert 1 < len(few) <= 12
    assert set(few[0]) >= {"time", "min", "max"}
    states = read(admin.get("/api/v1/twins/press-8/history/mode", params=RANGE).content)
    assert (states[0]["start"], states[0]["value"]) == ("2026-03-21T08:00:00Z", "MANUAL")


def test_another_format_is_refused(admin: httpx.Client) -> None:
    answer = admin.get("/api/v1/twins/press-8/history/oil_temperature", params={**RANGE, "format": "xlsx"})
    assert answer.status_code == 422
    assert "json or csv" in answer.json()["detail"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0")), max_size=5))
def test_no_text_begins_like_a_formula_and_every_text_comes_back(texts: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(csv_of({"n": range(len(texts)), "text": texts}).decode(), newline="")))
    assert rows[0] == ["n", "text"]
    for (_, cell), text in zip(rows[1:], texts, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cell in (text, f"'{text}")


def test_numbers_stay_numbers() -> None:
    columns = {"value": [-1.5, 2, None, True], "text": ["-1.5", "a", [1, 2], None]}
    assert csv_of(columns) == b'value,text\r\n-1.5,\'-1.5\r\n2,a\r\n,"[1,2]"\r\ntrue,\r\n'

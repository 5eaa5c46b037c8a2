"""The dashboard of examples/grafana: every request that Grafana would send for it is sent, and its answer read."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import httpx
import pytest
import yaml

from gemel.platform import Platform

from .conftest import EXAMPLES

GRAFANA = EXAMPLES / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards/twin.json").read_text())
MACROS = {"__from:date:iso": "2026-03-20T08:00:00.000Z", "__to:date:iso": "2026-03-20T09:00:00.000Z"}
PANELS = [(panel["title"], query) for panel in DASHBOARD["panels"] for query in panel["targets"]]


def filled(text: str, variables: dict[str, str]) -> str:
    """As Grafana fills `${name}` before it sends a query; what it does not know is a fault of the dashboard."""
    return re.sub(r"\$\{([^}]+)\}", lambda found: (MACROS | variables)[found[1]], text)


def frame(client: httpx.Client, query: dict[str, Any], variables: dict[str, str]) -> list[dict[str, Any]]:
    """What the Infinity data source makes of a query: rows with the columns that it names."""
    assert (query["source"], query["parser"], query["url_options"]["method"]) == ("url", "backend", "GET")
    params = [(p["key"], filled(p["value"], variables)) for p in query["url_options"]["params"]]
    answer = client.get(filled(query["url"], variables), params=params)
    assert answer.status_code == 200, answer.text
    if query["type"] == "csv":
        rows: list[Any] = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    else:
        rows = answer.json()[query["root_selector"]]
    return [{column["text"]: selected(row, column) for column in query["columns"]} for row in rows]


def selected(row: dict[str, Any], column: dict[str, str]) -> Any:
    value: Any = row
    for key in column["selector"].split("."):
        assert key in value, f"{key} is not in {list(value)}"
        value = value[key]
    if value is None:
        return None
    if column["type"] == "number":
        return float(value)
    if column["type"] == "timestamp":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value), value
    return value


@pytest.fixture
def client(url: str, plant: Platform) -> Any:
    token = plant.gate.tokens.add("grafana", "viewer")[1]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def test_the_variables_offer_twins_and_their_measured_properties(client: httpx.Client) -> None:
    queries = {one["name"]: one["query"]["infinityQuery"] for one in DASHBOARD["templating"]["list"]}
    twins = [row["id"] for row in frame(client, queries["twin"], {})]
    assert {"press-7", "press-8"} <= set(twins)
    properties = [row["Property"] for row in frame(client, queries["property"], {"twin": "press-7"})]
    assert properties == ["oil_temperature", "parts_made"]


@pytest.mark.parametrize(("title", "query"), PANELS, ids=[title for title, _ in PANELS])
def test_every_panel_gets_rows_with_its_columns(client: httpx.Client, title: str, query: dict[str, Any]) -> None:
    rows = frame(client, query, {"twin": "press-7", "property": "oil_temperature"})
    assert rows
    assert len(rows) <= 2000, "an hour at 1 Hz is drawn from fewer points"
    if query["format"] == "timeseries":
        assert all(row["lowest"] <= row["mean"] <= row["highest"] for row in rows)
        assert (min(row["lowest"] for row in rows), max(row["highest"] for row in rows)) == (60.0, 67.875)


def test_all_panels_ask_the_data_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/gemel.yaml").read_text())["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    variables = [one["query"]["infinityQuery"] for one in DASHBOARD["templating"]["list"]]
    assert all(query["datasource"] == wanted for query in [*variables, *(query for _, query in PANELS)])
    assert "token" not in json.dumps(DASHBOARD)

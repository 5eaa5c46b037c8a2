"""A device that posts by itself is a connector like any other."""

import gemel
from gemel.server import Server

PLANT = """
gemel: 1
types:
  - {id: press, properties: [{name: pressure, unit: bar}]}
twins:
  - {id: press-9, types: [press]}
connectors:
  - id: press-9-http
    kind: http
    bindings:
      - {address: pressure, twin: press-9, property: pressure, within_s: 30}
"""


def test_what_is_posted_in_its_name_counts_in_its_health_and_keeps_its_values_fresh(tmp_path):
    with gemel.open(tmp_path) as platform:
        platform.apply(PLANT)
        platform.supervisor.apply(platform.registry.connectors())
        with (
            Server(platform, port=0) as server,
            gemel.connect(server.url, token=platform.gate.tokens.local()) as client,
        ):
            reading = {"twin": "press-9", "property": "pressure", "value": 5.5}
            receipt = client.ingest([{"readings": [reading]}], source="press-9-http")
            assert receipt.accepted == 1
            assert client.now("press-9")["pressure"].fresh
        health = platform.supervisor.health()["press-9-http"]
        assert (health.state, health.readings) == ("connected", 1)
        platform.supervisor.report()
        assert platform.now("connector.press-9-http")["state"].value == "connected"


def test_a_source_that_is_no_connector_is_taken_as_before(tmp_path):
    with gemel.open(tmp_path) as platform:
        platform.apply(PLANT)
        with (
            Server(platform, port=0) as server,
            gemel.connect(server.url, token=platform.gate.tokens.local()) as client,
        ):
            reading = {"twin": "press-9", "property": "pressure", "value": 6}
            assert client.ingest([{"readings": [reading]}], source="somebody").accepted == 1
        assert platform.supervisor.health()["press-9-http"].readings == 0

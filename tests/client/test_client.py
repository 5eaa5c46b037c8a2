"""The client against a real server: the same verbs, the same values, the same errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import gemel
from gemel.client import Client
from gemel.client.transport import error_of
from gemel.clock import parse_time
from gemel.errors import (
    Conflict,
    Denied,
    GemelError,
    InvalidDocument,
    InvalidInput,
    InvalidValue,
    Overloaded,
    Unauthenticated,
    UnknownProperty,
    UnknownTwin,
    UnknownType,
)
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import ConnectorSpec, PropertyType, Quality, TwinSpec, TwinType

NOON = parse_time("2026-03-01T12:00:00Z")
HOUR = 3_600_000_000


@pytest.fixture(scope="module")
def client(server: Server, tokens: dict[str, str]) -> Iterator[Client]:
    with gemel.connect(server.url, token=tokens["administrator"]) as client:
        yield client


def test_it_knows_who_and_where_it_is(client: Client) -> None:
    assert client.me().roles[-1] == "administrator"
    site = client.site()
    assert (site.name, site.time_zone, site.version) == ("Test bed", "America/New_York", gemel.__version__)


def test_a_value_is_written_and_read(client: Client, platform: Platform) -> None:
    position = client.write("press-7", "oil_temperature", 55.5, time=NOON)
    now = client.now("press-7", at_position=position)["oil_temperature"]
    there = platform.now("press-7")["oil_temperature"]
    assert (now.value, now.time, now.recorded, now.position) == (55.5, NOON, there.recorded, there.position)
    assert now.quality is Quality.GOOD
    assert client.position >= position
    client.write("press-7", "oil_temperature", 131, unit="[degF]", time=NOON + 1)
    assert client.now("press-7")["oil_temperature"].value == pytest.approx(55.0)


def test_twins_types_and_links_are_the_library_s_values(client: Client, platform: Platform) -> None:
    assert client.type("press") == platform.type("press")
    assert client.types() == platform.types()
    twin = client.twin("seven")
    assert (twin.id, twin.serial, twin.stage) == ("press-7", "SN-4711", platform.twin("press-7").stage)
    assert {(link.kind, link.source) for link in client.links("press-7")} == {
        ("part_of", "press-7"),
        ("feeds", "press-8"),
    }
    assert client.links("press-7", direction="out") == platform.registry.links("press-7", direction="out")
    assert [part["id"] for part in client.parts("line-1")["parts"]] == ["press-7"]
    assert [one.id for one in client.twins("SN-47").items] == ["press-7"]
    assert [one.id for one in client.twins(linked=["part_of:line-1"]).items] == ["press-7"]


def test_types_and_twins_are_made_and_retired(client: Client) -> None:
    client.put_type(TwinType(id="valve", properties=(PropertyType(name="opening", unit="%"),)))
    client.put_twin(TwinSpec(id="valve-1", types=("valve",)))
    link = client.link("feeds", "valve-1", "press-7")
    assert (link.source, link.until) == ("valve-1", None)
    client.unlink("feeds", "valve-1", "press-7")
    client.remove_twin("valve-1")
    assert client.twins(type="valve").items == []


def test_a_plant_document_is_shown_and_applied(client: Client, tmp_path: Path) -> None:
    text = "gemel: 1\ntwins:\n  - {id: press-9, types: [press]}\n"
    plan = client.apply(text, dry_run=True)
    assert plan.dry_run
    assert [step["id"] for step in plan.steps] == ["press-9"]
    file = tmp_path / "plant.yaml"
    file.write_text(text)
    assert not client.apply(file).empty
    assert client.apply({"gemel": 1, "twins": [{"id": "press-9", "types": ["press"]}]}).empty


def test_messages_and_columns_are_handed_in(client: Client) -> None:
    readings = [
        {"twin": "press-8", "property": "oil_temperature", "value": 20 + n, "time": NOON + n * HOUR} for n in range(4)
    ]
    receipt = client.ingest([{"id": "batch-1", "readings": readings}], source="file")
    assert (receipt.accepted, receipt.quarantined) == (4, 0)
    assert client.ingest([{"id": "batch-1", "readings": readings}], source="file").accepted == 0
    columns = {
        "twin": ["press-8"] * 2,
        "property": ["parts_made"] * 2,
        "time": pa.array([NOON, NOON + 1], pa.timestamp("us", tz="UTC")),
        "value": [1, 2],
    }
    assert client.ingest(pa.table(columns)).accepted == 2


def test_the_past_is_read_as_values_columns_and_tables(client: Client) -> None:
    client.write("line-1", "oil_temperature", 10, time=NOON)
    client.write("line-1", "oil_temperature", 30, time=NOON + HOUR // 2)
    then = client.at("line-1", NOON + 60_000_000)
    assert (then["oil_temperature"].value, then["oil_temperature"].time) == (10, NOON)
    series = client.range("line-1", "oil_temperature", NOON, NOON + HOUR, method="raw")
    assert (series.columns["time"], series.columns["value"]) == ([NOON, NOON + HOUR // 2], [10, 30])
    assert series.unit == "Cel"
    table = client.history("line-1", "oil_temperature", NOON, NOON + HOUR, method="raw")
    assert table.column("value").to_pylist() == [10.0, 30.0]
    average = client.average("line-1", "oil_temperature", NOON, NOON + HOUR)
    assert average.value == pytest.approx(20)


def test_sql_comes_as_a_table(client: Client) -> None:
    client.write("press-7", "parts_made", 12)
    table = client.query("SELECT twin, parts_made FROM live.press WHERE twin = 'press-7'")
    assert table.to_pylist() == [{"twin": "press-7", "parts_made": 12}]


def test_a_subscription_is_an_iterator_of_deltas(client: Client, platform: Platform) -> None:
    client.write("press-7", "running", True)
    with client.subscribe(["press-7"], properties=["running"]) as subscription:
        first = subscription.get(60)
        assert first is not None
        assert first.snapshot
        assert [(one.twin, one.property, one.value) for one in first.values] == [("press-7", "running", True)]
        wanted = platform.write("press-7", "running", False)
        delta = next(delta for delta in subscription if delta.values)
        assert (delta.values[0].value, delta.snapshot) == (False, False)
        assert subscription.position >= wanted
    with client.subscribe(["press-7"], after=first.position) as subscription:
        missed = next(delta for delta in subscription if delta.values)
        assert missed.values[0].value is False
    with pytest.raises(UnknownTwin), client.subscribe(["ghost"]) as subscription:
        subscription.get(60)


def test_quarantine_is_listed_replayed_and_discarded(client: Client) -> None:
    message = {"readings": [{"twin": "late-1", "property": "oil_temperature", "value": 5}]}
    assert client.ingest([message], source="early").quarantined == 1
    held = client.quarantined(source="http:early").items
    assert held[0]["code"] == "unknown-twin"
    client.put_twin(TwinSpec(id="late-1", types=("press",)))
    assert client.replay(ids=[held[0]["id"]]).accepted == 1
    assert client.now("late-1")["oil_temperature"].value == 5
    client.ingest([{"readings": [{"twin": "never", "property": "x", "value": 5}]}], source="early")
    assert client.discard(source="http:early") == 1


def test_connectors_are_declared_seen_and_removed(client: Client) -> None:
    client.put_connector(ConnectorSpec(id="gauge", kind="mqtt", settings={"url": "mqtt://127.0.0.1:1"}, enabled=False))
    assert [one["id"] for one in client.connectors()] == ["gauge"]
    client.remove_connector("gauge")
    assert client.connectors() == []


def test_the_journal_is_verified(client: Client, platform: Platform) -> None:
    assert client.head().position <= platform.journal.head().position
    assert client.verify()["ok"] is True


def test_an_administrator_manages_people_and_tokens(client: Client, server: Server) -> None:
    ada = client.access.add_user("Ada", "correct horse battery", "operator")
    assert client.access.change_user(ada["id"], role="engineer")["role"] == "engineer"
    made = client.access.add_token("line", "viewer", expires="2100-01-01T00:00:00Z")
    with gemel.connect(server.url, token=made["secret"]) as viewer:
        assert viewer.me().id == made["id"]
        with pytest.raises(Denied):
            viewer.write("press-7", "oil_temperature", 1)
        with pytest.raises(Denied):
            viewer.access.users()
        client.access.withdraw_token(made["id"])
        with pytest.raises(Unauthenticated):
            viewer.me()
    assert made["id"] not in {token["id"] for token in client.access.tokens().items}
    client.access.erase_user(ada["id"])
    assert any(entry["action"] == "administer" for entry in client.access.audit().items)


def test_errors_come_back_as_the_library_s(client: Client) -> None:
    with pytest.raises(UnknownTwin, match="ghost"):
        client.now("ghost")
    with pytest.raises(UnknownType):
        client.type("ghost")
    with pytest.raises(InvalidValue):
        client.write("press-7", "oil_temperature", "hot")
    with pytest.raises(UnknownProperty):
        client.write("press-7", "ghost", 1)
    with pytest.raises(InvalidDocument) as told:
        client.apply("gemel: 1\ntypes:\n  - {id: x, colour: red}\n")
    assert told.value.problems[0].line == 3
    client.access.add_user("Bea", "correct horse battery")
    with pytest.raises(Conflict):
        client.access.add_user("Bea", "correct horse battery")
    with pytest.raises(InvalidInput):
        gemel.connect("127.0.0.1:8080")


def test_every_error_class_survives_the_way_over_http() -> None:
    import gemel.errors as tree
    from gemel.server.problems import told

    for name in tree.__all__:
        kind = getattr(tree, name)
        if not isinstance(kind, type) or not issubclass(kind, GemelError):
            continue
        error = kind("doc", [tree.Problem("wrong", "x", 1, 2)]) if kind is InvalidDocument else kind("what and how")
        status, _, body = told(error, "/api/v1/x")
        back = error_of(status, body)
        assert type(back) is kind
        assert back.detail == error.detail
    _, headers, body = told(Overloaded("later", retry_after_s=7), "/")
    assert error_of(429, body).retry_after_s == 7  # type: ignore[attr-defined]
    assert (b"retry-after", b"7") in headers
    assert "is it Gemel?" in str(error_of(502, b"<html>"))


def test_a_server_that_is_not_there_is_said_so() -> None:
    with gemel.connect("http://127.0.0.1:1") as client:
        with pytest.raises(GemelError, match="cannot be reached"):
            client.me()
        with pytest.raises(GemelError, match="cannot be reached"):
            client.subscribe(["x"])


def test_over_tls_with_the_authority_s_certificate(platform: Platform, tokens: dict[str, str], tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    with Server(platform, port=0, tls_cert=certificate, tls_key=key) as server:
        assert server.url.startswith("https://")
        with Client(server.url, token=tokens["viewer"], verify=str(certificate)) as client:
            assert client.me().role == "viewer"
            with client.subscribe(["press-7"]) as subscription:
                assert subscription.get(60) is not None
        with gemel.connect(server.url) as stranger, pytest.raises(GemelError, match="cannot be reached"):
            stranger.me()


def _certificate(folder: Path) -> tuple[Path, Path]:
    import ipaddress
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gemel test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key

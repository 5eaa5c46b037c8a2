"""What is wrong is told with the way out; what leaves the house tells no secret."""

from __future__ import annotations

import io
import logging
import zipfile
from pathlib import Path

import pytest
import structlog

from gemel.clock import SECOND, WallClock
from gemel.diagnosis import Level, at_rest, doctor, parts, scrubbed, scrubbed_text, worst
from gemel.folder import Folder
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server, configure_logs

PLANT = """
gemel: 1
types: [{id: press, properties: [{name: force, unit: kN, maximum: 100}]}]
twins: [{id: press-7, types: [press]}]
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk of a busy machine takes is no fault of what is looked at."""
    monkeypatch.setattr(at_rest, "SLOW_FSYNC_MS", 3_600_000.0)
    monkeypatch.setattr(parts, "SLOW_FSYNC_S", 3_600.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "plant"
    with Platform.open(path) as platform:
        platform.apply(PLANT)
        platform.write("press-7", "force", 3.0)
        platform.history.flush()
    return path


def found(folder: Path, part: str, **how: bool) -> list[tuple[str, str]]:
    return [(str(one.level), one.told) for one in doctor(folder, WallClock(), **how) if one.part == part]


def test_a_sound_folder_is_found_sound(folder: Path) -> None:
    checks = doctor(folder, WallClock(), full=True)
    assert worst(checks) is Level.OK, checks
    assert {"settings", "permissions", "owner", "disk", "fsync", "database", "journal", "history"} <= {
        one.part for one in checks
    }


def test_an_open_folder_is_looked_at_without_harm(folder: Path) -> None:
    with Platform.open(folder) as platform:
        assert worst(doctor(folder, WallClock(), full=True)) is Level.OK
        assert "it is open in process" in found(folder, "owner")[0][1]
        platform.write("press-7", "force", 4.0)


def test_permissions_are_found_and_mended(folder: Path) -> None:
    folder.chmod(0o755)
    assert found(folder, "permissions")[0][0] == "bad"
    assert found(folder, "permissions", fix=True)[0][0] == "ok"
    assert found(folder, "permissions")[0][0] == "ok"


def test_the_note_of_a_process_that_is_gone_is_removed(folder: Path) -> None:
    (folder / "gemel.owner").write_bytes(b'{"process": 999999}')
    assert found(folder, "owner")[0][0] == "warn"
    found(folder, "owner", fix=True)
    assert Folder.owner(folder) is None


def test_an_unknown_setting_is_named(folder: Path) -> None:
    (folder / "gemel.yaml").write_text("retention: {raw: 3 days}\nhistori_every_s: 3\n")
    level, told = found(folder, "settings")[0]
    assert level == "bad"
    assert "histori_every_s" in told


def test_a_changed_block_is_found_by_the_full_look(folder: Path) -> None:
    import sqlite3

    with sqlite3.connect(folder / "gemel.sqlite") as connection:
        connection.execute("UPDATE journal_block SET hash = zeroblob(32) WHERE sequence = 1")
    connection.close()
    assert found(folder, "journal", full=True)[0][0] == "bad"


def test_a_file_that_is_cut_short_is_found(folder: Path) -> None:
    path = next((folder / "history/data").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-10])
    level, told = found(folder, "history")[0]
    assert level == "bad"
    assert path.name in told


def test_a_connector_that_does_not_answer_and_a_secret_that_is_not_there_are_named(folder: Path) -> None:
    with Platform.open(folder, run_connectors=False) as platform:
        platform.apply(
            PLANT + "connectors: [{id: plc, kind: mqtt, settings: "
            "{url: 'mqtt://127.0.0.1:9', password: {env: GEMEL_NOT_SET}}, bindings: []}]\n"
        )
    told = found(folder, "connector plc")
    assert ("warn", True) in [(level, "127.0.0.1:9 does not answer" in text) for level, text in told]
    assert any(level == "bad" and "GEMEL_NOT_SET" in text for level, text in told)


def test_health_names_what_is_not_well_and_since_when(folder: Path) -> None:
    with Platform.open(folder) as platform:
        first = {check.part: check for check in platform.health.look()}
        assert first["journal"].level is Level.OK
        assert (first["backup"].level, "backup: {to: FOLDER}" in first["backup"].way_out) == (Level.WARN, True)
        platform.ingest([Message(readings=[Reported(twin="press-7", property="force", value=1000.0)])])
        second = {check.part: check for check in platform.health.look()}
        assert second["quarantine"].level is Level.WARN
        assert second["backup"].since == first["backup"].since


def test_the_server_tells_its_health(folder: Path) -> None:
    import httpx

    with Platform.open(folder) as platform, Server(platform, port=0) as server:
        tokens = {role: platform.gate.tokens.add(role, role)[1] for role in ("viewer", "operator", "administrator")}

        def ask(path: str, role: str, method: str = "GET") -> httpx.Response:
            headers = {"Authorization": f"Bearer {tokens[role]}"}
            return httpx.request(method, f"{server.url}{path}", headers=headers, timeout=60)

        assert httpx.get(f"{server.url}/health").json() == {"live": True, "ready": True}
        assert ask("/api/v1/diagnosis", "viewer").status_code == 403
        told = ask("/api/v1/diagnosis", "operator").json()
        assert told["level"] in ("ok", "warn")
        assert {"journal", "history", "disk", "clock", "server"} <= {check["part"] for check in told["checks"]}
        room = ask("/api/v1/storage", "operator").json()
        assert room["types"][0]["type"] == "press"
        assert 'gemel_health{part="journal"} 0.0' in ask("/metrics", "viewer").text
        assert ask("/api/v1/support-bundle", "operator", "POST").status_code == 403
        seen = ask("/api/v1/twins/press-7/erasure", "administrator").json()
        assert (seen["twins"], seen["readings"]) == (["press-7"], 1)
        assert ask("/api/v1/twins/press-7/erasure", "operator").status_code == 403


SECRETS = [f"hunter2-{place}" for place in ("in-url", "in-env", "in-file", "password", "logged", "bearer")]


def test_a_support_bundle_tells_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    monkeypatch.setenv("GEMEL_SECRET", "hunter2-in-env")
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets/plc").write_text("hunter2-in-file")
    (folder / "gemel.yaml").write_text("webhook_networks: [127.0.0.1]\n")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(json=True, level=logging.ERROR)
    try:
        with Platform.open(folder, run_connectors=False) as platform, Server(platform, port=0) as server:
            platform.apply(
                PLANT + "connectors: [{id: plc, kind: mqtt, settings: {url: 'mqtt://127.0.0.1:9', "
                "user: u, password: {env: GEMEL_SECRET}}, bindings: []}]\n"
            )
            account = platform.gate.accounts.add("Hannah", "hunter2-password is long", "administrator")
            token = platform.gate.tokens.add("t", "administrator", actor=account.id)[1]
            claim = platform.gate.tokens.local()
            log = structlog.get_logger("gemel.test")
            log.error("cannot reach postgresql://gemel:hunter2-in-url@db/plant", password="hunter2-logged")
            log.error("sent Authorization: Bearer hunter2-bearer-0123456789", note=f"with {token}, {claim}")
            answer = httpx.post(
                f"{server.url}/api/v1/support-bundle", headers={"Authorization": f"Bearer {token}"}, timeout=60
            )
            assert answer.status_code == 200
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "cannot reach postgresql://" in everything
    assert "GEMEL_SECRET" in everything
    assert '"gemel":' in everything
    for secret in (*SECRETS, token, claim, "Hannah", "$argon2"):
        assert secret not in everything, secret


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mqtt://u:p%40ss@host:1883/x", "mqtt://…@host:1883/x"),
        ('{"client_secret": "abc def", "id": 3}', '{"client_secret": …, "id": 3}'),
        ("password=abc next", "password=… next"),
        ("gemel_http_request_seconds_total 3", "gemel_http_request_seconds_total 3"),
        ("http://127.0.0.1/setup#gemel_setup_abcdefgh1234", "http://127.0.0.1/setup#…"),
        ("the token of press-7 has ended", "the token of press-7 has ended"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, left: str) -> None:
    assert scrubbed_text(text) == left


def test_references_stay_and_values_under_secret_names_go() -> None:
    given = {"password": {"env": "P"}, "api_key": "abc", "nested": [{"token": "t", "rows": 3}], "tokens": 5}
    assert scrubbed(given) == {
        "password": {"env": "P"},
        "api_key": "…",
        "nested": [{"token": "…", "rows": 3}],
        "tokens": 5,
    }


def test_certificates_that_end_are_told(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from gemel.diagnosis.edges import certificate

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime(2026, 1, 1, tzinfo=UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plant")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "plant.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    start = round(now.timestamp()) * SECOND
    levels = [str(certificate(path, start + days * 86_400 * SECOND).level) for days in (0, 70, 91)]
    assert levels == ["ok", "warn", "bad"]

"""Devices from the command line, and what a device runs itself."""

import csv
import json
import stat

import httpx
import pytest
from cryptography import x509

from gemel import open as open_plant
from gemel.errors import Conflict, InvalidDocument, InvalidInput, NotFound, Unauthenticated
from gemel.server import Server
from tests.cli.test_commands import gemel

__all__ = ["gemel"]


@pytest.fixture
def served(gemel, tmp_path):
    """The plant behind a server that the commands find by its folder; returns its URL."""
    gemel("apply", "plant.yaml")
    with open_plant(tmp_path / "plant") as plant, Server(plant, port=0) as server:
        plant.folder.announce(url=server.url, token=plant.gate.tokens.local())
        yield server.url


def report(url, folder):
    """What a device reports for press-7 with its secret: the answer."""
    body = {"messages": [{"readings": [{"twin": "press-7", "property": "oil_temperature", "value": 40.5}]}]}
    headers = {"Authorization": f"Bearer {(folder / 'secret').read_text().strip()}"}
    return httpx.post(f"{url}/api/v1/ingest", json=body, headers=headers)


def test_a_device_is_let_in_claims_reports_and_renews(gemel, served, tmp_path):
    made = json.loads(gemel("--json", "devices", "add", "gw", "press-7"))
    home = tmp_path / "device"
    assert made["code"] not in gemel("device", "claim", served, made["code"], "--out", str(home))
    names = {path.name for path in home.iterdir()}
    assert names == {"key.pem", "certificate.pem", "authority.pem", "secret", "device.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert report(served, home).json()["accepted"] == 1
    issued = x509.load_pem_x509_certificate((home / "certificate.pem").read_bytes())
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate((home / "authority.pem").read_bytes()))

    secret, key = (home / "secret").read_text(), (home / "key.pem").read_text()
    gemel("device", "renew", "--out", str(home))
    assert (home / "secret").read_text() != secret
    assert (home / "key.pem").read_text() != key
    assert {path.name for path in home.iterdir()} == names
    assert report(served, home).status_code == 200
    row = json.loads(gemel("--json", "devices", "show", "gw"))
    assert (row["state"], row["certificate_days"]) == ("active", 364)

    gemel("devices", "revoke", "gw", "--yes")
    assert report(served, home).status_code == 401
    with pytest.raises(Unauthenticated):
        gemel("device", "renew", "--out", str(home))


def test_a_code_is_not_spent_on_a_folder_that_is_somebodys(gemel, served, tmp_path):
    codes = [json.loads(gemel("--json", "devices", "add", name, "press-7"))["code"] for name in ("one", "two")]
    home = tmp_path / "device"
    gemel("device", "claim", served, codes[0], "--out", str(home))
    with pytest.raises(Conflict, match="identity of a device"):
        gemel("device", "claim", served, codes[1], "--out", str(home))
    with pytest.raises(InvalidInput, match="cannot be written"):
        gemel("device", "claim", served, codes[1], "--out", str(tmp_path / "plant.yaml" / "below"))
    gemel("device", "claim", served, codes[1], "--out", str(tmp_path / "other"))
    with pytest.raises(NotFound, match="claim the device first"):
        gemel("device", "renew", "--out", str(tmp_path / "nowhere"))


def test_a_request_made_elsewhere_is_signed(gemel, served, tmp_path):
    gemel("devices", "add", "gw", "press-7")
    (tmp_path / "gw.csr").write_text(gemel("device", "request", "--out", str(tmp_path / "key")))
    gemel("devices", "issue", "gw", "--csr", "gw.csr", "--out", "gw.pem")
    made = x509.load_pem_x509_certificate((tmp_path / "gw.pem").read_bytes())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(gemel("devices", "authority").encode()))
    assert made.subject.rfc4514_string() == "CN=gw"
    with pytest.raises(InvalidInput, match="either --csr"):
        gemel("devices", "issue", "gw")


def test_a_table_gives_back_codes_for_this_user_alone(gemel, served, tmp_path):
    (tmp_path / "devices.csv").write_text("id,type,serial\npress-20,press,S1\nnot ok,press,S2\n")
    assert "refused" in gemel("devices", "enrol", "devices.csv", "--dry-run")
    with pytest.raises(InvalidDocument, match="line 3"):
        gemel("devices", "enrol", "devices.csv")
    gemel("devices", "enrol", "devices.csv", "--continue", "--out", "codes.csv")
    assert stat.S_IMODE((tmp_path / "codes.csv").stat().st_mode) == 0o600
    with (tmp_path / "codes.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["id"] == "press-20"
    gemel("device", "claim", served, row["claim_code"], "--out", str(tmp_path / "device"))
    (twin,) = json.loads(gemel("--json", "twins", "press-20"))
    assert twin["serial"] == "S1"


def test_an_endpoints_certificate_is_made_beside_the_plant(gemel, tmp_path):
    gemel("apply", "plant.yaml")
    gemel("devices", "endpoint", "gemel.example", "10.0.0.5")
    secrets = tmp_path / "plant" / "secrets"
    made, issuer = x509.load_pem_x509_certificates((secrets / "endpoint.pem").read_bytes())
    made.verify_directly_issued_by(issuer)
    assert stat.S_IMODE((secrets / "endpoint-key.pem").stat().st_mode) == 0o600
    assert gemel("devices", "authority").strip() == (secrets / "authority" / "certificate.pem").read_text().strip()


def test_devices_are_listed_changed_and_forgotten(gemel, served):
    assert "gemel devices add" in gemel("devices", "list")
    gemel("devices", "add", "gw")
    gemel("devices", "change", "gw", "press-7")
    (row,) = json.loads(gemel("--json", "devices", "list", "press", "--state", "waiting"))
    assert row["twins"] == ["press-7"]
    assert len(gemel("devices", "claim-code", "gw").strip()) == 14
    assert gemel("devices", "rotate", "gw").startswith("gemel_device_")
    gemel("devices", "remove", "gw", "-y")
    assert json.loads(gemel("--json", "devices", "list")) == []

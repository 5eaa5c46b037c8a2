"""Devices over HTTP: claimed once, reporting for their own twins, kept out at once; tables of them."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gemel.platform import Platform
from gemel.server import Server
from gemel.server.options import API

AsRole = Callable[[str], httpx.Client]
_NUMBERS = count()


@pytest.fixture
def engineer(as_role: AsRole) -> httpx.Client:
    return as_role("engineer")


@pytest.fixture
def nobody(as_role: AsRole, platform: Platform) -> Iterator[httpx.Client]:
    yield as_role("")
    platform.gate.devices.throttle.succeeded("claim:127.0.0.1", "address:127.0.0.1", "renew:127.0.0.1")


def request_of(key: ec.EllipticCurvePrivateKey, name: str = "who it says it is") -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def added(engineer: httpx.Client, twins: list[str]) -> dict[str, object]:
    """A new device, as the answer that invites it."""
    answer = engineer.post(f"{API}/devices", json={"id": f"gw-{next(_NUMBERS)}", "twins": twins})
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def claimed(engineer: httpx.Client, nobody: httpx.Client, twins: list[str], **more: str) -> dict[str, str]:
    answer = nobody.post(f"{API}/devices/claim", json={"code": added(engineer, twins)["code"], **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def told(twin: str, value: object = 20.5) -> dict[str, object]:
    return {"messages": [{"readings": [{"twin": twin, "property": "oil_temperature", "value": value}]}]}


def test_a_claim_code_is_traded_once_for_all_that_a_device_needs(engineer, nobody, server: Server) -> None:
    invited = added(engineer, ["press-7"])
    assert invited["state"] == "waiting"
    assert len(str(invited["code"])) == 14
    typed = str(invited["code"]).lower().replace("-", " ").replace("0", "o").replace("1", "l")
    got = nobody.post(f"{API}/devices/claim", json={"code": typed}).json()
    assert got["id"] == invited["id"]
    assert got["twins"] == ["press-7"]
    assert got["http"] == f"{server.url}{API}/ingest"
    assert httpx.post(got["http"], json=told("press-7"), headers=bearer(got["secret"])).json()["accepted"] == 1
    again = nobody.post(f"{API}/devices/claim", json={"code": typed})
    assert again.status_code == 401
    assert "used already" in again.json()["detail"]
    seen = engineer.get(f"{API}/devices/{invited['id']}").json()
    assert seen["state"] == "active"
    assert seen["last_seen"]
    assert "secret" not in str(seen).replace("'secret'", "")


def test_of_many_that_claim_with_one_code_one_gets_it(engineer, nobody) -> None:
    code = added(engineer, ["press-7"])["code"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: nobody.post(f"{API}/devices/claim", json={"code": code}), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


@pytest.fixture
def slow_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait is not over before the next guess, however busy the machine is."""
    monkeypatch.setattr("gemel.access.throttle.FIRST_WAIT_S", 600.0)


def test_guessing_codes_slows_down(nobody, slow_down) -> None:
    answers = [nobody.post(f"{API}/devices/claim", json={"code": "AAAA-BBBB-CCCC"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_device_reports_for_its_twins_and_their_parts_alone(engineer, nobody, platform: Platform) -> None:
    got = claimed(engineer, nobody, ["line-1"])
    body = {
        "messages": [
            {
                "readings": [
                    {"twin": twin, "property": "oil_temperature", "value": 33.0}
                    for twin in ("line-1", "press-7", "seven", "press-8", "not-there")
                ],
                "events": [{"twin": "press-8", "event": "overheated"}, {"twin": "press-7", "event": "overheated"}],
            }
        ]
    }
    receipt = nobody.post(f"{API}/ingest", json=body, headers=bearer(got["secret"])).json()
    assert (receipt["accepted"], receipt["quarantined"]) == (4, 3)
    assert {(one["code"], one["twin"]) for one in receipt["problems"]} == {
        ("not-granted", "press-8"),
        ("not-granted", "not-there"),
    }
    held = engineer.get(f"{API}/quarantine", params={"source": f"device:{got['id']}"}).json()["items"]
    assert len(held) == 3
    assert all(one["code"] == "not-granted" for one in held)
    assert engineer.get(f"{API}/devices/{got['id']}").json()["refused"] == 3
    metrics = engineer.get("/metrics").text
    assert float(metrics.split("\ngemel_devices_refused ")[1].split()[0]) >= 3
    assert float(metrics.split('\ngemel_devices{state="active"} ')[1].split()[0]) >= 1
    platform.gate.devices.change(got["id"], ["line-1", "press-8"])
    replayed = engineer.post(f"{API}/quarantine/replay", json={"source": f"device:{got['id']}", "twin": "press-8"})
    assert replayed.json()["accepted"] == 2


def test_a_part_that_is_taken_off_is_no_longer_the_devices(engineer, nobody, platform: Platform) -> None:
    got = claimed(engineer, nobody, ["press-8"])
    platform.change(lambda tx: platform.registry.put_link(tx, "part_of", "press-7", "press-8"))
    who = platform.gate.devices.bearer(got["secret"])
    assert platform.gate.devices.twins(who) == {"press-7", "press-8"}
    platform.change(lambda tx: platform.registry.end_link(tx, "part_of", "press-7", "press-8"))
    assert platform.gate.devices.twins(who) == {"press-8"}


def test_columns_of_a_device_are_kept_to_its_twins_too(engineer, nobody, platform: Platform) -> None:
    got = claimed(engineer, nobody, ["press-7"])
    columns = {
        "twin": ["press-7", "press-8", "seven"],
        "property": ["oil_temperature"] * 3,
        "time": pa.array([platform.clock.now()] * 3, pa.timestamp("us", "UTC")),
        "value": [1.0, 2.0, 3.0],
    }
    table = pa.table(columns)
    body = io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as stream:
        stream.write_table(table)
    headers = {**bearer(got["secret"]), "Content-Type": "application/vnd.apache.arrow.stream"}
    answer = nobody.post(f"{API}/ingest", content=body.getvalue(), headers=headers)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert (receipt["accepted"], receipt["quarantined"]) == (2, 1)
    assert receipt["problems"][0]["code"] == "not-granted"


def test_a_device_reads_its_own_twin_and_nothing_else(engineer, nobody) -> None:
    got = claimed(engineer, nobody, ["press-7"])
    own = bearer(got["secret"])
    assert nobody.get(f"{API}/twins/press-7/now", headers=own).status_code == 200
    assert nobody.put(f"{API}/twins/press-7/now/parts_made", json={"value": 7}, headers=own).status_code == 200
    assert nobody.get(f"{API}/twins/press-8/now", headers=own).status_code == 404
    assert nobody.put(f"{API}/twins/press-8/now/parts_made", json={"value": 7}, headers=own).status_code == 404
    for path in ("twins", "types", "quarantine", "site", "devices", f"devices/{got['id']}", "users", "connectors"):
        assert nobody.get(f"{API}/{path}", headers=own).status_code == 403, path
    assert nobody.post(f"{API}/query", json={"sql": "SELECT 1"}, headers=own).status_code == 403
    assert (
        nobody.post(f"{API}/ingest", params={"source": "press"}, json=told("press-7"), headers=own).status_code == 422
    )
    me = nobody.get(f"{API}/me", headers=own).json()
    assert (me["kind"], me["roles"]) == ("device", [])


def test_a_device_may_sign_in_with_its_id_and_secret(engineer, nobody, slow_down) -> None:
    got = claimed(engineer, nobody, ["press-7"])
    assert nobody.post(f"{API}/ingest", json=told("press-7"), auth=(got["id"], got["secret"])).status_code == 200
    wrong = [nobody.post(f"{API}/ingest", json=told("press-7"), auth=(got["id"], "guess")) for _ in range(6)]
    assert [one.status_code for one in wrong] == [401] * 5 + [429]
    right = nobody.post(f"{API}/ingest", json=told("press-7"), auth=(got["id"], got["secret"]))
    assert right.status_code == 200, "a stranger's guesses must not lock a device out"


def test_who_may_not_configure_may_look_but_not_let_in(as_role: AsRole, nobody) -> None:
    assert as_role("viewer").get(f"{API}/devices").status_code == 200
    for role in ("viewer", "operator"):
        assert as_role(role).post(f"{API}/devices", json={"id": "x"}).status_code == 403
        assert as_role(role).post(f"{API}/devices/enrol", content=b"id\nx\n").status_code == 403
    assert nobody.get(f"{API}/devices").status_code == 401
    assert nobody.get(f"{API}/authority").status_code == 401


def test_a_revoked_device_is_out_at_once_and_comes_back_with_a_new_code(engineer, nobody, platform: Platform) -> None:
    got = claimed(engineer, nobody, ["press-7"])
    told_of: list[str] = []
    platform.gate.devices.on_revoked.append(told_of.append)
    answer = engineer.post(f"{API}/devices/{got['id']}/revoke").json()
    assert answer["state"] == "revoked"
    assert told_of == [got["id"]]
    assert nobody.post(f"{API}/ingest", json=told("press-7"), headers=bearer(got["secret"])).status_code == 401
    assert engineer.post(f"{API}/devices/{got['id']}/rotate").status_code == 409
    code = engineer.post(f"{API}/devices/{got['id']}/claim-code", json={}).json()["code"]
    new = nobody.post(f"{API}/devices/claim", json={"code": code}).json()["secret"]
    assert nobody.post(f"{API}/ingest", json=told("press-7"), headers=bearer(new)).status_code == 200
    assert nobody.post(f"{API}/ingest", json=told("press-7"), headers=bearer(got["secret"])).status_code == 401


def test_the_earlier_secret_is_good_until_the_new_one_is_used(engineer, nobody) -> None:
    got = claimed(engineer, nobody, ["press-7"])
    new = nobody.post(f"{API}/devices/renew", json={}, headers=bearer(got["secret"])).json()["secret"]
    for secret, status in ((got["secret"], 200), (new, 200), (got["secret"], 401)):
        assert nobody.post(f"{API}/ingest", json=told("press-7"), headers=bearer(secret)).status_code == status


def test_a_certificate_says_what_we_say_and_renews_itself(engineer, nobody, platform: Platform) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    got = claimed(engineer, nobody, ["press-7"], csr=request_of(key))
    made = x509.load_pem_x509_certificate(got["certificate"].encode())
    authority = x509.load_pem_x509_certificate(got["authority"].encode())
    made.verify_directly_issued_by(authority)
    assert made.subject.rfc4514_string() == f"CN={got['id']}"
    der = made.public_bytes(serialization.Encoding.DER)
    who = platform.gate.devices.of_certificate(der)
    assert who is not None
    assert who.id == f"device:{got['id']}"
    assert who.expires is not None

    fresh = ec.generate_private_key(ec.SECP256R1())
    csr = request_of(fresh)
    signed = x509.load_pem_x509_csr(csr.encode()).public_bytes(serialization.Encoding.DER)
    stolen = base64.b64encode(fresh.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()
    body = {"csr": csr, "certificate": got["certificate"], "proof": stolen}
    assert nobody.post(f"{API}/devices/renew", json=body).status_code == 401
    body["proof"] = base64.b64encode(key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()
    renewed = nobody.post(f"{API}/devices/renew", json=body)
    assert renewed.status_code == 200, renewed.text
    new = x509.load_pem_x509_certificate(renewed.json()["certificate"].encode())
    assert platform.gate.devices.of_certificate(der) is not None, "until the new one is used"
    assert platform.gate.devices.of_certificate(new.public_bytes(serialization.Encoding.DER)) is not None
    assert platform.gate.devices.of_certificate(der) is None
    seen = engineer.get(f"{API}/devices/{got['id']}").json()
    assert seen["certificate_days"] == 364
    assert len(seen["credentials"]) == 3


def test_a_table_is_previewed_then_taken_all_together(engineer, nobody, platform: Platform) -> None:
    good = "id;twins;type;serial;hall\nbulk-1;;press;SN-1;north\nbulk-2;press-7 press-8;;;\n"
    bad = good + "bulk-3;nowhere;;;\nbulk-1;;press;;\n=cmd|x;;press;;\n"
    seen = engineer.post(f"{API}/devices/enrol", params={"dry_run": True}, content=bad.encode()).json()
    assert [row["outcome"] for row in seen["rows"]] == ["new", "new", "refused", "refused", "refused"]
    assert (seen["new"], seen["refused"], seen["rows"][0]["creates"]) == (2, 3, "bulk-1")
    refused = engineer.post(f"{API}/devices/enrol", content=bad.encode())
    assert refused.status_code == 422
    assert {one["line"] for one in refused.json()["problems"]} == {4, 5, 6}
    assert engineer.get(f"{API}/devices/bulk-1").status_code == 404, "all or none"

    done = engineer.post(f"{API}/devices/enrol", content=good.encode()).json()
    assert done["new"] == 2
    assert platform.twin("bulk-1").attributes == {"hall": "north"}
    got = nobody.post(f"{API}/devices/claim", json={"code": done["rows"][0]["code"]}).json()
    assert nobody.post(f"{API}/ingest", json=told("bulk-1"), headers=bearer(got["secret"])).json()["accepted"] == 1
    again = engineer.post(f"{API}/devices/enrol", content=good.encode()).json()
    assert (again["new"], again["same"]) == (0, 2)

    left = engineer.post(
        f"{API}/devices/enrol",
        params={"leave_out": True},
        content=(bad + "bulk-4;press-7;;;\n").encode(),
        headers={"Accept": "text/csv"},
    )
    rows = list(csv.DictReader(io.StringIO(left.text)))
    assert [row["outcome"] for row in rows] == ["same", "same", "refused", "refused", "refused", "new"]
    assert rows[4]["id"] == "'=cmd|x", "a spreadsheet must not run it"
    assert len(rows[5]["claim_code"]) == 14


@pytest.mark.parametrize(
    ("table", "status", "says"),
    [
        (b"", 422, "`id`"),
        (b"\xff\xfe\x00i", 422, "UTF-8"),
        (b"id\n\x00\n", 422, "zero byte"),
        (b"name,type\nx,y\n", 422, "`id`"),
        (b"id,id\nx,y\n", 422, "same name"),
        (b'id\n"never closed\n', 422, "cannot be read as CSV"),
        (b"id\nx,y,z\n", 422, "3 cells"),
        (b"id,type\n" + b"d,press\n" * 10_001, 413, "10000 rows"),
        (b"id\n" + b"x" * (5 << 20), 413, "4 MiB"),
        (b",".join(b"c%d" % n for n in range(50)) + b",id\n", 422, "40 columns"),
        (b"id,note\nx," + b"y" * 2000 + b"\n", 422, "1000 characters"),
    ],
)
def test_a_hostile_table_is_refused_with_a_sentence(engineer, table: bytes, status: int, says: str) -> None:
    answer = engineer.post(f"{API}/devices/enrol", content=table)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_answers_with_secrets_are_not_remembered(engineer) -> None:
    answer = engineer.post(f"{API}/devices", json={"id": "once"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert "secret" in answer.json()["detail"]


def test_every_step_of_a_device_is_in_the_audit_log(engineer, nobody, admin) -> None:
    got = claimed(engineer, nobody, ["press-7"])
    engineer.post(f"{API}/devices/{got['id']}/revoke")
    lines = admin.get(f"{API}/audit", params={"limit": 100}).json()["items"]
    said = {(one["action"], one["resource"]) for one in lines}
    assert {("configure", got["id"]), ("claim", f"device:{got['id']}")} <= said
    details = " ".join(one["detail"] for one in lines)
    assert f"/devices/{got['id']}/revoke" in details
    assert got["secret"] not in details


def test_the_authoritys_key_is_told_to_nobody(engineer, nobody, platform: Platform) -> None:
    pem = engineer.get(f"{API}/authority").text
    key = platform.folder.path / "secrets" / "authority" / "key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert pem.startswith("-----BEGIN CERTIFICATE")
    assert "PRIVATE" not in pem
    revoked = claimed(engineer, nobody, ["press-7"], csr=request_of(ec.generate_private_key(ec.SECP256R1())))
    engineer.post(f"{API}/devices/{revoked['id']}/revoke")
    listed = x509.load_pem_x509_crl(engineer.get(f"{API}/authority/revocations").content)
    serial = x509.load_pem_x509_certificate(revoked["certificate"].encode()).serial_number
    assert listed.get_revoked_certificate_by_serial_number(serial) is not None
    assert listed.is_signature_valid(x509.load_pem_x509_certificate(pem.encode()).public_key())

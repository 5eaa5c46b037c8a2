"""Devices in the library: codes, credentials that follow one another, certificates, whom they speak for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from gemel.access import Authority, Device, Devices, Principal, Resource, ResourceKind
from gemel.access.credentials import claim_hash, new_claim
from gemel.clock import SECOND, SteppedClock
from gemel.errors import Conflict, Corrupt, InvalidId, InvalidInput, NotFound, Overloaded, Unauthenticated, UnknownTwin
from gemel.platform import Platform
from gemel.testing.postgres import PostgresServer, postgres

__all__ = ["postgres"]

PLANT = """
types:
  - id: press
    properties: [{name: t, kind: number}]
twins:
  - {id: press-7, types: [press]}
  - {id: press-8, types: [press]}
  - {id: motor, types: [press], part_of: press-7}
  - {id: bearing, types: [press], part_of: motor}
"""
DAY_S = 86_400
START = 1_767_225_600 * SECOND


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(START)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        (tmp_path / "gemel.yaml").write_text(f"database: {server.create()}\n")
    return tmp_path


@pytest.fixture
def platform(folder: Path, clock: SteppedClock) -> Iterator[Platform]:
    with Platform.open(folder, clock=clock) as platform:
        platform.apply(PLANT)
        yield platform


@pytest.fixture
def devices(platform: Platform) -> Devices:
    return platform.gate.devices


@pytest.fixture
def alone(tmp_path: Path, clock: SteppedClock) -> Iterator[Platform]:
    """On SQLite only: where the database is no matter."""
    with Platform.open(tmp_path, clock=clock) as platform:
        platform.apply(PLANT)
        yield platform


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | None = None) -> str:
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "administrator")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)


def test_what_a_device_is_outlives_the_process(folder: Path, clock: SteppedClock) -> None:
    with Platform.open(folder, clock=clock) as platform:
        platform.apply(PLANT)
        devices = platform.gate.devices
        _, code = devices.add("gw", ["press-7"])
        claimed = devices.claim(code, csr=csr())
        who = devices.authenticate("gw", claimed.secret)
        assert who is not None
        devices.seen(who, clock.now())
        _, open_code = devices.add("later", ["press-8"])
    clock.step(60)
    with Platform.open(folder, clock=clock) as platform:
        devices = platform.gate.devices
        again = devices.authenticate("gw", claimed.secret)
        assert again == who
        assert claimed.issued is not None
        assert devices.of_certificate(der(claimed.issued.certificate)) is not None
        assert devices.get("gw").seen == START
        assert devices.claim(open_code).device.id == "later"
        with pytest.raises(Unauthenticated):
            devices.claim(code)


def test_a_secret_is_good_for_its_own_name_alone(devices: Devices) -> None:
    first = devices.claim(devices.add("one", ["press-7"])[1])
    devices.claim(devices.add("two", ["press-8"])[1])
    assert devices.authenticate("one", first.secret) is not None
    assert devices.authenticate("two", first.secret) is None
    assert devices.authenticate("one", "") is None
    assert devices.authenticate("", first.secret) is None
    assert devices.authenticate("one", "\ud800") is None


def test_wrong_secrets_slow_down_and_right_ones_pass(devices: Devices, clock: SteppedClock) -> None:
    secret = devices.claim(devices.add("one", ["press-7"])[1]).secret
    for _ in range(5):
        assert devices.authenticate("one", "guess", address="10.0.0.9") is None
    with pytest.raises(Overloaded):
        devices.authenticate("one", "guess", address="10.0.0.9")
    assert devices.authenticate("one", secret, address="10.0.0.9") is not None
    clock.step(2)
    assert devices.authenticate("one", "guess", address="10.0.0.9") is None


def test_a_device_speaks_for_its_twins_and_what_is_part_of_them(devices: Devices, platform: Platform) -> None:
    devices.add("gw", ["press-7"])
    who = Principal(id="device:gw", kind="Device")
    assert devices.twins(who) == {"press-7", "motor", "bearing"}
    devices.change("gw", ["motor", "press-8"])
    assert devices.twins(who) == {"motor", "bearing", "press-8"}
    platform.change(lambda tx: platform.registry.end_link(tx, "part_of", "bearing", "motor"))
    assert devices.twins(who) == {"motor", "press-8"}
    assert devices.twins(Principal(id="device:nobody", kind="Device")) == frozenset()
    assert devices.twins(Principal(id="device:gw", kind="Token")) == frozenset()


def test_a_decision_follows_the_twins_of_the_moment(devices: Devices, platform: Platform) -> None:
    devices.add("gw", ["press-7"])
    who = Principal(id="device:gw", kind="Device")

    def may(action: str, twin: str) -> bool:
        return platform.gate.allows(who, action, Resource(ResourceKind.TWIN, twin))

    assert may("write", "bearing")
    assert may("read", "press-7")
    assert not may("write", "press-8")
    assert not any(may(action, "press-7") for action in ("command", "configure", "subscribe", "export", "query"))
    devices.change("gw", ["press-8"])
    assert not may("write", "press-7")
    assert may("write", "press-8")


def test_ids_and_twins_are_checked(devices: Devices) -> None:
    devices.add("gw", [])
    for bad in ("", "a b", "x" * 65, "../up", "claim", "enrol"):
        with pytest.raises(InvalidId):
            devices.add(bad)
    with pytest.raises(UnknownTwin, match="create it first"):
        devices.add("other", ["nowhere"])
    with pytest.raises(Conflict, match="already"):
        devices.add("gw")
    with pytest.raises(NotFound):
        devices.revoke("nobody")
    with pytest.raises(InvalidInput, match="60 s"):
        devices.add("other", claim_s=0)


def test_a_code_expires_and_a_new_one_voids_it(devices: Devices, clock: SteppedClock) -> None:
    _, first = devices.add("gw", ["press-7"], claim_s=3600)
    clock.step(3601)
    assert devices.get("gw").state(clock.now()) == "lapsed"
    with pytest.raises(Unauthenticated, match="expired"):
        devices.claim(first)
    _, second = devices.claim_code("gw")
    _, third = devices.claim_code("gw")
    with pytest.raises(Unauthenticated):
        devices.claim(second)
    assert devices.claim(third).device.state(clock.now()) == "active"


def test_a_bad_request_does_not_spend_the_code(alone: Platform) -> None:
    _, code = alone.gate.devices.add("gw", ["press-7"])
    with pytest.raises(InvalidInput, match="gemel device request"):
        alone.gate.devices.claim(code, csr="-----BEGIN CERTIFICATE REQUEST-----\nxx\n-----END CERTIFICATE REQUEST-----")
    assert alone.gate.devices.claim(code).secret


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(spoiled=st.lists(st.sampled_from([" ", "-", "\t", ""]), min_size=14, max_size=14), lower=st.booleans())
def test_however_a_code_is_typed_it_is_the_same(spoiled: list[str], lower: bool) -> None:
    code = new_claim()
    typed = "".join(a + b for a, b in zip(code, spoiled, strict=True)).replace("0", "O").replace("1", "I")
    assert claim_hash(typed.lower() if lower else typed) == claim_hash(code)


@given(st.text(max_size=40))
def test_what_is_no_code_is_said_to_be_none(text: str) -> None:
    letters = [one for one in text if not one.isspace() and one != "-"]
    if len(letters) != 12 or not all(one.isascii() and one.isalnum() for one in letters):
        with pytest.raises(Unauthenticated, match="twelve"):
            claim_hash(text)


def test_after_a_rotation_the_earlier_secret_ends_at_first_use_or_after_a_week(
    devices: Devices, clock: SteppedClock
) -> None:
    ended: list[str] = []
    devices.on_revoked.append(ended.append)
    first = devices.claim(devices.add("gw", ["press-7"])[1]).secret
    clock.step(1)
    second = devices.rotate("gw")
    assert devices.authenticate("gw", first) is not None
    assert ended == []
    assert devices.authenticate("gw", second) is not None
    assert ended == ["gw"]
    assert devices.authenticate("gw", first) is None
    clock.step(1)
    devices.rotate("gw")  # never used: the device did not hear of it
    clock.step(7 * DAY_S - 1)
    assert devices.authenticate("gw", second) is not None
    clock.step(1)
    assert devices.authenticate("gw", second) is None
    ended.clear()
    devices.sweep(clock.now())
    assert ended == ["gw"], "its connections are closed although nobody revoked anything"


def test_a_certificate_that_ends_soon_is_told_once(devices: Devices, platform: Platform, clock: SteppedClock) -> None:
    devices.add("gw", ["press-7"])
    devices.certificates.issue("gw", csr(), days=60)
    devices.sweep(clock.now(), force=True)
    clock.step(31 * DAY_S)
    devices.sweep(clock.now(), force=True)
    devices.sweep(clock.now(), force=True)
    told = [
        change
        for block in platform.journal.blocks()
        for change in block.changes
        if change.kind == "device.certificate_expiring"
    ]
    assert [(change.subject, change.body["days"]) for change in told] == [("gw", 29)]
    devices.certificates.issue("gw", csr(), days=60)
    assert devices.get("gw").certificate_ends(clock.now()) == clock.now() + 60 * DAY_S * SECOND


def test_one_certificate_can_be_revoked_and_the_other_stays(devices: Devices) -> None:
    devices.add("gw", ["press-7"])
    first = der(devices.certificates.issue("gw", csr()).certificate)
    second = der(devices.certificates.issue("gw", csr()).certificate)
    newest = x509.load_der_x509_certificate(second)
    id = next(one.id for one in devices.get("gw").credentials if one.serial == f"{newest.serial_number:x}")
    devices.revoke("gw", credential=id)
    assert devices.of_certificate(second) is None
    assert devices.of_certificate(first) is not None
    with pytest.raises(NotFound, match="revoked already"):
        devices.revoke("gw", credential=id)
    with pytest.raises(NotFound):
        devices.revoke("gw", credential="not hexadecimal")


def test_a_revoked_or_forgotten_device_shows_nothing_that_counts(devices: Devices) -> None:
    ended: list[str] = []
    devices.on_revoked.append(ended.append)
    claimed = devices.claim(devices.add("gw", ["press-7"])[1], csr=csr())
    assert claimed.issued is not None
    devices.revoke("gw")
    assert devices.authenticate("gw", claimed.secret) is None
    assert devices.of_certificate(der(claimed.issued.certificate)) is None
    for attempt in (lambda: devices.rotate("gw"), lambda: devices.certificates.issue("gw", csr())):
        with pytest.raises(Conflict, match="make a claim code"):
            attempt()
    devices.remove("gw")
    assert ended == ["gw", "gw"]
    devices.add("gw", ["press-8"])
    assert devices.authenticate("gw", claimed.secret) is None, "who takes the id does not get the earlier one's secret"


def test_a_certificate_from_outside_is_pinned_to_one_device(alone: Platform, clock: SteppedClock) -> None:
    devices = alone.gate.devices
    other = Authority(alone.folder.path / "other", clock)
    (alone.folder.path / "other").mkdir()
    pem = other.server(["10.0.0.1", "press.example"])[0]
    devices.add("one", ["press-7"])
    devices.add("two", ["press-8"])
    assert devices.of_certificate(der(pem)) is None
    devices.certificates.pin("one", pem)
    who = devices.of_certificate(der(pem))
    assert who is not None
    assert who.id == "device:one"
    with pytest.raises(Conflict, match="known already"):
        devices.certificates.pin("two", pem)
    clock.step(400 * DAY_S)
    assert devices.of_certificate(der(pem)) is None
    with pytest.raises(InvalidInput, match="ended on"):
        devices.certificates.pin("two", pem)


def test_weak_keys_are_not_signed(alone: Platform) -> None:
    devices = alone.gate.devices
    devices.add("gw", ["press-7"])
    for weak in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP192R1())):
        with pytest.raises(InvalidInput, match="not taken"):
            devices.certificates.issue("gw", csr(weak))
    strong = devices.certificates.issue("gw", csr(ed25519.Ed25519PrivateKey.generate()))
    made = x509.load_pem_x509_certificate(strong.certificate.encode())
    assert made.subject.rfc4514_string() == "CN=gw", "not what the request said"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:gemel:device:gw"]
    with pytest.raises(InvalidInput, match="days"):
        devices.certificates.issue("gw", csr(), days=100_000)


def test_a_damaged_authority_says_what_to_do_and_makes_no_other(alone: Platform, clock: SteppedClock) -> None:
    secrets = alone.folder.path / "secrets"
    assert "BEGIN CERTIFICATE" in alone.gate.devices.certificates.authority.certificate
    key = secrets / "authority" / "key.pem"
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(Corrupt, match="backup"):
        _ = Authority(secrets, clock).certificate
    key.write_bytes(kept)
    assert Authority(secrets, clock).certificate == alone.gate.devices.certificates.authority.certificate


def test_connectors_do_not_reach_the_authoritys_key(alone: Platform) -> None:
    from gemel.connectors.base import SecretRef
    from gemel.connectors.reach import Reach
    from gemel.errors import InvalidDocument

    _ = alone.gate.devices.certificates.authority.certificate
    reach = Reach.of(alone.folder.path)
    assert reach.file("authority/certificate.pem").is_file()
    for name in ("authority/key.pem", "authority", "./authority/../authority/key.pem"):
        with pytest.raises(InvalidDocument, match="own authority"):
            reach.place(name)
    with pytest.raises(InvalidDocument, match="own authority"):
        reach.secret(SecretRef(file="authority/key.pem"))


def test_a_table_of_a_thousand_devices_is_one_step(devices: Devices, platform: Platform) -> None:
    table = "id,type,serial\n" + "".join(f"bulk-{n},press,SN{n}\n" for n in range(1_000))
    asked: list[str] = []
    event.listen(platform.registry._database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    rows = devices.enrol(table.encode())
    assert sum("device" in one for one in asked) < 20, "together, not each on its own"
    assert {row.outcome for row in rows} == {"new"}
    blocks = [[change.kind for change in block.changes] for block in platform.journal.blocks()]
    assert [kinds.count("device.added") for kinds in blocks if "device.added" in kinds] == [1_000]
    assert len({row.code for row in rows}) == 1_000
    claimed: Device = devices.claim(rows[999].code).device
    assert claimed.twins == ("bulk-999",)
    assert platform.twin("bulk-7").serial == "SN7"
    assert {row.outcome for row in devices.enrol(table.encode())} == {"same"}

"""Webhooks against a real receiver that fails, hangs, redirects, and wants no more."""

from __future__ import annotations

import base64
import datetime
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import gemel
from gemel.backup import Vault, restore
from gemel.clock import to_rfc3339
from gemel.connectors.base import SecretRef, Undelivered, settings_of
from gemel.connectors.http import decode_cloudevents
from gemel.connectors.ports import free_port
from gemel.connectors.reach import Reach
from gemel.connectors.webhook import WebhookSettings, WebhookSink
from gemel.errors import InvalidDocument, InvalidInput
from gemel.history import EventQuery, Fact
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform
from gemel.testing.connectors import RecordingPort
from gemel.twin import Binding, Change, ConnectorSpec

from .receiver import Receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PLANT = """
gemel: 1
types:
  - id: press
    properties: [{name: oil_temperature, unit: Cel}, {name: hydraulics, kind: condition}]
    events: [{name: overheated}, {name: cooled}]
twins: [{id: press-7, types: [press]}, {id: press-8, types: [press]}]
"""
QUICK = {"initial_s": 0.02, "maximum_s": 0.05, "factor": 1.5}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEMEL_SECRET_HOOK", SECRET)
    (tmp_path / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    return tmp_path


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("plant")
    (folder / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    with gemel.open(folder) as platform:
        platform.apply(PLANT)
        yield platform


@pytest.fixture
def platform(opened: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """One for all tests; none leaves a webhook behind."""
    monkeypatch.setenv("GEMEL_SECRET_HOOK", SECRET)
    yield opened
    for spec in opened.registry.connectors():
        opened.change(partial(opened.registry.remove_connector, id=spec.id))
    until(opened, lambda: not opened.supervisor.health())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def hook(receiver_url: str, **settings: Any) -> ConnectorSpec:
    given: dict[str, Any] = {"url": receiver_url, "secret": {"env": "GEMEL_SECRET_HOOK"}, "backoff": QUICK, **settings}
    return ConnectorSpec(id="hook", kind="webhook", settings=given)


def declare(platform: Platform, spec: ConnectorSpec) -> None:
    """Return when it follows what happens from here on."""
    platform.change(lambda tx: platform.registry.put_connector(tx, spec))
    until(platform, lambda: platform.registry.cursor(spec.id) is not None)


def until(platform: Platform, condition: Any, timeout_s: float = 60.0) -> None:
    """Wait for blocks (freshness and health make some) until `condition` holds."""
    end = platform.clock.monotonic() + timeout_s
    while not condition():
        assert platform.clock.monotonic() < end, "did not come to be in time"
        platform.journal.wait(platform.journal.head().position + 1, 0.02)


def happen(platform: Platform, *events: str, twin: str = "press-7", start: int = 0) -> int:
    messages = [
        Message(events=[Happened(twin=twin, event=event, fields={"n": start + n})]) for n, event in enumerate(events)
    ]
    return platform.ingest(messages).last


def numbers(receiver: Receiver) -> list[int]:
    return [event["data"]["n"] for event in receiver.events()]


def health(platform: Platform) -> Any:
    return platform.supervisor.health()["hook"]


def test_an_event_arrives_signed_as_a_cloud_event(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url))
    position = happen(platform, "overheated")
    receiver.until(1)
    (event,) = receiver.verified(SECRET)
    assert event["specversion"] == "1.0"
    assert event["type"] == "io.gemel.happened.overheated"
    assert (event["subject"], event["data"], event["sequence"]) == ("press-7", {"n": 0}, str(position))
    headers, body = receiver.received[0]
    assert headers["webhook-id"] == event["id"]
    assert event["id"].startswith(f"hook-{position}-")
    (source, message), *rest = decode_cloudevents(headers, body)  # another Gemel takes it in as the same event
    assert (source, message.events[0].event, message.id, rest) == ("urn:gemel:hook", "overheated", event["id"], [])
    assert SECRET not in str(receiver.received)


def test_only_what_was_asked_for_is_sent(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url, events=["overheated"], twins=["press-7"]))
    happen(platform, "cooled", "overheated")
    happen(platform, "overheated", twin="press-8")
    happen(platform, "overheated", start=9)
    receiver.until(2)
    assert numbers(receiver) == [1, 9]


def tell(platform: Platform, level: str, code: str = "", twin: str = "press-7") -> None:
    value = {"level": level, "code": code, "text": "oil is low"}
    platform.ingest([Message(readings=[Reported(twin=twin, property="hydraulics", value=value)])])


def test_conditions_that_come_and_go_are_sent_across_a_restart(folder: Path) -> None:
    port = free_port()
    with gemel.open(folder) as platform:
        platform.apply(PLANT)
        tell(platform, "warning", "A1")
        declare(platform, hook(f"http://127.0.0.1:{port}/hook", kinds=["condition.", "event."], twins=["press-7"]))
        tell(platform, "warning", "A1")  # again, and nobody listens
        tell(platform, "fault", "A1")
        tell(platform, "fault", "A1", twin="press-8")
        happen(platform, "overheated")
        until(platform, lambda: health(platform).errors > 0)
        platform.history.flush()
    with Receiver(port=port) as receiver, gemel.open(folder) as platform:
        tell(platform, "fault", "A1")
        tell(platform, "normal")
        receiver.until(3)
        raised, happened, cleared = receiver.verified(SECRET)
        assert [raised["type"], happened["type"]] == ["io.gemel.condition.changed", "io.gemel.happened.overheated"]
        assert (raised["subject"], raised["data"]["property"]) == ("press-7", "hydraulics")
        (entry,) = raised["data"]["raised"]
        assert (entry["level"], entry["code"], entry["text"]) == ("fault", "A1", "oil is low")
        listed = platform.events(EventQuery(kinds=("condition.changed",), twins=("press-7",))).items
        assert sorted(fact.position for fact in listed)[1:] == [int(raised["sequence"]), int(cleared["sequence"])]
        assert entry["since"] == to_rfc3339(min(fact.change.time for fact in listed))
        assert (cleared["data"]["raised"], [one["code"] for one in cleared["data"]["cleared"]]) == ([], ["A1"])


def test_rights_are_told_to_nobody_and_settings_of_connectors_stay_here(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url, kinds=["access.", "connector."]))
    platform.gate.tokens.add("gateway", "operator")
    spec = ConnectorSpec(id="other", kind="http", settings={}, enabled=False)
    platform.change(lambda tx: platform.registry.put_connector(tx, spec))
    receiver.until(1)
    (event,) = receiver.events()
    assert (event["type"], event["subject"]) == ("io.gemel.connector.created", "other")
    assert "settings" not in event["data"]["connector"]


def test_what_fails_is_sent_again_in_order_with_the_same_id(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url))
    receiver.plan = [500, 503, 204, 404, 204]
    happen(platform, "overheated", "overheated", "overheated")
    receiver.until(6)
    assert numbers(receiver) == [0, 0, 0, 1, 1, 2]
    ids = [headers["webhook-id"] for headers, _ in receiver.received]
    assert len(set(ids)) == 3
    until(platform, lambda: health(platform).events == 3)
    assert health(platform).state == "connected"
    assert health(platform).errors == 3
    assert health(platform).last_error.endswith("it answered 404")


def test_a_receiver_that_hangs_is_left_after_the_time_allowed(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url, timeout_s=0.3))
    receiver.plan = [lambda _: receiver.release.wait(60)]
    happen(platform, "overheated")
    receiver.until(2)
    assert set(numbers(receiver)) == {0}
    assert "no answer within 0.3 s" in health(platform).last_error


def test_an_answer_without_end_is_cut_off(platform: Platform, receiver: Receiver) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")

    declare(platform, hook(receiver.url, timeout_s=60))
    receiver.plan = [endless]
    happen(platform, "overheated", "overheated")
    receiver.until(2)
    assert numbers(receiver) == [0, 1]


def test_a_redirect_is_not_followed(platform: Platform, receiver: Receiver) -> None:
    with Receiver() as elsewhere:

        def away(handler: Any) -> None:
            handler.send_response(307)
            handler.send_header("location", elsewhere.url)
            handler.send_header("content-length", "0")
            handler.end_headers()

        declare(platform, hook(receiver.url))
        receiver.plan = [away]
        happen(platform, "overheated")
        receiver.until(2)
        assert "redirects are not followed" in health(platform).last_error
        assert not elsewhere.received


def test_gone_disables_the_webhook_for_good(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url))
    receiver.plan = [410]
    happen(platform, "overheated")
    until(platform, lambda: health(platform).state == "disabled")
    happen(platform, "overheated")
    (spec,) = platform.registry.connectors()
    assert not spec.enabled
    (told,) = platform.events(EventQuery(kinds=("delivery.stopped",))).items
    assert "410 Gone" in told.change.body["reason"]
    assert len(receiver.received) == 1


def test_what_nobody_takes_is_given_up_where_everybody_sees_it(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url, give_up_h=0.2 / 3600))
    receiver.plan = [500] * 10_000
    happen(platform, "overheated", "overheated")
    until(platform, lambda: len(platform.events(EventQuery(kinds=("delivery.abandoned",))).items) == 2)
    facts = platform.events(EventQuery(kinds=("delivery.abandoned",), newest_first=False)).items
    assert [fact.change.body["subject"] for fact in facts] == ["press-7", "press-7"]
    assert facts[0].change.body["reason"].endswith("it answered 500")
    assert health(platform).rejected.total() == 2
    receiver.plan = []

    def taken() -> bool:
        """On a busy machine what happens may be too old before it is looked at."""
        happen(platform, "cooled", start=7)
        return numbers(receiver)[-1] == 7

    until(platform, taken)


def test_a_receiver_that_says_when_to_come_again_is_not_asked_before(platform: Platform, receiver: Receiver) -> None:
    asked: list[float] = []

    def later(handler: Any) -> None:
        asked.append(platform.clock.monotonic())
        handler.send_response(429)
        handler.send_header("retry-after", "1")
        handler.send_header("content-length", "0")
        handler.end_headers()

    def again(handler: Any) -> None:
        asked.append(platform.clock.monotonic())
        handler.send_response(204)
        handler.end_headers()

    declare(platform, hook(receiver.url))
    receiver.plan = [later, again]
    happen(platform, "overheated")
    until(platform, lambda: len(asked) == 2)
    assert asked[1] - asked[0] >= 0.9


def test_after_a_restart_it_goes_on_where_it_was(folder: Path) -> None:
    port = free_port()
    with gemel.open(folder) as platform:
        platform.apply(PLANT)
        declare(platform, hook(f"http://127.0.0.1:{port}/hook"))
        happen(platform, "overheated", "overheated")  # nobody listens
        until(platform, lambda: health(platform).errors > 0)
    with Receiver(port=port) as receiver, gemel.open(folder) as platform:
        happen(platform, "cooled", start=2)
        receiver.until(3)
        assert numbers(receiver) == [0, 1, 2]
        until(platform, lambda: platform.registry.cursor("hook") >= int(receiver.events()[-1]["sequence"]))
    with Receiver(port=port) as receiver, gemel.open(folder) as platform:
        happen(platform, "cooled", start=3)
        receiver.until(1)
        assert numbers(receiver) == [3]


def test_what_a_restored_plant_sends_at_positions_given_anew_has_ids_of_its_own(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A receiver that remembers ids would take it for told already."""
    aside = tmp_path_factory.mktemp("aside")
    with Receiver() as receiver:
        with gemel.open(folder) as platform:
            platform.apply(PLANT)
            declare(platform, hook(receiver.url))
            platform.backup(aside / "vault")
            happen(platform, "overheated", "overheated")
            receiver.until(2)
        restore(Vault(aside / "vault"), aside / "again")
        with gemel.open(aside / "again") as platform:
            happen(platform, *["cooled"] * 40, start=2)
            receiver.until(42)
        sent = receiver.events()
    assert {one["sequence"] for one in sent[:2]} & {one["sequence"] for one in sent[2:]}, "no position was given anew"
    assert sorted({one["id"]: one["data"]["n"] for one in sent}.values()) == list(range(42))


def test_a_new_webhook_begins_with_what_comes_next_and_a_removed_one_is_forgotten(
    platform: Platform, receiver: Receiver
) -> None:
    happen(platform, "overheated")
    declare(platform, hook(receiver.url))
    happen(platform, "overheated", start=1)
    receiver.until(1)
    platform.change(lambda tx: platform.registry.remove_connector(tx, "hook"))
    assert platform.registry.cursor("hook") is None
    assert numbers(receiver) == [1]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.8",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.8",
        "2002:0a00:0008::1",
        "64:ff9b::10.0.0.8",
    ],
)
def test_addresses_that_are_not_public_are_refused_unless_allowed(address: str) -> None:
    assert not Reach().permits(address, encrypted=True)
    allowed = Reach(networks=["0.0.0.0/0", "::/0"])
    assert allowed.permits(address, encrypted=False)


def test_public_addresses_are_sent_to_with_tls_only() -> None:
    for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"):
        assert Reach().permits(address, encrypted=True)
        assert not Reach().permits(address, encrypted=False)
    with pytest.raises(InvalidInput, match="is no network"):
        Reach(networks=["my network"])


async def sent(settings: WebhookSettings, reach: Reach) -> None:
    sink = WebhookSink(settings, ())
    change = Change(kind="event.happened", subject="press-7", time=0, body={"event": "overheated", "fields": {}})
    try:
        await sink.send(Fact(1, 0, change), Outlet(reach))
    finally:
        await sink.close()


class Outlet(RecordingPort):
    """A port that says where may be sent to."""

    def __init__(self, reach: Reach) -> None:
        super().__init__(ConnectorSpec(id="hook", kind="webhook"), reach=reach)

    def file(self, name: str) -> Path:
        return self.reach.file(name)

    def permits(self, address: str, *, encrypted: bool) -> bool:
        return self.reach.permits(address, encrypted=encrypted)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_without_leave_nothing_leaves_for_this_machine(folder: Path, receiver: Receiver, host: str) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    settings = WebhookSettings(url=url, secret=SecretRef(env="GEMEL_SECRET_HOOK"))
    with pytest.raises(Undelivered, match="webhook_networks"):
        await sent(settings, Reach())
    assert not receiver.received


async def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    folder: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that first tells a permitted address, then another: it is asked once for each connection."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, *more: Any, **fields: Any) -> Any:
        if host != "rebind.example":
            return real(host, *more, **fields)
        asked.append(host)
        return real("127.0.0.2" if len(asked) == 1 else "127.0.0.1", *more, **fields)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = f"http://rebind.example:{receiver.port}/hook"
    settings = WebhookSettings(url=url, secret=SecretRef(env="GEMEL_SECRET_HOOK"), timeout_s=2)
    with pytest.raises(Undelivered):  # the receiver listens on 127.0.0.1 alone
        await sent(settings, Reach(networks=["127.0.0.2"]))
    assert asked == ["rebind.example"]
    assert not receiver.received


async def test_with_tls_the_receivers_name_is_checked(folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = certified(folder, "localhost")
    context.load_cert_chain(certificate, key)
    with Receiver(tls=context) as receiver:
        secret = SecretRef(env="GEMEL_SECRET_HOOK")
        url = f"https://localhost:{receiver.port}/hook"
        reach = Reach(secrets=folder, networks=["127.0.0.1", "::1"])
        await sent(WebhookSettings(url=url, secret=secret, ca="cert.pem"), reach)
        assert len(receiver.received) == 1
        other = WebhookSettings(url=url.replace("localhost", "127.0.0.1"), secret=secret, ca="cert.pem")
        with pytest.raises(Undelivered, match="no answer"):
            await sent(other, reach)
        with pytest.raises(Undelivered, match="no answer"):
            await sent(WebhookSettings(url=url, secret=secret), reach)
    assert len(receiver.received) == 1


def certified(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"url": "ftp://host/x"}, "https://host/path"),
        ({"url": "https://user:word@host/x"}, "no user, password"),
        ({"kinds": []}, "kinds says what is sent"),
        ({"timeout_s": 0}, "timeout_s"),
    ],
)
def test_settings_that_make_no_webhook_are_refused(settings: dict[str, Any], reason: str) -> None:
    spec = hook("https://example.com/x", **settings)
    with pytest.raises(InvalidDocument, match=reason):
        settings_of(spec)


def test_bindings_have_no_place_in_a_webhook() -> None:
    settings = WebhookSettings(url="https://example.com/x", secret=SecretRef(env="GEMEL_SECRET_HOOK"))
    with pytest.raises(InvalidInput, match="has no bindings"):
        WebhookSink(settings, [Binding(address="a", twin="t", property="p")])


@pytest.mark.parametrize(
    "told", ["whsec_!", "recv.py", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), f"{SECRET}=\u00e4"]
)
async def test_a_secret_that_is_none_is_told_without_telling_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("GEMEL_SECRET_HOOK", told)
    settings = WebhookSettings(url="https://example.com/x", secret=SecretRef(env="GEMEL_SECRET_HOOK"))
    with pytest.raises(InvalidInput, match="24 to 64 bytes") as refused:
        await sent(settings, Reach())
    assert told not in str(refused.value)


def test_sinks_leave_no_threads_behind(platform: Platform, receiver: Receiver) -> None:
    declare(platform, hook(receiver.url))
    platform.change(lambda tx: platform.registry.remove_connector(tx, "hook"))
    until(platform, lambda: "hook" not in platform.supervisor.health())
    assert not [thread for thread in threading.enumerate() if thread.name == "gemel-connector-hook"]
    assert os.environ["GEMEL_SECRET_HOOK"] == SECRET

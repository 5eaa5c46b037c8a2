"""Behind nginx and behind Caddy, as configured in packaging/proxy/, Gemel is what it is without: real proxies, run."""

from __future__ import annotations

import datetime
import io
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.client import connect

from gemel.access import Role
from gemel.connectors.ports import free_port
from gemel.errors import InvalidInput
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.forwarded import caller, networks
from gemel.server.options import Options

PROXY = Path(__file__).parent.parent.parent / "packaging/proxy"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
PLANT = """
gemel: 1
types: [{id: press, properties: [{name: strokes, kind: integer}, {name: force, unit: kN}]}]
twins: [{id: press-7, types: [press]}]
"""
PASSWORD = "a long enough sentence"
ROWS = 1_300_000


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gemel")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)


def configured(name: str, changes: dict[str, str]) -> str:
    """A packaged configuration with this test's places in it; each of them must be there."""
    text = (PROXY / name).read_text()
    for told, ours in changes.items():
        assert told in text, told
        text = text.replace(told, ours)
    return text


@contextmanager
def nginx(program: str, folder: Path, port: int, server: str) -> Iterator[None]:
    places = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/gemel": str(folder),
        "http://127.0.0.1:8080": server,
    }
    (folder / "site.conf").write_text(configured("nginx.conf", places))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}\n"
    )
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    subprocess.run(command, check=True, capture_output=True)  # returns once it listens
    try:
        yield
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, capture_output=True)


@contextmanager
def caddy(program: str, folder: Path, port: int, server: str) -> Iterator[None]:
    """Its own certificates come from an authority in the internet; here it is given one."""
    places = {
        "gemel.example {": f"https://127.0.0.1:{port} {{\n\ttls {folder}/cert.pem {folder}/key.pem",
        "127.0.0.1:8080": server.removeprefix("http://"),
    }
    options = (f"admin unix/{folder}/admin.sock", "auto_https disable_redirects", "grace_period 1s")
    head = "{\n" + "".join(f"\t{option}\n" for option in (*options, "default_bind 127.0.0.1")) + "}\n"
    (folder / "Caddyfile").write_text(head + configured("Caddyfile", places))
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    pid = folder / "pid"
    command = ["--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    subprocess.run(  # returns once it listens
        [program, "start", *command, "--pidfile", str(pid)],
        check=True,
        env=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        address = f"unix/{folder}/admin.sock"
        subprocess.run([program, "stop", "--address", address], check=True, env=home, capture_output=True)


RUN: dict[str, Callable[[str, Path, int, str], AbstractContextManager[None]]] = {"nginx": nginx, "caddy": caddy}


@dataclass
class Proxied:
    url: str
    platform: Platform
    trusted: ssl.SSLContext

    def client(self, *, token: str = "", source: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """From an address of this machine."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        transport = httpx.HTTPTransport(verify=self.trusted, local_address=source)
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=60)

    def token(self, role: str) -> str:
        return self.platform.gate.tokens.add(role, role)[1]


@pytest.fixture(params=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    program = shutil.which(request.param, path=PATH)
    if program is None:
        pytest.skip(f"needs {request.param} (Debian package {request.param}); `python -m tests.prepare` installs it")
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    certificate(tmp_path)
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        with (
            Server(platform, port=0, origins=(url,), proxies=("127.0.0.1",)) as server,
            RUN[request.param](program, tmp_path, port, server.url),
        ):
            yield Proxied(url, platform, ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))


def test_people_sign_in_and_write_and_the_audit_log_has_their_own_address(proxied: Proxied) -> None:
    proxied.platform.gate.accounts.add("Ada", PASSWORD, "administrator")
    headers = {"Origin": proxied.url, "X-Forwarded-For": "203.0.113.9"}  # which nobody may say of himself
    with proxied.client(source="127.0.0.3", **headers) as browser:
        signed = browser.post("/api/v1/session", json={"name": "Ada", "password": PASSWORD})
        assert signed.status_code < 300, signed.text
        assert "secure" in signed.headers["set-cookie"].lower()
        assert "max-age=31536000" in signed.headers["strict-transport-security"]
        put = browser.put("/api/v1/twins/press-7/now/strokes", json={"value": 7})
        assert put.status_code < 300, put.text
        other = browser.put("/api/v1/twins/press-7/now/strokes", json={"value": 8}, headers={"Origin": "https://x"})
        assert other.status_code == 403
        told = browser.get("/api/v1/audit").json()["items"]
    assert "from 127.0.0.3" in {entry["detail"] for entry in told}


def test_a_large_frame_goes_through_and_one_too_large_is_refused(proxied: Proxied) -> None:
    rng = np.random.default_rng(7)
    now = proxied.platform.clock.now()
    batch = pa.RecordBatch.from_pydict(
        {
            "twin": pa.array(["press-7"] * ROWS).dictionary_encode(),
            "property": pa.array(["force"] * ROWS).dictionary_encode(),
            "time": now - np.arange(ROWS, 0, -1) * 1000,
            "value": rng.random(ROWS),
        }
    )
    body = io.BytesIO()
    with pa.ipc.new_stream(body, batch.schema) as writer:
        for start in range(0, ROWS, 500_000):
            writer.write_batch(batch.slice(start, 500_000))
    assert 31_000_000 < len(body.getvalue()) < 2**25  # the most of one frame
    kind = {"Content-Type": "application/vnd.apache.arrow.stream"}
    with proxied.client(token=proxied.token(Role.ENGINEER)) as program:
        sent = program.post("/api/v1/ingest", content=body.getvalue(), headers=kind)
        assert sent.status_code < 300, sent.text
        assert sent.json()["accepted"] == ROWS
        large = program.post("/api/v1/ingest", content=bytes(Options().body_bytes + 1_000_000), headers=kind)
        assert large.status_code == 413


def test_streams_and_sockets_tell_what_is_written_while_they_are_open(proxied: Proxied) -> None:
    token = proxied.token(Role.VIEWER)
    proxied.platform.write("press-7", "strokes", 4710)
    with proxied.client(token=token) as reader, reader.stream("GET", "/api/v1/stream?twins=press-7") as stream:
        lines = stream.iter_lines()
        assert any("4710" in line for line in lines)
        proxied.platform.write("press-7", "strokes", 4711)
        assert any("4711" in line for line in lines)  # nothing is held back
    with connect(
        proxied.url.replace("https", "wss") + "/api/v1/live",
        ssl=proxied.trusted,
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=["gemel.v1"],
    ) as live:
        assert msgspec.msgpack.decode(live.recv(timeout=60))["t"]
        live.send(msgspec.msgpack.encode({"t": "sub", "s": 1, "twins": ["press-7"]}))
        proxied.platform.write("press-7", "strokes", 4712)
        assert any(b"strokes" in live.recv(timeout=60) for _ in range(10))


def test_a_stranger_who_guesses_behind_the_proxy_shuts_out_nobody_else(proxied: Proxied) -> None:
    proxied.platform.gate.accounts.add("Ada", PASSWORD, "administrator")
    with proxied.client(source="127.0.0.4", Origin=proxied.url) as stranger:
        codes = {
            stranger.post("/api/v1/session", json={"name": f"Eve {n}", "password": "wrong"}).status_code
            for n in range(12)
        }
        assert 429 in codes
    with proxied.client(source="127.0.0.5", Origin=proxied.url) as other:
        assert other.post("/api/v1/session", json={"name": "Ada", "password": PASSWORD}).status_code < 300


def test_bodies_are_as_large_as_the_server_takes() -> None:
    most = Options().body_bytes // 2**20
    assert f"client_max_body_size {most}m;" in (PROXY / "nginx.conf").read_text()
    assert f"max_size {most}MiB" in (PROXY / "Caddyfile").read_text()


OURS = networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "told", "who"),
    [
        ("192.0.2.7", b"203.0.113.9", "192.0.2.7"),  # no proxy of ours: it is not believed
        ("127.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", b"203.0.113.9, 10.1.2.3", "203.0.113.9"),  # two proxies, one behind the other
        ("127.0.0.1", b"198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first was told by the caller
        ("127.0.0.1", b"", "127.0.0.1"),
        ("127.0.0.1", b"unknown, ::::, 999.1.1.1", "127.0.0.1"),
        ("fd00::1", b"2001:db8::7", "2001:db8::7"),
        ("", b"203.0.113.9", ""),
    ],
)
def test_the_address_is_the_last_that_no_proxy_of_ours_has(peer: str, told: bytes, who: str) -> None:
    assert caller(peer, told, OURS) == who


@given(st.binary(max_size=60))
def test_whatever_a_header_holds_an_address_comes_out(told: bytes) -> None:
    assert ip_address(caller("127.0.0.1", told, OURS))
    assert caller("192.0.2.7", told, OURS) == "192.0.2.7"


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"127\.0\.0\.1 or 10\.1\.0\.0/16"):
        Options(proxies=("proxy.example",))

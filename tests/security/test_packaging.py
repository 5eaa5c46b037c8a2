"""What is said for running Gemel as a service, in a container, behind a proxy, is what Gemel has."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import httpx
import msgspec
import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

from gemel.access import Role
from gemel.cli import app
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.options import Options

ROOT = Path(__file__).parent.parent.parent
PACKAGING = ROOT / "packaging"
UNIT = (PACKAGING / "gemel.service").read_text()
CONTAINER = (PACKAGING / "Containerfile").read_text()
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
NGINX = shutil.which("nginx", path=PATH)


def serve_takes() -> set[str]:
    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


def test_the_units_command_is_one() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
    program, verb, *rest = line.split()
    assert (Path(program).name, verb) == ("gemel", "serve")
    assert {word for word in rest if word.startswith("--")} <= serve_takes()
    state = re.search(r"^StateDirectory=(\S+)$", UNIT, re.MULTILINE)
    assert state is not None
    assert rest[0] == f"/var/lib/{state[1]}"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (Debian package systemd)")
def test_systemd_finds_no_fault_in_the_unit_and_little_exposure(tmp_path: Path) -> None:
    program = tmp_path / "gemel"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "gemel.service"
    unit.write_text(UNIT.replace("/opt/gemel/bin/gemel", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "gemel.service" in line]
    assert (done.returncode, told) == (0, [])
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", CONTAINER)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def test_the_containers_commands_and_files_are_there() -> None:
    told = instructions()
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    for what, rest in told:
        if what == "COPY" and not rest.startswith("--from"):
            source = rest.split()[0]
            assert source == f"dist/{name}-*-py3-none-any.whl" or (ROOT / source).is_file(), source
    (entry,) = [msgspec.json.decode(rest) for what, rest in told if what == "ENTRYPOINT"]
    (command,) = [msgspec.json.decode(rest) for what, rest in told if what == "CMD"]
    assert entry == ["gemel"]
    assert command[0] == "serve"
    assert {word for word in command if word.startswith("--")} <= serve_takes()
    (volume,) = [rest for what, rest in told if what == "VOLUME"]
    (port,) = [rest for what, rest in told if what == "EXPOSE"]
    assert (volume, port) == (command[1], command[command.index("--port") + 1])


def test_the_container_is_nobodys_root_and_names_no_registry() -> None:
    told = instructions()
    bases = [rest.split()[0] for what, rest in told if what == "FROM"]
    assert set(bases) == {"${BASE}"}
    (base,) = [rest.partition("=")[2] for what, rest in told if what == "ARG"]
    assert "/" not in base
    after = told[max(i for i, (what, _) in enumerate(told) if what == "FROM") :]
    (user,) = [rest for what, rest in after if what == "USER"]
    assert user.split(":")[0].isdigit()
    assert user != "0"


def test_the_containers_health_is_asked_where_the_server_tells_it(tmp_path: Path) -> None:
    (check,) = [rest for what, rest in instructions() if what == "HEALTHCHECK"]
    program = msgspec.json.decode(check.partition("CMD ")[2])
    with Platform.open(tmp_path / "plant") as platform, Server(platform, port=0) as server:
        asked = [word.replace("http://127.0.0.1:8080", server.url) for word in program]
        assert asked != program
        assert subprocess.run(asked, capture_output=True, check=False).returncode == 0
    assert subprocess.run(asked, capture_output=True, check=False).returncode != 0


def test_proxies_take_bodies_as_large_as_the_server_does() -> None:
    most = Options().body_bytes // 2**20
    assert f"client_max_body_size {most}m;" in (PACKAGING / "proxy/nginx.conf").read_text()
    assert f"max_size {most}MiB" in (PACKAGING / "proxy/Caddyfile").read_text()


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


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


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[str, Platform, Path]]:
    """The address of nginx, with the packaged configuration, in front of a server."""
    if NGINX is None:
        pytest.skip("needs nginx (Debian package nginx-light)")
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    certificate(tmp_path)
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(
            {
                "gemel": 1,
                "types": [{"id": "press", "properties": [{"name": "strokes", "kind": "integer"}]}],
                "twins": [{"id": "press-7", "types": ["press"]}],
            }
        )
        with Server(platform, port=0, origins=(url,)) as server:
            site = (PACKAGING / "proxy/nginx.conf").read_text()
            for told, ours in (
                ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
                ("/etc/ssl/gemel", str(tmp_path)),
                ("http://127.0.0.1:8080", server.url),
            ):
                assert told in site
                site = site.replace(told, ours)
            (tmp_path / "site.conf").write_text(site)
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            temporary = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
            user = "user root;" if os.geteuid() == 0 else ""
            (tmp_path / "nginx.conf").write_text(
                f"{user} pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
                f"http {{ access_log off; {temporary} include {tmp_path}/site.conf; }}\n"
            )
            command = [
                NGINX,
                "-p",
                str(tmp_path),
                "-c",
                str(tmp_path / "nginx.conf"),
                "-e",
                str(tmp_path / "error.log"),
            ]
            subprocess.run(command, check=True, capture_output=True)  # returns once it listens
            try:
                yield url, platform, tmp_path / "cert.pem"
            finally:
                subprocess.run([*command, "-s", "stop"], check=True, capture_output=True)


def test_behind_nginx_people_sign_in_write_and_follow(proxied: tuple[str, Platform, Path]) -> None:
    import ssl

    url, platform, cert = proxied
    platform.gate.accounts.add("Ada", "a long enough sentence", "administrator")
    trusted = ssl.create_default_context(cafile=str(cert))
    with httpx.Client(base_url=url, verify=trusted, headers={"Origin": url}, timeout=20) as browser:
        signed = browser.post("/api/v1/session", json={"name": "Ada", "password": "a long enough sentence"})
        assert signed.status_code < 300, signed.text
        assert "secure" in signed.headers["set-cookie"].lower()
        put = browser.put("/api/v1/twins/press-7/now/strokes", json={"value": 7})
        assert put.status_code < 300, put.text
        other = browser.put("/api/v1/twins/press-7/now/strokes", json={"value": 8}, headers={"Origin": "https://x"})
        assert other.status_code == 403
        large = browser.post("/api/v1/ingest", content=b" " * 5_000_000, headers={"Content-Type": "application/json"})
        assert large.headers["content-type"].startswith("application/problem+json")  # Gemel's answer, not nginx's 413

    token = platform.gate.tokens.add("reader", Role.VIEWER)[1]
    bearer = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(verify=trusted, headers=bearer, timeout=20) as reader,
        reader.stream("GET", f"{url}/api/v1/stream?twins=press-7") as stream,
    ):
        lines = stream.iter_lines()
        assert any("strokes" in line for line in lines)  # while the stream is open: nothing is held back
        platform.write("press-7", "strokes", 4711)
        assert any("4711" in line for line in lines)
    with connect(
        url.replace("https", "wss") + "/api/v1/live", ssl=trusted, additional_headers=bearer, subprotocols=["gemel.v1"]
    ) as live:
        hello = msgspec.msgpack.decode(live.recv(timeout=20))
        assert hello["t"]

"""An edge node and its upstream in two network namespaces: packets are lost, the cable is pulled; TLS in between."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gemel.platform import Platform
from tests.edge.conftest import count, counted, edge_folder, level, opened, wait_for

ROOT = Path(__file__).parents[2]


def ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


class Cable:
    """A pair of interfaces: ours, and the one in the namespace."""

    def __init__(self) -> None:
        part = os.getpid() % 250
        self.space, self.ours, self.theirs = f"gemel-{part}", f"gmo{part}", f"gmt{part}"
        self.here, self.there = f"10.213.{part}.1", f"10.213.{part}.2"

    def lay(self) -> bool:
        return (
            ip("netns", "add", self.space)
            and ip("link", "add", self.ours, "type", "veth", "peer", "name", self.theirs, "netns", self.space)
            and ip("addr", "add", f"{self.here}/30", "dev", self.ours)
            and ip("link", "set", self.ours, "up")
            and ip("-n", self.space, "addr", "add", f"{self.there}/30", "dev", self.theirs)
            and ip("-n", self.space, "link", "set", self.theirs, "up")
            and ip("-n", self.space, "link", "set", "lo", "up")
        )

    def plugged(self, state: str) -> None:
        """`up` or `down`, at the far end: here packets vanish, and nobody is told."""
        assert ip("-n", self.space, "link", "set", self.theirs, state)

    def lossy(self, percent: int) -> bool:
        command = ["tc", "qdisc", "replace", "dev", self.ours, "root", "netem", "loss", f"{percent}%"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def take_away(self) -> None:
        ip("link", "del", self.ours)
        ip("netns", "del", self.space)


@pytest.fixture
def cable() -> Iterator[Cable]:
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    cable = Cable()
    try:
        if not cable.lay():
            pytest.skip("network namespaces need root")
        yield cable
    finally:
        cable.take_away()


def certificate(folder: Path, address: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)


@pytest.fixture
def served(cable: Cable, tmp_path: Path) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """The address of an upstream inside the namespace, a token of it, and how it is ended."""
    certificate(tmp_path, cable.there)
    with Platform.open(tmp_path / "upstream") as platform:
        token = str(platform.gate.tokens.add("hall 3", "engineer")[1])
    files = [str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")]
    command = ["ip", "netns", "exec", cable.space, sys.executable, "-m", "tests.edge.serving"]
    with (tmp_path / "upstream.log").open("w") as log:
        process = subprocess.Popen(
            [*command, str(tmp_path / "upstream"), cable.there, *files],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), token, lambda: end(process)
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.communicate(timeout=60)


@pytest.mark.slow
def test_lost_packets_and_a_pulled_cable_lose_and_double_nothing(
    cable: Cable, served: tuple[str, str, Callable[[], None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.edge.upstream.TIMEOUT_S", 3.0)
    url, token, end = served
    assert url.startswith("https://")
    folder = edge_folder(tmp_path / "edge", url, token, "  certificate: upstream.pem\n")
    shutil.copy(tmp_path / "cert.pem", folder / "secrets" / "upstream.pem")
    with opened(folder) as edge:
        standing = edge.edge
        assert standing is not None
        level(edge, count(edge, 0, 50))
        cable.lossy(20)
        level(edge, count(edge, 50, 100))
        cable.plugged("down")
        last = count(edge, 100, 200)
        wait_for(edge, lambda: standing.standing().error)
        assert standing.standing().buffered >= 100
        cable.plugged("up")
        cable.lossy(0)
        level(edge, last)
    end()
    with Platform.open(tmp_path / "upstream") as upstream:
        assert counted(upstream) == list(range(200))

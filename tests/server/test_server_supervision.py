"""The service manager hears when the server is ready, that it lives, and when it ends: over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gemel.platform import Platform
from gemel.server import Server

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs sockets of the Unix domain")


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        if request.param == "a path":
            address = named = str(tmp_path / "notify")
        else:
            named = f"@gemel-test-{os.getpid()}"
            address = f"\0{named[1:]}"
        listening.bind(address)
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", named)
        yield listening


def test_the_manager_hears_ready_then_life_then_the_end(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with Platform.open(tmp_path / "plant") as platform:
        with Server(platform, port=0) as server:
            assert manager.recv(100) == b"READY=1"
            assert httpx.get(server.url + "/healthz").status_code == 200
            assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        told = manager.recv(100)
        while told == b"WATCHDOG=1":
            told = manager.recv(100)
        assert told == b"STOPPING=1"


def test_a_watchdog_of_another_process_is_not_fed(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with Platform.open(tmp_path / "plant") as platform, Server(platform, port=0):
        assert manager.recv(100) == b"READY=1"
    assert manager.recv(100) == b"STOPPING=1"


def test_a_manager_that_has_gone_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    with Platform.open(tmp_path / "plant") as platform, Server(platform, port=0) as server:
        assert httpx.get(server.url + "/healthz").status_code == 200

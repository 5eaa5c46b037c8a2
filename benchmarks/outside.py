"""Other people's systems, run for comparison when they are installed: VictoriaMetrics, mosquitto, NATS."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import psutil

from gemel.connectors.mqtt.broker import find_nats_server
from gemel.connectors.ports import free_port

__all__ = ["Mosquitto", "Nats", "VictoriaMetrics"]

START_S = 20.0


class _Process:
    """A program with a folder of its own, on a free port of this machine only."""

    names: tuple[str, ...] = ()

    @classmethod
    def program(cls) -> str | None:
        found = (shutil.which(name) or shutil.which(name, path="/usr/sbin") for name in cls.names)
        return next((path for path in found if path), None)

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
        program = self.program()
        assert program is not None
        self._process = subprocess.Popen(
            [program, *self.arguments()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise OSError(f"{program} did not start")

    def arguments(self) -> list[str]:
        raise KeyError(type(self).__name__)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            return False
        return True

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    def stop(self) -> None:
        """End it in order: what it holds in memory is on disk then."""
        self._process.terminate()
        self._process.wait(30)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Mosquitto(_Process):
    """A broker with persistence, that keeps every message until its reader has acknowledged it."""

    names = ("mosquitto",)

    def arguments(self) -> list[str]:
        self.folder.chmod(0o777)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {self.folder}/\nmax_queued_messages 0\nmax_inflight_messages 0\nuser root\n"
        )
        return ["-c", str(config)]

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


class Nats(_Process):
    """A NATS server that keeps streams on disk, and fsyncs them now and then."""

    @classmethod
    def program(cls) -> str | None:
        found = find_nats_server()
        return str(found) if found else None

    def arguments(self) -> list[str]:
        config = self.folder / "nats.conf"
        store = json.dumps(str(self.folder / "streams"))
        config.write_text(f"host: 127.0.0.1\nport: {self.port}\nmax_payload: 8MB\njetstream {{store_dir: {store}}}\n")
        return ["-c", str(config)]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


class VictoriaMetrics(_Process):
    """A time-series database; it does not fsync what it acknowledges."""

    names = ("victoria-metrics",)

    def arguments(self) -> list[str]:
        return [
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self.folder / 'data'}",
            "-retentionPeriod=100y",
            "-search.maxSamplesPerQuery=1000000000",
            "-search.maxSamplesPerSeries=1000000000",
            "-search.disableCache",
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, path: str, body: bytes) -> None:
        urllib.request.urlopen(urllib.request.Request(self.url + path, data=body, method="POST"), timeout=120).close()

    def settle(self) -> None:
        """Write down what is in memory, and merge."""
        for path in ("/internal/force_flush", "/internal/force_merge"):
            urllib.request.urlopen(self.url + path, timeout=120).close()

    def ask(self, path: str, **query: Any) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=120) as answer:
            return json.load(answer)

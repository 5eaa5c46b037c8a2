"""Real brokers for the tests: mosquitto (a Debian package) and nats-server (from PyPI)."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from types import TracebackType

from gemel.connectors.mqtt.broker import Broker
from gemel.connectors.ports import free_port

__all__ = ["Broker", "Mosquitto", "find_mosquitto"]


@lru_cache(maxsize=1)
def find_mosquitto() -> Path | None:
    """The mosquitto program, installed when this is root on a Debian; None when there is none to be had."""
    if (found := _look()) or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return found
    install = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends", "mosquitto"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install):
        if subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False).returncode:
            return None
    return _look()


def _look() -> Path | None:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


class Mosquitto:
    """A running mosquitto that keeps its messages in `folder`; `more` is added to its configuration."""

    def __init__(self, folder: Path, more: str = "", *, port: int = 0, listener: str = "") -> None:
        program = find_mosquitto()
        assert program is not None, "ask find_mosquitto first"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # as root, mosquitto gives up its rights
        self.port = port or free_port()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port}{'' if 'websockets' in listener else ' 127.0.0.1'}\n{listener}\n"
            f"allow_anonymous {'false' if 'password_file' in more else 'true'}\n"
            f"persistence true\npersistence_location {folder}/\nmax_inflight_messages 1000\nmax_queued_messages 0\n"
            f"autosave_interval 1\nuser root\n{more}\n"
        )
        self._process = subprocess.Popen(
            [str(program), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        self.log: list[str] = []
        for line in self._process.stderr:  # its log goes to stderr; it says when it is ready
            self.log.append(line.decode(errors="replace").strip())
            if b" running" in line:
                return
        self._process.wait()
        self._process.stderr.close()
        raise OSError("mosquitto did not start: " + " | ".join(self.log))

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self._process.kill()
        self._finish()

    def close(self) -> None:
        self._process.terminate()
        self._finish()

    def _finish(self) -> None:
        self._process.wait(60)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def __enter__(self) -> Mosquitto:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

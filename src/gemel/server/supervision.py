"""Telling the service manager that the server runs: systemd's notifications (sd_notify(3)), nothing elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping

__all__ = ["Supervision"]


class Supervision:
    """`ready` once it answers, then a sign of life from the event loop in half of the time allowed, `stopping` at the
    end. A loop that no longer turns gives none, and is started again by the service manager (WatchdogSec=)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        allowed = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every_s = int(allowed) / 2e6 if allowed.isdecimal() and int(allowed) and ours else 0.0
        self._beating: asyncio.Task[None] | None = None

    def ready(self) -> None:
        """Call it in the event loop that is to be watched."""
        self._tell("READY=1")
        if self._address and self._every_s:
            self._beating = asyncio.get_running_loop().create_task(self._beat())

    def stopping(self) -> None:
        self._tell("STOPPING=1")
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._every_s)

    def _tell(self, line: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
            speaking.setblocking(False)
            speaking.sendto(line.encode(), self._address)

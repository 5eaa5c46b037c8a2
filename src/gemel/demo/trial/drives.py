"""Conveyor drives over MQTT that take updates: most do as they are told, one refuses, one lies, one hangs."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gemel.clock import Clock, to_rfc3339
from gemel.demo.trial.base import approach

__all__ = ["DELIVERED", "DRIVES", "Drive", "Drives"]

TOPIC = "trial/drives"
DELIVERED = "2.0.0"
INSTALL_S, RESTART_S, TEST_S = 4.0, 2.0, 1.5
_WHOLE_S = 5.0
"""So often each tells everything, also what did not change."""
_KNOWN = 100
DRIVES = {
    "drive-1": "well",
    "drive-2": "well",
    "drive-3": "well",
    "drive-4": "well",
    "drive-5": "refuses",
    "drive-6": "lies",
    "drive-7": "hangs",
    "drive-8": "well",
}
"""How each behaves when it is to be updated."""


class Drive:
    """One drive, stepped; no network."""

    def __init__(self, name: str, behaves: str) -> None:
        self.name, self.behaves = name, behaves
        self.firmware = DELIVERED
        self.update, self.self_test = "none", "passed"
        self.running = name == "drive-8"
        self.temperature = 41.0
        self.hung = False
        self.soft_start = "locked"
        self._wanted = ""
        self._left_s = 0.0
        self._random = random.Random(name)

    def values(self) -> dict[str, Any]:
        return {
            "firmware": self.firmware,
            "update": self.update,
            "self_test": self.self_test,
            "soft_start": self.soft_start,
            "running": self.running,
            "temperature": round(self.temperature + self._random.gauss(0, 0.05), 1),
        }

    def told(self, command: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Its answer to a command; None while it answers later, or never."""
        if command in ("start_belt", "stop_belt"):
            self.running = command == "start_belt"
            return {"status": "done"}
        if command == "set_soft_start" and self.behaves != "refuses":
            self.soft_start = "unlocked" if given.get("to") == "unlocked" else "locked"
            return {"status": "done"}
        if command == "set_soft_start":
            return {"status": "refused", "detail": "the memory is write protected"}
        if command != "update_firmware":
            return {"status": "refused", "detail": f"a drive has no {command}"}
        if self.behaves == "refuses":
            return {"status": "refused", "detail": "the memory is write protected"}
        if self.behaves == "lies":
            return {"status": "done"}
        if self.update != "none":
            return {"status": "refused", "detail": f"it is {self.update}"}
        if self.behaves == "hangs":
            self.hung = True
            return None
        self.update, self._wanted, self._left_s = "installing", str(given.get("version", "")), INSTALL_S
        return None

    def step(self, dt_s: float) -> bool:
        """Let time go by; True when an update has just come to its end."""
        self.temperature = approach(self.temperature, 52.0 if self.running else 41.0, dt_s, 120.0)
        if self.update == "none" and self.self_test != "running":
            return False
        self._left_s -= dt_s
        if self._left_s > 0:
            return False
        if self.update == "installing":
            self.update, self._left_s = "restarting", RESTART_S
        elif self.update == "restarting":
            self.update, self.firmware, self.self_test, self._left_s = "none", self._wanted, "running", TEST_S
        else:
            self.self_test = "passed"
            return True
        return False


class Drives:
    """All of them as one client of a broker: async with Drives(url, clock) as drives: await drives.step(0.5)"""

    def __init__(self, url: str, clock: Clock) -> None:
        self.drives = {name: Drive(name, behaves) for name, behaves in DRIVES.items()}
        self._parts, self._clock = urlsplit(url), clock
        self._loop = asyncio.get_running_loop()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="trial-drives")
        self._told: dict[tuple[str, str], Any] = {}
        self._pending: dict[str, str] = {}
        """Drive → the order that it answers when it is done."""
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._number = 0
        self._since_whole_s = 0.0

    async def __aenter__(self) -> Drives:
        client = self._client

        def connected(*_: object) -> None:
            client.subscribe(f"{TOPIC}/+/do/+", 1)

        def told(_client: Client, _data: Any, message: MQTTMessage) -> None:
            self._loop.call_soon_threadsafe(self._take, message.topic, bytes(message.payload))

        client.on_connect = connected
        client.on_message = told
        await asyncio.to_thread(client.connect, self._parts.hostname or "127.0.0.1", self._parts.port or 1883)
        client.loop_start()
        self._tell()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    async def step(self, dt_s: float) -> None:
        """Let time go by, and tell what changed."""
        done = [name for name, drive in self.drives.items() if drive.step(dt_s)]
        self._since_whole_s += dt_s
        if self._since_whole_s >= _WHOLE_S:
            self._since_whole_s, self._told = 0.0, {}
        self._tell()
        for name in done:
            if name in self._pending:
                self._answer(name, self._pending.pop(name), {"status": "done"})

    def _take(self, topic: str, payload: bytes) -> None:
        """An order; one that was had before is answered as it was."""
        name, _, command = topic.removeprefix(f"{TOPIC}/").partition("/do/")
        drive = self.drives.get(name)
        try:
            order = msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.DecodeError:
            return
        id = str(order.get("order", ""))
        if drive is None or drive.hung or self._pending.get(name) == id:
            return
        if id in self._answers:
            self._client.publish(f"{TOPIC}/{name}/answers/{id}", self._answers[id], 1)
            return
        answer = drive.told(command, order.get("input") or {})
        if answer is None:
            self._pending[name] = id
        else:
            self._answer(name, id, answer)
        self._tell()

    def _answer(self, name: str, order: str, answer: dict[str, Any]) -> None:
        told = msgspec.json.encode({"order": order, **answer})
        self._answers[order] = told
        if len(self._answers) > _KNOWN:
            self._answers.popitem(last=False)
        self._client.publish(f"{TOPIC}/{name}/answers/{order or 'unknown'}", told, 1)

    def _tell(self) -> None:
        now = self._clock.now()
        for name, drive in self.drives.items():
            if drive.hung:
                continue
            values = {key: value for key, value in drive.values().items() if self._told.get((name, key)) != value}
            if values:
                self._told |= {(name, key): value for key, value in values.items()}
                self._number += 1
                message = {"id": f"{now}-{self._number}", "time": to_rfc3339(now), "values": values}
                self._client.publish(f"{TOPIC}/{name}/values", msgspec.json.encode(message), 1)

"""The robot cell over MQTT: tells its values as JSON, takes orders, answers each, and knows one that it has had.

With it the conveyor drives, which take updates.

python -m gemel.demo.trial.mqtt --url mqtt://127.0.0.1:1883
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gemel.clock import Clock, WallClock, to_rfc3339
from gemel.demo.trial.base import Refusal, Simulated
from gemel.demo.trial.cell import Cell
from gemel.demo.trial.drives import Drives
from gemel.demo.trial.running import STEP_S, steps, until_stopped

__all__ = ["SimulatedDevice", "main"]

TOPIC = "trial/cell"
_STATUS = f"{TOPIC}/status"
_KNOWN = 1000
"""Orders that it remembers, with its answers."""
_WHOLE_S = 5.0
"""So often it tells everything, also what did not change and that it is there: who comes later hears of it too, and the
will of a connection that was lost may come after the next one's word."""


class SimulatedDevice:
    """A simulated object as a client of a broker.

    async with SimulatedDevice(Cell(), url, WallClock()) as device: await device.step(0.5)
    """

    def __init__(self, simulated: Simulated, url: str, clock: Clock) -> None:
        self.simulated = simulated
        self._parts = urlsplit(url)
        self._clock = clock
        self._client: Client | None = None
        self._loop = asyncio.get_running_loop()
        self._told: dict[tuple[str, str], Any] = {}
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._number = 0
        self._since_whole_s = 0.0

    async def __aenter__(self) -> SimulatedDevice:
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def step(self, dt_s: float) -> None:
        """Let time go by, and tell what changed; the connection goes and comes as the link of the object does."""
        self.simulated.step(dt_s)
        if self.simulated.linked and self._client is None:
            await self._connect()
        elif not self.simulated.linked:
            await self._disconnect()
        self._since_whole_s += dt_s
        if self._since_whole_s >= _WHOLE_S:
            self._since_whole_s, self._told = 0.0, {}
            self._say_online()
        self._tell()

    def take(self, topic: str, payload: bytes) -> bytes:
        """Carry an order out, once; returns the answer, the same one for an order that it has had."""
        try:
            order = msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.DecodeError as error:
            return msgspec.json.encode({"status": "refused", "detail": f"not understood: {error}"})
        id = str(order.get("order", ""))
        known = self._answers.get(id)
        if known is not None:
            return known
        answer = msgspec.json.encode({"order": id, **self._carried_out(topic, order)})
        if id:
            self._answers[id] = answer
            if len(self._answers) > _KNOWN:
                self._answers.popitem(last=False)
        return answer

    def _carried_out(self, topic: str, order: dict[str, Any]) -> dict[str, Any]:
        way, _, name = topic.removeprefix(f"{TOPIC}/").partition("/")
        try:
            if way == "set":
                self.simulated.set(name, order.get("value"))
                return {"status": "done"}
            given = order.get("input") or {}
            return {"status": "done", "output": self.simulated.call(name, given)}
        except (Refusal, TypeError, ValueError, KeyError) as error:
            return {"status": "refused", "detail": str(error)}

    def _tell(self) -> None:
        if self._client is None:
            return
        changed: dict[str, dict[str, Any]] = {}
        for key, value in self.simulated.values().items():
            if self._told.get(key) != value:
                self._told[key] = value
                changed.setdefault(key[0], {})[key[1]] = value
        now = self._clock.now()
        for twin, values in changed.items():
            self._number += 1
            message = {"id": f"{now}-{self._number}", "time": to_rfc3339(now), "values": values}
            self._client.publish(f"trial/{twin}/values", msgspec.json.encode(message), 1)

    def _say_online(self) -> None:
        if self._client is not None:
            self._client.publish(_STATUS, "online", 1, retain=True)

    async def _connect(self) -> None:
        client = Client(CallbackAPIVersion.VERSION2, client_id="trial-cell")
        client.will_set(_STATUS, "offline", 1, retain=True)

        def connected(*_: object) -> None:
            client.subscribe([(f"{TOPIC}/set/+", 1), (f"{TOPIC}/do/+", 1)])
            client.publish(_STATUS, "online", 1, retain=True)

        def told(_client: Client, _data: Any, message: MQTTMessage) -> None:
            self._loop.call_soon_threadsafe(self._answer, client, message.topic, bytes(message.payload))

        client.on_connect = connected
        client.on_message = told
        await asyncio.to_thread(client.connect, self._parts.hostname or "127.0.0.1", self._parts.port or 1883)
        client.loop_start()
        self._client, self._told = client, {}

    def _answer(self, client: Client, topic: str, payload: bytes) -> None:
        answer = self.take(topic, payload)
        order = msgspec.json.decode(answer, type=dict[str, Any]).get("order") or "unknown"
        self._tell()
        client.publish(f"{TOPIC}/answers/{order}", answer, 1)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(ValueError, RuntimeError):
            await asyncio.to_thread(client.publish(_STATUS, "offline", 1, retain=True).wait_for_publish, 2)
        client.disconnect()
        client.loop_stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gemel.demo.trial.mqtt", description=__doc__)
    parser.add_argument("--url", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    asyncio.run(until_stopped(_play(options.url, options.speed)))


async def _play(url: str, speed: float) -> None:
    async with SimulatedDevice(Cell(), url, WallClock()) as device, Drives(url, WallClock()) as drives:
        async for dt_s in steps(STEP_S):
            await device.step(dt_s * speed)
            await drives.step(dt_s * speed)


if __name__ == "__main__":
    main()

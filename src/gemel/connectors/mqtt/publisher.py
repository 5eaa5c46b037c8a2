"""A machine that speaks MQTT: plays a recorded log as JSON messages, for demos and tests.

python -m gemel.connectors.mqtt.publisher LOG --devices Devices.xml --device Mazak01 --url mqtt://127.0.0.1:1883
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gemel.clock import WallClock, parse_time, to_rfc3339
from gemel.connectors.recordings import Playback, Recording
from gemel.connectors.topics import fill
from gemel.intake import Reported
from gemel.twin import Binding

__all__ = ["TOPIC", "bindings_for", "main", "payloads", "publish", "settings_for"]

TOPIC = "machines/{twin}/values"
ONLINE_AGAIN_S = 5.0
"""How often it says that it is there: the will of a connection that was lost may come after the next one's word."""


def bindings_for(bindings: Iterable[Binding], topic: str = TOPIC) -> list[Binding]:
    """The bindings of a device model, for what this publisher sends; `settings_for` goes with them."""
    return [
        msgspec.structs.replace(
            one, address=f"{fill(topic, {'twin': one.twin})}#values.{one.property}", unit="", scale=None
        )
        for one in bindings
    ]


def settings_for(bindings: Iterable[Binding], topic: str = TOPIC) -> dict[str, Any]:
    """How a connector reads what this publisher sends, all but the url."""
    root = next((one.twin.partition(".")[0] for one in bindings), "machine")
    return {"payload": {"time": "time", "id": "id"}, "status": {"topic": _status(topic, root)}}


def payloads(readings: Sequence[Reported], topic: str, first: int = 0) -> list[tuple[str, bytes]]:
    """(topic, JSON) for readings that were due together: one message per twin and time, numbered from `first`."""
    grouped: dict[tuple[str, int], dict[str, object]] = {}
    sent: list[tuple[str, int, dict[str, object]]] = []
    for one in readings:
        key = (one.twin, one.time or 0)
        values = grouped.get(key)
        if values is None or one.property in values:  # told twice at one time: two messages, in order
            values = grouped[key] = {}
            sent.append((*key, values))
        values[one.property] = one.value
    return [
        (
            fill(topic, {"twin": twin}),
            msgspec.json.encode({"id": f"{time}-{first + number}", "time": to_rfc3339(time), "values": values}),
        )
        for number, (twin, time, values) in enumerate(sent)
    ]


async def publish(playback: Playback, url: str, topic: str = TOPIC, *, qos: int = 1, once: bool = False) -> int:
    """Connect and send until cancelled, or until the log ends; returns how many messages were sent.

    `machines/<twin>/status` says online, and offline when this process ends in whatever way (the last will).
    """
    parts = urlsplit(url)
    twin, clock = playback.recording.plant.twins[0].id, WallClock()
    status = _status(topic, twin)
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"machine-{twin}")
    client.will_set(status, "offline", 1, retain=True)

    def say_online(*_: object) -> None:
        client.publish(status, "online", 1, retain=True)

    client.on_connect = say_online
    await asyncio.to_thread(client.connect, parts.hostname or "127.0.0.1", parts.port or 1883)
    client.loop_start()
    sent, said_s = 0, clock.monotonic()
    try:
        async for batch in playback.run(once=once):
            if clock.monotonic() - said_s >= ONLINE_AGAIN_S:
                said_s = clock.monotonic()
                say_online()
            infos = [client.publish(where, payload, qos) for where, payload in payloads(batch, topic, sent)]
            sent += len(infos)
            for info in infos[-1:]:
                await asyncio.to_thread(info.wait_for_publish, 60)
    finally:
        with contextlib.suppress(ValueError, RuntimeError):
            await asyncio.to_thread(client.publish(status, "offline", 1, retain=True).wait_for_publish, 2)
        client.disconnect()
        client.loop_stop()
    return sent


def _status(topic: str, twin: str) -> str:
    return f"{topic.partition('{')[0]}{twin}/status"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gemel.connectors.mqtt.publisher", description=__doc__)
    parser.add_argument("log", type=Path, help="an SHDR log, plain or .gz")
    parser.add_argument("--devices", type=Path, required=True, help="the MTConnect device model that explains the log")
    parser.add_argument("--device", required=True, help="name of the device in the model")
    parser.add_argument("--url", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--topic", default=TOPIC, help="with {twin} for the twin's id (default %(default)s)")
    parser.add_argument("--start", type=parse_time, help="moment of the log that is now (default: its last day)")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--qos", type=int, choices=(0, 1, 2), default=1)
    parser.add_argument("--once", action="store_true", help="stop at the end of the log instead of starting over")
    options = parser.parse_args(arguments)
    recording = Recording(options.log, options.devices, options.device)
    playback = Playback(recording, WallClock(), start=options.start, speed=options.speed)
    asyncio.run(_until_stopped(publish(playback, options.url, options.topic, qos=options.qos, once=options.once)))


async def _until_stopped(work: Coroutine[Any, Any, int]) -> None:
    task = asyncio.create_task(work)
    with contextlib.suppress(NotImplementedError):  # Windows: it is ended without being asked
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()

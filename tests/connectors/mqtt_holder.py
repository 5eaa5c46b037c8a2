"""A platform whose disk never answers, to be killed: python -m tests.connectors.mqtt_holder URL QOS.

Prints `received` when messages have come; none of them is ever durable.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from gemel.connectors.mqtt import MqttSettings, MqttSource
from gemel.twin.binding import Binding

from .recorder import Recorder


async def main(url: str, qos: Any) -> None:
    port = Recorder("mqtt")
    port.held = True
    settings = MqttSettings(url=url, client_id="under-test", qos=qos)
    source = MqttSource(settings, [Binding(address="line/count#n", twin="line-1", property="count")])
    task = asyncio.create_task(source.run(port))
    await port.until(lambda: len(port.connections) == 1)
    print("connected", flush=True)  # noqa: T201
    await port.until(lambda: len(port.readings) > 0)
    print("received", flush=True)  # noqa: T201
    await task


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

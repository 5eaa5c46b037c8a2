"""Screens: live sockets as a browser opens them, in a process of their own."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import msgspec
import numpy as np
from websockets.asyncio.client import connect

__all__ = ["screens"]


async def _screen(url: str, token: str, twins: list[str], until: float) -> list[int]:
    """Microseconds from the moment each value was sent by its device until it is here."""
    parts = urlsplit(url)
    ages: list[int] = []
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(
        f"ws://{parts.netloc}/api/v1/live",
        additional_headers=headers,
        subprotocols=["gemel.v1"],  # type: ignore[list-item]
        compression=None,
        max_size=None,
    ) as socket:
        await socket.send(msgspec.msgpack.encode({"t": "sub", "s": 1, "twins": twins, "rate_hz": None}))
        while time.monotonic() < until:
            try:
                frame = await asyncio.wait_for(socket.recv(), 2.0)
            except TimeoutError:
                continue
            now = time.time_ns() // 1000
            message = msgspec.msgpack.decode(frame)
            if message["t"] == "delta":
                ages.extend(now - value[2] for value in message["values"])
    return ages


def screens(url: str, token: str, *, sockets: int, twins: int, seconds: float) -> dict[str, float]:
    """`sockets` screens of `twins` twins each, every change sent at once."""
    until = time.monotonic() + seconds

    async def all_of_them() -> list[list[int]]:
        names = [[f"press-{n * twins + k}" for k in range(twins)] for n in range(sockets)]
        return await asyncio.gather(*(_screen(url, token, some, until) for some in names))

    ages = np.concatenate([np.asarray(one, dtype=np.int64) for one in asyncio.run(all_of_them())])
    if not len(ages):
        raise RuntimeError("nothing came")
    return {
        "values": len(ages),
        "p50_ms": float(np.percentile(ages, 50)) / 1000,
        "p99_ms": float(np.percentile(ages, 99)) / 1000,
    }

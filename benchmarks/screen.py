"""Screens: live sockets as a browser opens them, in a process of their own."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

__all__ = ["screens"]

START_S = 60.0
"""In which the first value must come."""


async def _screen(shown: dict[str, Any], twins: list[str], ready: asyncio.Barrier, seconds: float) -> list[int]:
    """Microseconds from the moment each value was sent by its device until it is here."""
    ages: list[int] = []
    async with connect(
        f"ws://{urlsplit(shown['url']).netloc}/api/v1/live",
        additional_headers={"Authorization": f"Bearer {shown['token']}"},
        subprotocols=["gemel.v1"],  # type: ignore[list-item]
        compression=None,
        max_size=None,
        open_timeout=120,
    ) as socket:
        ask = {"t": "sub", "s": 1, "twins": twins, "rate_hz": shown["rate_hz"]}
        await socket.send(msgspec.msgpack.encode(ask))
        await _next(socket, 120.0)
        if await ready.wait() == 0:
            print("subscribed", flush=True)
        until: float | None = None
        while until is None or time.monotonic() < until:
            message = await _next(socket, START_S if until is None else 2.0)
            now = time.time_ns() // 1000
            if message is not None and message["t"] == "delta":
                ages.extend(now - value[2] for value in message["values"])
            until = until or time.monotonic() + seconds
    return ages


async def _next(socket: ClientConnection, timeout_s: float) -> Any:
    try:
        return msgspec.msgpack.decode(await asyncio.wait_for(socket.recv(), timeout_s))
    except TimeoutError:
        return None


def screens(
    url: str,
    token: str,
    *,
    sockets: int,
    twins: int,
    seconds: float,
    of: int = 1000,
    rate_hz: float | None = None,
) -> dict[str, float]:
    """`sockets` screens of `twins` twins each; every change is sent at once, or `rate_hz` times a second.

    Prints `subscribed` when all have their first answer, and looks on for `seconds` from when the first value comes.
    """
    shown = {"url": url, "token": token, "rate_hz": rate_hz}

    async def all_of_them() -> list[list[int]]:
        ready = asyncio.Barrier(sockets)
        names = [[f"press-{(n * twins + k) % of}" for k in range(twins)] for n in range(sockets)]
        return await asyncio.gather(*(_screen(shown, some, ready, seconds) for some in names))

    ages = np.concatenate([np.asarray(one, dtype=np.int64) for one in asyncio.run(all_of_them())])
    if not len(ages):
        raise RuntimeError("nothing came")
    return {
        "values": len(ages),
        "p50_ms": float(np.percentile(ages, 50)) / 1000,
        "p99_ms": float(np.percentile(ages, 99)) / 1000,
    }

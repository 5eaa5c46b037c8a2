"""A small MTConnect agent that plays a log: probe, current and sample as XML over HTTP.

    python -m gemel.connectors.mtconnect.agent LOG --devices Devices.xml --device GFAgie01 --port 5000 --shift now

For demonstrations and tests: one device, no assets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape, quoteattr

import uvicorn

from gemel.clock import Clock, WallClock, to_rfc3339
from gemel.connectors.mtconnect.adapter import begin_of, common_options, play
from gemel.connectors.mtconnect.devices import Component, DataItem, read_devices
from gemel.connectors.mtconnect.shdr import split_fields
from gemel.connectors.recordings import Pace

__all__ = ["AgentServer", "main"]

Send = Callable[[dict[str, Any]], Awaitable[None]]
_NAMESPACE = "urn:mtconnect.org:MTConnectStreams:1.3"
_BOUNDARY = "gemel-part"
_GROUPS = {"SAMPLE": "Samples", "EVENT": "Events", "CONDITION": "Condition"}


class AgentServer:
    """An agent's buffer of observations, and what it answers. An ASGI application."""

    def __init__(
        self, devices: bytes, device: str, clock: Clock, *, instance: int | None = None, buffer_size: int = 131_072
    ) -> None:
        """`instance`: by default the second at which it starts, so that a restart is seen."""
        self.instance = instance if instance is not None else clock.now() // 1_000_000
        self._clock = clock
        self._probe = devices
        self._device = next(d for d in read_devices(devices) if device in (d.name, d.id, d.uuid))
        self._items: dict[str, tuple[Component, DataItem]] = {}
        for component in self._device.walk():
            for item in component.items:
                for name in filter(None, (item.name, item.id)):
                    self._items.setdefault(name, (component, item))
        self._buffer: deque[tuple[int, str, str]] = deque(maxlen=buffer_size)  # sequence, item id, element
        self._current: dict[str, dict[str, tuple[int, str, str]]] = {}
        self._next = 1
        self._news = asyncio.Event()
        self._components = {component.id: component for component in self._device.walk()}
        self._component_of = {item.id: component.id for component, item in self._items.values()}
        self._category_of = {item.id: item.category for _, item in self._items.values()}

    @property
    def first(self) -> int:
        return self._buffer[0][0] if self._buffer else self._next

    def tell(self, lines: Iterable[str]) -> None:
        """Take SHDR lines, with their times, as from an adapter."""
        for line in lines:
            fields = split_fields(line)
            width = 6 if len(fields) == 7 else 2
            for at in range(1, len(fields) - 1, width):
                found = self._items.get(fields[at])
                if found is not None:
                    self._observe(found[1], fields[0], fields[at + 1 : at + width])
        self._news.set()
        self._news = asyncio.Event()

    async def drained(self) -> None:
        """An agent keeps what nobody asks for."""
        await asyncio.sleep(0)

    def _observe(self, item: DataItem, time: str, told: list[str]) -> None:
        base = f'dataItemId={quoteattr(item.id)} sequence="{self._next}" timestamp={quoteattr(time)}'
        if item.name:
            base += f" name={quoteattr(item.name)}"
        if item.sub_type:
            base += f" subType={quoteattr(item.sub_type)}"
        code = ""
        if item.category == "CONDITION":
            level, code, severity, qualifier, text = (*told, "", "", "", "")[:5]
            tag = level.strip().capitalize()
            for name, value in (("nativeCode", code), ("nativeSeverity", severity), ("qualifier", qualifier)):
                base += f" {name}={quoteattr(value)}" if value else ""
            base += f" type={quoteattr(item.type)}"
        else:
            tag, text = _tag(item.type), told[0]
        entry = (self._next, item.id, f"<{tag} {base}>{escape(text)}</{tag}>")
        self._next += 1
        self._buffer.append(entry)
        known = self._current.setdefault(item.id, {})
        if item.category != "CONDITION" or tag in ("Normal", "Unavailable"):
            if code and tag == "Normal":
                known.pop(code, None)
            else:
                known.clear()
            if known:
                return
            code = ""
        known.pop("", None)
        known[code] = entry

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"].strip("/").split("/")[-1]
        query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()}
        if path == "probe":
            await _answer(send, self._probe)
        elif path == "current":
            entries = [e for known in self._current.values() for e in known.values()]
            await _answer(send, self._document(entries, self._next))
        elif path == "sample":
            await self._sample(query, receive, send)
        else:
            await _answer(send, self._error("UNSUPPORTED", f"there is no {path}"), status=404)

    async def _sample(self, query: dict[str, str], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        try:
            at = int(query.get("from", self.first))
            count = int(query.get("count", 100))
            interval_s = float(query["interval"]) / 1000 if "interval" in query else None
            heartbeat_s = float(query.get("heartbeat", 10_000)) / 1000
        except ValueError as error:
            await _answer(send, self._error("INVALID_REQUEST", str(error)), status=400)
            return
        if not self.first <= at <= self._next:
            text = f"from must be between {self.first} and {self._next}"
            await _answer(send, self._error("OUT_OF_RANGE", text), status=404)
            return
        if interval_s is None:
            entries = self._after(at, count)
            await _answer(send, self._document(entries, entries[-1][0] + 1 if entries else at))
            return
        headers = [(b"content-type", f"multipart/x-mixed-replace;boundary={_BOUNDARY}".encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.create_task(_gone(receive))
        try:
            while not gone.done():
                if at < self.first:
                    return  # overwritten while it was read: the reader asks again, and is told
                entries = self._after(at, count)
                at = entries[-1][0] + 1 if entries else at
                body = _part(self._document(entries, at))
                await send({"type": "http.response.body", "body": body, "more_body": True})
                if at == self._next:
                    waits = [gone, asyncio.ensure_future(self._news.wait())]
                    await asyncio.wait(waits, timeout=heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                    waits[1].cancel()
                    if at != self._next:
                        await asyncio.wait([gone], timeout=interval_s)  # what comes in between goes together
        finally:
            gone.cancel()
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _after(self, at: int, count: int) -> list[tuple[int, str, str]]:
        start = max(0, at - self.first)
        return list(islice(self._buffer, start, start + count))

    def _document(self, entries: Iterable[tuple[int, str, str]], following: int) -> bytes:
        groups: dict[str, dict[str, list[str]]] = {}
        for _, id, element in entries:
            by_category = groups.setdefault(self._component_of[id], {})
            by_category.setdefault(_GROUPS[self._category_of[id]], []).append(element)
        body = []
        for component_id, categories in groups.items():
            component = self._components[component_id]
            body.append(
                f"<ComponentStream component={quoteattr(component.class_)} name={quoteattr(component.name)} "
                f"componentId={quoteattr(component.id)}>"
            )
            body += [f"<{name}>{''.join(elements)}</{name}>" for name, elements in categories.items()]
            body.append("</ComponentStream>")
        device = f"name={quoteattr(self._device.name)} uuid={quoteattr(self._device.uuid)}"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><MTConnectStreams xmlns="{_NAMESPACE}" xmlns:x="urn:x">'
            f"{self._header(following)}<Streams><DeviceStream {device}>"
            f"{''.join(body)}</DeviceStream></Streams></MTConnectStreams>"
        ).encode()

    def _header(self, following: int) -> str:
        return (
            f'<Header creationTime="{to_rfc3339(self._clock.now())}" sender="gemel" instanceId="{self.instance}" '
            f'version="1.3" bufferSize="{self._buffer.maxlen}" firstSequence="{self.first}" '
            f'lastSequence="{self._next - 1}" nextSequence="{following}"/>'
        )

    def _error(self, code: str, text: str) -> bytes:
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><MTConnectError xmlns="urn:mtconnect.org:MTConnectError:1.3">'
            f'{self._header(self._next)}<Errors><Error errorCode="{code}">{escape(text)}</Error></Errors>'
            "</MTConnectError>"
        ).encode()


def _tag(type_: str) -> str:
    prefix, colon, name = type_.rpartition(":")
    return prefix + colon + "".join(word.capitalize() for word in name.split("_"))


def _part(document: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-type: text/xml\r\nContent-length: {len(document)}\r\n\r\n"
    return head.encode() + document + b"\r\n"


async def _answer(send: Send, body: bytes, *, status: int = 200) -> None:
    headers = [(b"content-type", b"text/xml"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _run(options: argparse.Namespace) -> None:
    clock = WallClock()
    begin = begin_of(options.begin, options.log)
    agent = AgentServer(options.devices.read_bytes(), options.device, clock, buffer_size=options.buffer)
    listener = socket.create_server((options.host, options.port))
    config = uvicorn.Config(agent, lifespan="off", log_level="warning", access_log=False)
    serving = asyncio.create_task(uvicorn.Server(config).serve([listener]))
    sys.stdout.write(f"listening on {options.host}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while not serving.done():
        pace = Pace(begin, clock.now(), options.speed, options.shift == "now")
        playing = asyncio.create_task(play(agent, options.log, pace, clock))
        await asyncio.wait([serving, playing], return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
        playing.cancel()
        if not options.loop:
            break
    await serving


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gemel.connectors.mtconnect.agent", description=__doc__)
    common_options(parser, port=5000)
    parser.add_argument("--devices", type=Path, required=True, help="the Devices.xml that describes the device")
    parser.add_argument("--device", required=True, help="its name, id or uuid there")
    parser.add_argument("--buffer", type=int, default=131_072, help="observations that the agent keeps")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()

"""An MTConnect adapter that plays a log: a TCP server that speaks SHDR with PING and PONG.

    python -m gemel.connectors.mtconnect.adapter LOG --port 7878 --speed 1 --shift now

Who connects gets the current values first, then every line when it is due. For demonstrations and tests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from gemel.clock import Clock, WallClock, parse_time, to_rfc3339
from gemel.connectors.recordings import KnownLines, Pace, busiest_moment, due, first_moment, read_lines, timed_lines

__all__ = ["AdapterServer", "Teller", "begin_of", "common_options", "main", "play"]

BACKLOG_BYTES = 64 * 1024 * 1024
"""A client that lets so much wait is cut off; it gets the current values when it comes again."""


class Teller(Protocol):
    """Who tells lines on."""

    def tell(self, lines: Iterable[str]) -> None: ...
    async def drained(self) -> None: ...


class AdapterServer:
    """Tells lines to whoever is connected, and remembers the last of each item for who comes later."""

    def __init__(self, *, period_ms: int = 10_000) -> None:
        self._period_ms = period_ms
        self._known = KnownLines()
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._arrived = asyncio.Event()
        self.connections = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def cut(self) -> None:
        """Drop all connections, as a broken network does."""
        for writer in list(self._clients):
            writer.transport.abort()

    def tell(self, lines: Iterable[str]) -> None:
        """Send whole lines (with their times) to all that are connected."""
        told = list(lines)
        for line in told:
            self._known.learn(line)
        data = ("\n".join(told) + "\n").encode() if told else b""
        for writer in list(self._clients):
            if writer.transport.get_write_buffer_size() > BACKLOG_BYTES:
                writer.transport.abort()
            else:
                writer.write(data)

    async def drained(self) -> None:
        """Return when somebody is connected and has taken what was told."""
        while not self._clients:
            self._arrived.clear()
            await self._arrived.wait()
        for writer in list(self._clients):
            with contextlib.suppress(OSError):
                await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if lines := self._known.lines():
            writer.write(("\n".join(lines) + "\n").encode())
        self._clients.add(writer)
        self._arrived.set()
        try:
            while line := await reader.readline():
                if line.strip().upper() == b"* PING":
                    writer.write(f"* PONG {self._period_ms}\n".encode())
        except (OSError, ValueError):
            pass
        finally:
            self._clients.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def play(server: Teller, paths: Sequence[Path], pace: Pace, clock: Clock) -> None:
    """Tell the lines of a log when they are due; those before its beginning are told at once, as what was known.

    Lines that are due together are told together. Order is the log's own, also where its times step back.
    """

    async def wait(seconds: float) -> None:
        await (asyncio.sleep(seconds) if pace.speed > 0 else server.drained())

    async for lines in due(_lines(paths, pace), pace, clock, most=1_000, wait=wait):
        server.tell(lines)


def _lines(paths: Sequence[Path], pace: Pace) -> Iterator[tuple[int, str]]:
    for time, rest in timed_lines(read_lines(paths)):
        yield time, f"{to_rfc3339(pace.told(time))}|{rest}"


async def _run(options: argparse.Namespace) -> None:
    clock = WallClock()
    begin = begin_of(options.begin, options.log)
    server = AdapterServer(period_ms=options.period_ms)
    port = await server.start(options.host, options.port)
    sys.stdout.write(f"listening on {options.host}:{port}\n")
    sys.stdout.flush()
    while True:
        pace = Pace(begin, clock.now(), options.speed, options.shift == "now")
        await play(server, options.log, pace, clock)
        if not options.loop:
            await asyncio.Event().wait()  # the log has ended; the adapter stays, as one whose machine stands still


def common_options(parser: argparse.ArgumentParser, *, port: int) -> None:
    """The options of whatever plays a log."""
    parser.add_argument("log", nargs="+", type=Path, help="SHDR logs, .gz or plain, played one after the other")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port, help="0: any free one; it is printed")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="seconds of the log in a second; 0: all at once, unshifted"
    )
    parser.add_argument("--shift", choices=["now", "none"], default="now", help="tell times as if it happened now")
    parser.add_argument("--from", dest="begin", default="", help="moment of the log (RFC 3339), or: busiest")
    parser.add_argument("--loop", action="store_true", help="begin again when the log ends")


def begin_of(told: str, paths: Sequence[Path]) -> int:
    """The moment of the log that `--from` names."""
    if told == "busiest":
        return busiest_moment(paths)
    return parse_time(told) if told else first_moment(paths)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gemel.connectors.mtconnect.adapter", description=__doc__)
    common_options(parser, port=7878)
    parser.add_argument("--period-ms", type=int, default=10_000, help="heartbeat period that PONG tells")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()

"""A TCP wire that can be cut: what was on its way is lost, connections end or go silent, and new ones are refused."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Wire", "wire"]


class Wire:
    """Passes a port on, on a thread of its own; every verb from any thread."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open, self._mute = True, False
        self._passing = asyncio.Event()
        self._passing.set()
        self.carried = 0
        """Bytes that went up."""
        self._cut_at: int | None = None
        self.cuts = 0
        ready: asyncio.Future[int] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._started = threading.Event()
        self._thread.start()
        self._started.wait(60)
        self.port = ready.result()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections; new ones end at once until it is healed."""
        self._call(self._drop, False)

    def heal(self) -> None:
        self._call(self._set, True, False)

    def silence(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self._call(self._set, True, True)

    def mute(self) -> None:
        """What goes up arrives; no answer comes back."""
        self._mute = True

    def cut_after(self, count: int) -> None:
        """Cut once, when so many more bytes have gone up: in the middle of whatever goes then. Open again at once."""
        self._call(self._arm, count)

    def target(self, port: int) -> None:
        """What is at the other end has another port now."""
        self._target = port

    def close(self) -> None:
        self._call(self._drop, False)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _call(self, work, *args) -> None:  # type: ignore[no-untyped-def]
        done = threading.Event()

        def do() -> None:
            work(*args)
            done.set()

        self._loop.call_soon_threadsafe(do)
        assert done.wait(60)

    def _set(self, is_open: bool, silent: bool) -> None:
        if silent:
            self._passing.clear()
        elif not self._passing.is_set():
            self._drop(True)
        self._open = is_open

    def _arm(self, count: int) -> None:
        self._cut_at = self.carried + count

    def _drop(self, is_open: bool) -> None:
        self._open, self._mute = is_open, False
        self._passing.set()
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self, ready: asyncio.Future[int]) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> asyncio.Server:
            server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
            ready.set_result(server.sockets[0].getsockname()[1])
            self._started.set()
            return server

        server = self._loop.run_until_complete(start())
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        mine = {writer, there_writer}
        self._writers |= mine
        try:
            await asyncio.gather(self._pump(reader, there_writer, up=True), self._pump(there_reader, writer, up=False))
        finally:
            self._writers -= mine
            for one in mine:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._passing.wait()
                if self._mute and not up:
                    continue
                if up:
                    at = self._cut_at
                    if at is not None and self.carried + len(data) >= at:
                        writer.write(data[: at - self.carried])
                        self._cut_at, self.cuts = None, self.cuts + 1
                        self._drop(True)
                        return
                    self.carried += len(data)
                writer.write(data)
                await writer.drain()
            writer.close()


@contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A wire to a port of this machine."""
    made = Wire(target)
    try:
        yield made
    finally:
        made.close()

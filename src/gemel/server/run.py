"""Run the server: in this thread until a signal, or in a thread of its own."""

from __future__ import annotations

import gc
import logging
import socket
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from gemel.errors import Conflict, GemelError
from gemel.server.app import create_app
from gemel.server.logs import configure_logs
from gemel.server.options import Options
from gemel.server.services import Services
from gemel.server.supervision import Supervision

if TYPE_CHECKING:
    from gemel.platform import Platform

__all__ = ["Server", "serve"]

START_S = 30.0
COLLECT_AFTER = 20_000
"""Objects that may come before the garbage collector looks. With its default of 700 it looks through all that a
platform keeps many times a second, which costs more than a small request and holds up the event loop."""
LARGEST_FRAME = 1024 * 1024
PING_S = 20.0


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self.services = services
        self.settled = threading.Event()
        self._supervision = Supervision()
        self._thresholds = gc.get_threshold()
        self._froze = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.services.started()
        self._thresholds = gc.get_threshold()
        if not gc.get_freeze_count():
            self._froze = True
            gc.collect()
            gc.freeze()  # twins, types and routes stay: looking through them again finds nothing
        gc.set_threshold(COLLECT_AFTER, *self._thresholds[1:])
        try:
            await super().startup(sockets=sockets)
            if self.started:
                self._supervision.ready()
        finally:
            self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._supervision.stopping()
        self.services.stopping.set()  # streams and sockets end by themselves, so that the server need not cut them off
        await super().shutdown(sockets=sockets)
        await self.services.stopped()
        gc.set_threshold(*self._thresholds)
        if self._froze:
            gc.unfreeze()


class Server:
    """A server over an open platform. `start()` returns its address; it runs in its own thread until `stop()`."""

    def __init__(self, platform: Platform, options: Options | None = None, **fields: Any) -> None:
        """`options`, or its fields by name. Raises InvalidInput for options that do not fit together."""
        self.options = options or Options(**fields)
        self.services = Services(platform, self.options)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._uvicorn: _Uvicorn | None = None

    @property
    def url(self) -> str:
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        if self.options.host in {"0.0.0.0", "::"}:
            host = "localhost"
        return f"{self.options.scheme}://{host}:{self.services.port}"

    def bind(self) -> str:
        """Take the port and return the address; what connects waits until the server runs. Raises Conflict."""
        options = self.options
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((options.host, options.port))
        except OSError as error:
            listener.close()
            raise Conflict(
                f"port {options.port} of {options.host} cannot be taken ({error.strerror or error}); "
                "choose another with --port, or 0 for any"
            ) from error
        listener.set_inheritable(False)
        self._socket = listener
        self.services.port = listener.getsockname()[1]
        self.services.platform.campaigns.address = next(iter(options.origins), self.url)
        return self.url

    def run(self) -> None:
        """Serve in this thread until a signal or `stop()`."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None
        self._uvicorn = self._uvicorn or self._make()
        try:
            self._uvicorn.run(sockets=[self._socket])
        finally:
            self._uvicorn.settled.set()
            self._socket.close()
            self._socket = None
            self.services.close()

    def start(self) -> str:
        """Serve in a thread; returns the address once it answers. Raises Conflict when the port is taken."""
        self._uvicorn = self._make()
        url = self.bind()
        self._thread = threading.Thread(target=self.run, name="gemel-server", daemon=True)
        self._thread.start()
        if not self._uvicorn.settled.wait(START_S) or not self._uvicorn.started:
            raise GemelError("the server did not start; its log says why")
        return url

    def stop(self) -> None:
        """End it: streams are closed, answers under way are finished (5 s at most)."""
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make(self) -> _Uvicorn:
        options = self.options
        config = uvicorn.Config(
            create_app(self.services),
            loop="auto" if sys.platform == "win32" else "uvloop",
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=LARGEST_FRAME,
            ws_max_queue=16,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
            lifespan="off",  # routes have nothing to begin or to end; what has begins with `services.started`
            access_log=False,
            log_config=None,
            log_level=logging.WARNING,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
            ssl_certfile=str(options.tls_cert) if options.tls_cert else None,
            ssl_keyfile=str(options.tls_key) if options.tls_key else None,
        )
        return _Uvicorn(config, self.services)


def serve(platform: Platform, host: str = "127.0.0.1", port: int = 8080, **fields: Any) -> None:
    """Serve `platform` until a signal; further fields are those of `Options`."""
    server = Server(platform, Options(host=host, port=port, **fields))
    configure_logs(json=server.options.json_logs)
    server.bind()
    server.run()

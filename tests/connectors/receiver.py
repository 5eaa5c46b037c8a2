"""A real HTTP receiver of webhooks for the tests; what it answers is a list of what it does, one after the other."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from standardwebhooks import Webhook


class Receiver:
    """Answers each request as `plan` says: a status, or a function of the handler; after its end, with 204."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.plan: list[int | Callable[[Any], None]] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        self._moved = threading.Condition()
        self.release = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._moved:
                    answer = receiver.plan.pop(0) if receiver.plan else 204
                    receiver.received.append((headers, body))
                    receiver._moved.notify_all()
                if callable(answer):
                    answer(self)
                else:
                    self.send_response(answer)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Not on the screen."""

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A sender that hung up."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def until(self, count: int, timeout_s: float = 60.0) -> None:
        """Return when so many requests have come."""
        with self._moved:
            assert self._moved.wait_for(lambda: len(self.received) >= count, timeout_s), self.received

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]

    def verified(self, secret: str) -> list[Any]:
        """The bodies, each after its signature was checked as a receiver does."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.received]

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

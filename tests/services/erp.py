"""Another system as a process of its own: orders over HTTP, whose answers can be cut, doubled, late or refused.

`python erp.py` prints its port and serves until it is killed. PUT /faults says what becomes of the next requests.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ROWS: dict[str, dict] = {}
KEYS: dict[str, str] = {}
"""Idempotency-Key → id of what it made."""
FAULTS: list[str] = []
SEEN: list[dict] = []
LOCK = threading.Lock()
PAGE = 2


class System(BaseHTTPRequestHandler):
    """GET /orders?since=&page=, POST /orders, PATCH /orders/<id>; the rest is the test's."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/seen":
            self._answer(200, {"rows": ROWS, "seen": SEEN, "keys": KEYS})
            return
        if self._faulty():
            return
        asked = {name: told[0] for name, told in parse_qs(parts.query).items()}
        since, page = asked.get("since", ""), int(asked.get("page", "1"))
        with LOCK:
            SEEN.append({"method": "GET", "asked": asked, "auth": self.headers.get("X-Api-Key", "")})
            rows = sorted((row for row in ROWS.values() if row["changed"] >= since), key=lambda row: row["changed"])
        some = rows[(page - 1) * PAGE : page * PAGE]
        more = len(rows) > page * PAGE
        doubled = [*some, *some] if self._next("doubled") else some
        self._answer(200, {"data": {"rows": doubled}, "next": str(page + 1) if more else None})

    def do_POST(self) -> None:
        self._write()

    def do_PATCH(self) -> None:
        self._write()

    def do_PUT(self) -> None:
        body = self._body()
        with LOCK:
            if self.path == "/faults":
                FAULTS[:] = body
            elif self.path == "/empty":
                for one in (ROWS, KEYS, FAULTS, SEEN):
                    one.clear()
            else:
                ROWS.update({row["number"]: row for row in body})
        self._answer(200, {})

    def _write(self) -> None:
        body, key = self._body(), self.headers.get("Idempotency-Key", "")
        with LOCK:
            SEEN.append({"method": self.command, "path": self.path, "body": body, "key": key})
        if FAULTS and FAULTS[0] in ("500", "late", "422") and self._faulty():
            return
        with LOCK:
            number = self.path.rpartition("/")[2] if self.command == "PATCH" else KEYS.get(key, f"N{len(ROWS) + 1}")
            ROWS.setdefault(number, {"number": number, "changed": "2026-06-01T08:00:00Z"}).update(body)
            KEYS[key] = number
        if self._faulty():  # it was done, and its answer is lost
            return
        self._answer(200, {"result": {"number": number}})

    def _body(self) -> object:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _next(self, fault: str) -> bool:
        with LOCK:
            if FAULTS and FAULTS[0] == fault:
                del FAULTS[0]
                return True
        return False

    def _faulty(self) -> bool:
        """Whether the answer is one that nobody wants."""
        if self._next("500"):
            self._answer(500, {"error": "out of order"})
        elif self._next("422"):
            self._answer(422, {"error": "no such material"})
        elif self._next("late"):
            self._answer(503, {"error": "busy"}, {"Retry-After": "120"})
        elif self._next("cut"):
            data = b'{"data": {"rows": [{"number": "1'
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + 500))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = True
        else:
            return False
        return True

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), System) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
        server.serve_forever()

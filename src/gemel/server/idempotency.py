"""Idempotency-Key: the same write again gets the same answer and has no second effect."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from gemel.clock import SECOND
from gemel.errors import InvalidInput, KeyReused, TooLarge
from gemel.server.call import Call, Once
from gemel.server.options import API
from gemel.server.services import Services
from gemel.server.tables import CARRIED_OUT, forget, remembered_answer
from gemel.twin import Change

__all__ = ["Remembered"]

KEPT_S = 24 * 3600
LONGEST_KEY = 200
LARGEST_ANSWER = 1024 * 1024
SECRETS = tuple(
    f"{API}/{path}" for path in ("tokens", "session", "setup", "devices", "links", "me/second-factor", "sign-in")
)
"""Their answers hold secrets, which are stored nowhere."""
_KEPT_HEADERS = {b"content-type", b"etag", b"location"}


class Remembered:
    """Answers of a day, by principal and key, in the database: they survive a restart.

    That a change was carried out is noted in its own transaction (http.change), and the answer right after it: when
    the process dies between the two, the same request gets its answer without a second effect. Messages without an id
    of their own get one from the key.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._under_way: set[tuple[str, str]] = set()

    async def answer(self, app: Any, scope: Any, receive: Any, send: Any, key: str) -> None:
        """Replay the answer of an equal request, or let `app` answer and remember it. Raises KeyReused."""
        if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
            raise InvalidInput(f"an Idempotency-Key has 1 to {LONGEST_KEY} printable characters")
        if scope["path"].startswith(SECRETS):
            raise InvalidInput(f"{scope['path']} answers with a secret, which is not kept; leave Idempotency-Key out")
        call: Call = scope["gemel"]
        who = call.who.id
        body = await self._body(receive)
        line = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}\n"
        fingerprint = hashlib.sha256(line.encode() + body).digest()
        if (who, key) in self._under_way:
            raise KeyReused("a request with this Idempotency-Key is still being answered; wait for it")
        self._under_way.add((who, key))
        try:
            found = await self._services.reads.run(self._find, who, key)
            if found is not None and (found.status != CARRIED_OUT or found.fingerprint != fingerprint):
                if found.fingerprint != fingerprint:
                    raise KeyReused("this Idempotency-Key was used for another request; use a new one for each")
                headers = [(name.encode(), value.encode()) for name, value in msgspec.json.decode(found.headers)]
                headers += [(b"idempotency-replayed", b"true"), (b"content-length", str(len(found.body)).encode())]
                await send({"type": "http.response.start", "status": found.status, "headers": headers})
                await send({"type": "http.response.body", "body": found.body})
                return
            call.once = Once(who, key, fingerprint, carried_out=found is not None)
            await self._carry_out(app, scope, body, send, call.once)
        finally:
            self._under_way.discard((who, key))

    async def _carry_out(self, app: Any, scope: Any, body: bytes, send: Any, once: Once) -> None:
        kept: list[Any] = []
        given = False

        async def receive() -> Any:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Any) -> None:
            kept.append(message)

        await app(scope, receive, keep)
        status = next(message["status"] for message in kept if message["type"] == "http.response.start")
        answer = b"".join(message.get("body", b"") for message in kept if message["type"] == "http.response.body")
        if status < 500 and status not in {401, 403, 409, 412, 429} and len(answer) <= LARGEST_ANSWER:
            headers = [pair for pair in kept[0]["headers"] if pair[0].lower() in _KEPT_HEADERS]
            await self._store(once, status, headers, answer)
        for message in kept:
            await send(message)

    async def _body(self, receive: Any) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._services.options.body_bytes:
                raise TooLarge(f"a body may have {self._services.options.body_bytes} bytes; send it in parts")
            more = message.get("more_body", False)
        return b"".join(parts)

    def _find(self, who: str, key: str) -> Any:
        query = select(remembered_answer).where(
            remembered_answer.c.principal == who,
            remembered_answer.c.key == key,
            remembered_answer.c.created > self._services.platform.clock.now() - KEPT_S * SECOND,
        )
        with self._services.platform.database.read() as connection:
            return connection.execute(query).one_or_none()

    async def _store(self, once: Once, status: int, headers: Any, body: bytes) -> None:
        now = self._services.platform.clock.now()
        row = {
            "principal": once.who,
            "key": once.key,
            "fingerprint": once.fingerprint,
            "status": status,
            "headers": msgspec.json.encode([(name.decode(), value.decode()) for name, value in headers]).decode(),
            "body": body,
            "created": now,
        }

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(delete(remembered_answer).where(remembered_answer.c.created <= now - KEPT_S * SECOND))
            forget(tx, once)
            tx.execute(insert(remembered_answer).values(**row))
            return None, ()

        await self._services.bridge.result(self._services.platform.intake.transact(work))

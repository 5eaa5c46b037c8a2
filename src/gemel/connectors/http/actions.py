"""Orders over HTTP: sent to a URL of the device, to addresses that the plant permits alone."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpcore
import msgspec

from gemel.commands import Errand, Outcome, Result, Tell, check_out
from gemel.connectors.base import SecretRef, Undelivered, Unsent
from gemel.connectors.guarded import Guarded, Permits
from gemel.connectors.reach import in_header
from gemel.connectors.wording import answer_of, check_wording, filled, payload_of
from gemel.errors import InvalidInput
from gemel.twin import Binding, Direction

__all__ = ["Actions", "check_outward"]

OUT = ("url", "method", "headers", "payload")
_METHODS = ("POST", "PUT", "PATCH")
_SECRET_HEADERS = ("authorization", "x-api-key", "proxy-authorization", "cookie")
_ANSWER_BYTES = 65_536


def check_outward(binding: Binding) -> None:
    """Raises InvalidInput for a binding that cannot be sent."""
    if binding.direction is Direction.IN:
        return
    check_out(binding, OUT)
    where = f"binding {binding.address!r:.120}"
    parts = urlsplit(_url(binding))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise InvalidInput(f"{where}: say where it is sent, without a password: out: {{url: https://device/path}}")
    if str(binding.out.get("method", "POST")).upper() not in _METHODS:
        raise InvalidInput(f"{where}: method is one of {', '.join(_METHODS)}")
    headers = binding.out.get("headers", {})
    if not isinstance(headers, dict):
        raise InvalidInput(f"{where}: headers is name → text, or name → {{env: NAME}}")
    for name, value in headers.items():
        if name.lower() in _SECRET_HEADERS and not isinstance(value, dict):
            raise InvalidInput(f"{where}: {name} is a secret; name where it is: {{env: NAME}} or {{file: name}}")
        if not isinstance(value, dict) and not str(value).isprintable():
            raise InvalidInput(f"{where}: header {name} has characters that no header may have")
    check_wording(binding.out.get("payload"), where)
    check_wording(_url(binding), where)


def _url(binding: Binding) -> str:
    return str(binding.out.get("url") or binding.address)


class Lent(Permits, Protocol):
    """What is asked of a port."""

    def secret(self, ref: SecretRef) -> str:
        """What a reference names."""


class Actions:
    """While the connector runs."""

    def __init__(self, port: Lent) -> None:
        self._port = port
        self._pools: dict[bool, httpcore.AsyncConnectionPool] = {}

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Send, once: no redirect is followed, nothing is tried again. Raises Unsent, and what leaves it open."""
        out = errand.binding.out
        words = msgspec.structs.replace(errand, value=quote(_plain(errand.value), safe=""), input=_quoted(errand.input))
        url = str(filled(_url(errand.binding), words))
        body = payload_of(errand, out.get("payload"))
        headers = [
            (b"host", urlsplit(url).netloc.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"idempotency-key", errand.order.encode()),
            *(self._header(str(name), value) for name, value in out.get("headers", {}).items()),
        ]
        pool = await self._pool(url.startswith("https:"))
        asking = asyncio.ensure_future(_asked(pool, str(out.get("method", "POST")).upper(), url, headers, body))
        try:
            tell(errand.order, Outcome(result=Result.LEFT))
            status, answer = await asking
        except (Undelivered, httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Unsent(str(error) or type(error).__name__) from error
        finally:
            asking.cancel()
        return _judged(status, answer)

    def _header(self, name: str, value: Any) -> tuple[bytes, bytes]:
        told = (
            in_header(self._port.secret(msgspec.convert(value, SecretRef))) if isinstance(value, dict) else str(value)
        )
        return name.lower().encode(), told.encode()

    async def _pool(self, encrypted: bool) -> httpcore.AsyncConnectionPool:
        if encrypted not in self._pools:
            context = await asyncio.to_thread(ssl.create_default_context) if encrypted else None
            network = Guarded(self._port, encrypted=encrypted)
            self._pools[encrypted] = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=network)
        return self._pools[encrypted]


async def _asked(
    pool: httpcore.AsyncConnectionPool, method: str, url: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, bytes]:
    async with pool.stream(method, url, headers=headers, content=body) as answer:
        read = b""
        async for part in answer.aiter_stream():
            read += part
            if len(read) > _ANSWER_BYTES:
                break
        return answer.status, read[:_ANSWER_BYTES]


def _judged(status: int, answer: bytes) -> Outcome:
    """2xx: it has it, and its body says what became of it. 4xx: it will not. All else leaves it open."""
    told = f"it answered {status}"
    if status == 202:
        return Outcome(result=Result.ACKNOWLEDGED, detail=told)
    if 200 <= status < 300:
        try:
            outcome = answer_of(answer)[1]
        except ValueError:
            return Outcome(result=Result.DONE, detail=told)
        return Outcome(result=outcome.result, detail=outcome.detail or told, output=outcome.output)
    if 300 <= status < 500 and status != 408:
        return Outcome(result=Result.REFUSED, detail=f"{told}: {answer[:200].decode(errors='replace')}".rstrip(": "))
    return Outcome(result=Result.UNKNOWN, detail=told)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _quoted(given: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if given is None else {name: quote(_plain(value), safe="") for name, value in given.items()}

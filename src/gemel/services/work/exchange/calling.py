"""Speaking to another system over HTTP: only to addresses that the plant permits, bounded in time and size."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx
import msgspec

import gemel
from gemel.connectors.reach import Reach, in_header
from gemel.errors import InvalidInput
from gemel.services.work.exchange.declared import Exchange

__all__ = ["Answer", "Calling", "NotNow", "Refused", "same_origin"]

MOST_BYTES = 64 << 20
MOST_S = 600.0
"""Of waiting for them, in one run."""
LOOK_S = 0.5
"""So often a wait looks whether the platform closes."""
_LATER = frozenset({401, 403, 404, 408, 425, 429})
"""Answers that are about us, or about now, not about what was told: it is tried again."""
_UNSURE = frozenset({408, 502, 504})
"""Answers of whoever stands between us: what was told may have arrived."""
_FAULTS = (
    httpx.HTTPError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


class NotNow(Exception):
    """It did not work, and may later."""

    def __init__(self, detail: str, retry_after_s: float = 0.0, *, perhaps: bool = False) -> None:
        """`perhaps`: they may have done it, and only their answer is lost."""
        super().__init__(detail)
        self.detail, self.retry_after_s, self.perhaps = detail, retry_after_s, perhaps


class Refused(Exception):
    """They do not want what they were told; told again the same, they will not either."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Answer(msgspec.Struct, frozen=True):
    """What they said."""

    status: int
    body: Any
    """Of JSON; None: nothing, or something else."""


class _Patience:
    """How long they are waited for: for an answer, in a run, and never while the platform closes."""

    def __init__(self, answer_s: float, closing: Callable[[], bool]) -> None:
        self._answer_s, self._closing = answer_s, closing
        self._spent_s, self._end = 0.0, 0.0

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """One answer, from the asking to its last byte."""
        start = time.monotonic()
        self._end = start + min(self._answer_s, max(MOST_S - self._spent_s, 0.0))
        try:
            yield
        finally:
            self._spent_s += time.monotonic() - start

    def left_s(self, *, asked: bool = True) -> float:
        """Raises NotNow when it is at its end. `asked`: something of what is asked may have arrived."""
        if self._closing():
            raise NotNow("the platform closes; it goes on when it is open again", perhaps=asked)
        left_s = self._end - time.monotonic()
        if left_s > 0:
            return left_s
        why = f"no whole answer within {self._answer_s:g} s; timeout_s says how long it may take"
        if self._spent_s + self._answer_s > MOST_S:
            why = f"they were waited for {MOST_S:.0f} s in one run; fewer and larger pages take less"
        raise NotNow(why, perhaps=asked)


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait is of that patience: an answer that drips is cut off, too."""

    def __init__(self, inner: httpcore.NetworkStream, patience: _Patience) -> None:
        self._inner, self._patience = inner, patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        while True:
            with contextlib.suppress(httpcore.ReadTimeout):
                return self._inner.read(max_bytes, min(self._patience.left_s(), LOOK_S))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._inner.write(buffer, self._patience.left_s())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left_s = self._patience.left_s(asked=False)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left_s), self._patience)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Makes such connections."""

    def __init__(self, patience: _Patience) -> None:
        self._inner, self._patience = httpcore.SyncBackend(), patience

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left_s = self._patience.left_s(asked=False)
        return _Stream(self._inner.connect_tcp(host, port, left_s, local_address, socket_options), self._patience)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Guarded(httpx.BaseTransport):
    """Connects to the very address that was looked at: a name is resolved once, here (DNS rebinding)."""

    def __init__(self, reach: Reach, context: ssl.SSLContext | None, patience: _Patience) -> None:
        self._reach = reach
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Network(patience))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises errors of httpcore."""
        url, encrypted = request.url, request.url.scheme == "https"
        address = self._address(url.host, url.port or (443 if encrypted else 80), encrypted=encrypted)
        assert isinstance(request.stream, httpx.SyncByteStream)
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=address.encode(), port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions={**request.extensions, "sni_hostname": url.host},
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()

    def _address(self, host: str, port: int, *, encrypted: bool) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotNow(f"{host} has no address: {error.strerror or error}") from None
        addresses = [str(one[4][0]).partition("%")[0] for one in found]
        for address in addresses:
            if self._reach.permits(address, encrypted=encrypted):
                return address
        why = "is not public" if encrypted else "may be spoken to with https only"
        raise NotNow(
            f"{host} ({', '.join(dict.fromkeys(addresses))}) {why}; whoever runs the server can allow its network with "
            "webhook_networks in gemel.yaml"
        )


class Calling:
    """Of one exchange, for one run; close it."""

    def __init__(self, exchange: Exchange, reach: Reach, closing: Callable[[], bool] = lambda: False) -> None:
        """`closing`: whether the platform closes. Raises InvalidDocument for a secret or file that is not there, and
        for a secret that no header may have."""
        context = None
        if exchange.ca:
            context = ssl.create_default_context(cafile=str(reach.file(exchange.ca)))
        elif _encrypted(exchange):  # else all authorities are not read
            context = httpx.create_ssl_context(trust_env=False)
        headers = {"User-Agent": f"gemel/{gemel.__version__}", "Accept": "application/json"}
        if exchange.auth is not None:
            secret = reach.secret(exchange.auth.secret)
            if exchange.auth.user:
                both = f"{exchange.auth.user}:{secret}".encode()
                headers["Authorization"] = f"Basic {b64encode(both).decode()}"
            else:
                headers[exchange.auth.header] = in_header(f"{exchange.auth.prefix}{in_header(secret)}")
        self._patience = _Patience(exchange.timeout_s, closing)
        transport = _Guarded(reach, context, self._patience)
        self._http = httpx.Client(transport=transport, headers=headers, timeout=None, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, url: str, parameters: Mapping[str, str]) -> Any:
        """The JSON of an answer. Raises NotNow, Refused, InvalidInput (it is none)."""
        answer = self._ask("GET", url, params=dict(parameters) or None)
        if answer.body is None:
            raise InvalidInput("the answer is no JSON")
        return answer.body

    def send(self, method: str, url: str, body: Any, *, key: str) -> Answer:
        """Tell something once, however often it is told with its key. Raises NotNow, Refused."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return self._ask(method, url, content=msgspec.json.encode(body), headers=headers)

    def _ask(self, method: str, url: str, **how: Any) -> Answer:
        try:
            with self._patience.answer(), self._http.stream(method, url, **how) as answer:
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MOST_BYTES:
                        raise InvalidInput(f"the answer is larger than {MOST_BYTES >> 20} MB; ask for pages")
        except httpcore.LocalProtocolError as error:  # its text has the header that is wrong: a secret, it may be
            raise NotNow(f"it cannot be asked: {type(error).__name__}") from None
        except _FAULTS as error:
            perhaps = not isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout)
            raise NotNow(f"no whole answer: {type(error).__name__} {error}".strip()[:300], perhaps=perhaps) from None
        except (UnicodeError, ValueError, httpx.InvalidURL) as error:
            raise NotNow(f"{url:.100} cannot be asked: {error!s:.200}") from None
        return _judged(answer, bytes(data))


def _encrypted(exchange: Exchange) -> bool:
    ways = [exchange.pull.url if exchange.pull else ""]
    ways += [exchange.push.url, exchange.push.update_url] if exchange.push else []
    return any(way.lower().startswith("https:") for way in ways)


def _judged(answer: httpx.Response, data: bytes) -> Answer:
    status = answer.status_code
    if 200 <= status < 300:
        body = None
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = msgspec.json.decode(data) if data else None
        return Answer(status, body)
    said = " ".join(data[:300].decode("utf-8", "replace").split())
    detail = f"they answered {status} {answer.reason_phrase}{f': {said}' if said else ''}"[:400]
    if 300 <= status < 400:
        raise NotNow(f"{detail}; redirects are not followed, so declare the new address")
    if status >= 500 or status in _LATER:
        after = answer.headers.get("retry-after", "")
        after_s = float(after) if after.isdecimal() and len(after) < 7 else 0.0
        raise NotNow(detail, after_s, perhaps=status in _UNSURE)
    raise Refused(detail)


def same_origin(first: str, then: str) -> str:
    """The address of a next page. Raises InvalidInput for one elsewhere: our secret is for the first alone."""
    found = urljoin(first, then)
    one, two = urlsplit(first), urlsplit(found)
    if (one.scheme, one.netloc) != (two.scheme, two.netloc):
        raise InvalidInput(f"the next page is at {two.netloc:.80}, not at {one.netloc}; it is not asked")
    return found

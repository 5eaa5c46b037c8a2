"""Requests and their errors: a problem document comes back as the exception the library would have raised."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from gemel.client.values import decode
from gemel.errors import GemelError, InvalidDocument, Overloaded, Problem, Unreachable

__all__ = ["API", "Transport", "error_of", "path_of"]

API = "/api/v1"
T = TypeVar("T")


def _classes(base: type[GemelError] = GemelError) -> Iterator[type[GemelError]]:
    yield base
    for below in base.__subclasses__():
        yield from _classes(below)


def error_of(status: int, body: bytes) -> GemelError:
    """The exception of a problem document, by its code; of anything else, a GemelError with the status."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
        code, detail = str(problem["code"]), str(problem["detail"])
    except (msgspec.MsgspecError, KeyError):
        return GemelError(f"the server answered {status} with something that is no problem document; is it Gemel?")
    kind = next((one for one in _classes() if one.__dict__.get("code") == code), None)
    if kind is None:
        made = GemelError(detail)
    else:
        made = kind.__new__(kind)
        GemelError.__init__(made, detail)
    made.extra = {
        name: value for name, value in problem.items() if name not in {"type", "title", "status", "code", "detail"}
    }
    if isinstance(made, Overloaded):
        made.retry_after_s = float(made.extra.get("retry_after_s", 1.0))
    if isinstance(made, InvalidDocument):
        made.name = "document"
        made.problems = [Problem(**one) for one in made.extra.get("problems", [])]
    return made


def path_of(*parts: str) -> str:
    """An address below the interface's base, its parts quoted."""
    return "/".join([API, *(quote(part, safe="~:") for part in parts)])


class Transport:
    """One connection pool to one platform."""

    def __init__(self, url: str, token: str | None, *, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        self.http = httpx.Client(base_url=self.url, headers=headers, verify=tls or False, timeout=timeout_s)
        self.position = 0
        """The greatest position that any answer named."""

    def request(self, method: str, path: str, **fields: Any) -> httpx.Response:
        """The answer. Raises the platform's error, or Unreachable."""
        with _reaching(self.url):
            answer = self.http.request(method, path, **fields)
        self._seen(answer)
        return answer

    def get(self, kind: type[T], path: str, /, **params: Any) -> T:
        """The JSON at `path`; parameters that are None or empty are left out."""
        given = {name: _text(value) for name, value in params.items() if value is not None and value not in ("", ())}
        return decode(self.request("GET", path, params=given).content, kind)

    def send(self, kind: type[T], method: str, path: str, body: Any = None, /, **fields: Any) -> T:
        """Send JSON, receive JSON."""
        headers = {"Content-Type": "application/json", **fields.pop("headers", {})}
        content = None if body is None else msgspec.json.encode(body)
        return decode(self.request(method, path, content=content, headers=headers, **fields).content, kind)

    @contextmanager
    def stream(self, method: str, path: str, **fields: Any) -> Iterator[httpx.Response]:
        """An answer that is read in parts."""
        with _reaching(self.url), self.http.stream(method, path, **fields) as answer:
            if answer.is_error:
                answer.read()
            self._seen(answer)
            yield answer

    def _seen(self, answer: httpx.Response) -> None:
        if answer.is_error:
            error, after = error_of(answer.status_code, answer.content), answer.headers.get("retry-after", "")
            if after.isdecimal():  # also of a proxy, whose answer is no problem document
                error.extra.setdefault("retry_after_s", float(after))
            raise error
        position = answer.headers.get("gemel-position", "")
        if position.isdecimal():
            self.position = max(self.position, int(position))

    def close(self) -> None:
        self.http.close()


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unreachable(f"{url} did not answer in time; it may have done what was asked") from error
    except httpx.LocalProtocolError:  # its text has the header that is wrong: the token, it may be
        raise Unreachable(f"{url} cannot be asked: a header is not of HTTP; has the token a line break?") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} cannot be reached: {error}; is the server running?") from error


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return list(value) if isinstance(value, tuple | list) else value

"""The two requests that come by the thousand: reading a twin, and reporting one value.

They are ordinary routes (routes/now.py); asked for plainly, they are answered here without the framework, which costs
more than they do. Same gate, same structs, same answers: docs/decisions/0003-hot-requests.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gemel.errors import InvalidInput, TooLarge
from gemel.server.call import Call
from gemel.server.encode import dumps
from gemel.server.guard import permit
from gemel.server.options import API
from gemel.server.routes.now import Write, now_of, now_view, write, write_value

__all__ = ["Hot", "hot"]

TWINS = f"{API}/twins/"
LARGEST_VALUE = 1024 * 1024
Hot = Callable[[Call, Any, Any, Any], Awaitable[None]]
_decode = msgspec.json.Decoder(Write).decode
_JSON = (b"content-type", b"application/json")


def hot(scope: Any) -> Hot | None:
    """The lean answer to this request, if it is one of the two and asks for nothing special."""
    path: str = scope["path"]
    if scope["query_string"] or not path.startswith(TWINS):
        return None
    method = scope["method"]
    if method == "GET" and path.endswith("/now") and path.count("/") == 5:
        return _read
    if method == "PUT" and path.count("/") == 6 and path.split("/", 6)[5] == "now":
        return _write
    return None


async def _read(call: Call, scope: Any, _receive: Any, send: Any) -> None:
    twin = scope["path"][len(TWINS) : -len("/now")]
    scope["path_template"] = f"{TWINS}{{twin}}/now"
    permit(call, now_of.opt, {"twin": twin}, "GET", scope["path"])
    await _answer(send, dumps(now_view(call, twin)))


async def _write(call: Call, scope: Any, receive: Any, send: Any) -> None:
    twin, _, name = scope["path"][len(TWINS) :].split("/")
    scope["path_template"] = f"{TWINS}{{twin}}/now/{{name}}"
    permit(call, write.opt, {"twin": twin, "name": name}, "PUT", scope["path"])
    body = await _body(receive)
    try:
        given = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body does not fit: {error!s:.300}") from error
    await _answer(send, dumps(await write_value(call, twin, name, given)))


async def _body(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_VALUE:
            raise TooLarge(f"one value may have {LARGEST_VALUE} bytes; larger ones go through /ingest")
    return body


async def _answer(send: Any, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
    await send({"type": "http.response.body", "body": body})

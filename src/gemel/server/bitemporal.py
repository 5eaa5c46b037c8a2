"""Values of the configuration as the interface shows and takes them: the structs themselves, their moments RFC 3339."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar.response import Response

from gemel.clock import parse_time
from gemel.configuration import FOREVER, Span
from gemel.errors import InvalidInput
from gemel.server.allowed import allowed
from gemel.server.encode import dumps, rfc3339
from gemel.server.http import Req, etag, unchanged

__all__ = ["answered", "plain", "understood", "with_moments"]

MOMENTS = frozenset(
    {
        *("at", "born", "retired", "since", "until", "start", "end", "time", "recorded", "known", "starts", "ends"),
        *("told", "noticed", "deadline", "due", "pulled", "revoked"),
        *("trained", "cut", "fails", "fails_low", "fails_high", "earliest", "latest"),
        *("broken_since", "next_snapshot"),
        *("created", "changed", "valid", "valid_from", "valid_to", "confirmed", "built", "delivered", "ended"),
    }
)
"""Fields of these names are moments where they are whole numbers."""
AS_WRITTEN = frozenset({"effectivity"})
"""Parts of documents, in which dates stay as people wrote them."""
T = TypeVar("T")
_PLACE = re.compile(r"at `\$((?:\.\w+|\[\d+\])*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def plain(value: Any) -> Any:
    """As JSON has it: moments as text, no end as null."""
    if isinstance(value, Span):
        return {"start": _text(value.start), "end": _text(value.end)}
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag_field
        told = {} if tag is None else {tag: value.__struct_config__.tag}
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)  # told as they are taken
        return told | {key: _member(name, getattr(value, name)) for name, key in names}
    if isinstance(value, Mapping):
        return {key: _member(key, one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple | set | frozenset) else value


def _member(name: str, value: Any) -> Any:
    return _text(value) if type(value) is int and name in MOMENTS else plain(value)


def _text(moment: int) -> str | None:
    return None if abs(moment) >= FOREVER - 1 else rfc3339(moment)


def answered(request: Req, value: Any) -> Response[bytes]:
    """The answer, with an ETag of what it says; 304 when the caller has it already."""
    body = dumps(plain(value))
    mark = int.from_bytes(hashlib.blake2b(body, digest_size=7).digest())
    if unchanged(request, mark):
        return Response(b"", status_code=304, headers=etag(mark))
    return Response(body, media_type="application/json", headers=etag(mark))


def understood(value: Any, kind: type[T]) -> T:
    """Plain data as `kind`. Raises InvalidInput with the place of the fault, InvalidTime."""
    try:
        return msgspec.convert(_with_numbers(value), kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"the body does not fit: {error!s:.300}{_told(value, str(error))}{allowed(kind, str(error))}"
        ) from error


def _told(value: Any, wrong: str) -> str:
    """What stands where a fault says that it is, if that is short."""
    path = _PLACE.search(wrong)
    for name, at in _STEP.findall(path[1]) if path else ():
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list | tuple) and at and int(at) < len(value):
            value = value[int(at)]
        else:
            return ""
    return f", which is {value!r:.80}" if path and isinstance(value, str | int | float) else ""


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _number(key, one) for key, one in value.items()}
    return [_with_numbers(one) for one in value] if isinstance(value, list) else value


def _number(key: str, value: Any) -> Any:
    if isinstance(value, str) and value and key in MOMENTS:
        return parse_time(value)
    return value if key in AS_WRITTEN else _with_numbers(value)


def with_moments(schema: Any) -> Any:
    """A JSON Schema of the structs, as they are shown: moments are texts."""
    if isinstance(schema, list):
        return [with_moments(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _schema(name, one) for name, one in given.items()} if key == "properties" else with_moments(given)
        for key, given in schema.items()
    }


def _schema(name: str, given: Any) -> Any:
    ways = given.get("anyOf", [given])
    if name not in MOMENTS or {"type": "integer"} not in [{"type": way.get("type")} for way in ways]:
        return with_moments(given)
    texts = [{"type": "string", "format": "date-time"} if way.get("type") == "integer" else way for way in ways]
    rest = {key: one for key, one in given.items() if key in {"description", "default"} and one is not ...}
    return rest | (texts[0] if len(texts) == 1 else {"anyOf": texts})

"""Errors as RFC 9457 problem documents: the same code and text that the library raises, and never our insides."""

from __future__ import annotations

import math
import secrets
import traceback
from typing import Any

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException

from gemel.errors import (
    GemelError,
    InvalidInput,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthenticated,
    WrongMediaType,
    WrongMethod,
)
from gemel.server.logs import log_of

__all__ = ["PROBLEM", "Answer", "document_of", "told"]

PROBLEM = b"application/problem+json"
_log = log_of("gemel.server")
_BY_STATUS: dict[int, type[GemelError]] = {
    400: InvalidInput,
    404: NotFound,
    405: WrongMethod,
    413: TooLarge,
    415: WrongMediaType,
    422: InvalidInput,
}

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""


def told(error: BaseException, path: str) -> Answer:
    """The answer for an exception that a handler raised at `path`."""
    known = _known(error, path)
    if known is None:
        incident = secrets.token_hex(6)
        trace = "".join(traceback.format_exception(error))  # as text: a renderer that adds local variables adds secrets
        _log.error("unexpected error", incident=incident, path=path, trace=trace)
        return _answer(
            500,
            "internal",
            "Something went wrong inside Gemel",
            f"this is a fault of ours; the server's log has the details under incident {incident}",
            {"incident": incident},
        )
    extra = dict(known.extra)
    if isinstance(known, Overloaded):
        extra["retry_after_s"] = known.retry_after_s
    return _answer(known.status, known.code, known.title, known.detail, extra)


def document_of(error: GemelError) -> dict[str, Any]:
    """The problem document of one of several things that were asked for at once."""
    return _document(error.status, error.code, error.title, error.detail, error.extra)


def _document(status: int, code: str, title: str, detail: str, extra: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in extra.items() if name not in {"code", "title", "status", "detail", "type"}},
        "type": f"urn:gemel:error:{code}",
        "code": code,
        "title": title,
        "status": status,
        "detail": detail,
    }


def _known(error: BaseException, path: str) -> GemelError | None:
    if isinstance(error, GemelError):
        return error
    if isinstance(error, NotFoundException):
        return NotFound(f"there is nothing at {path:.200}; /api/v1/docs lists the addresses")
    if isinstance(error, MethodNotAllowedException):
        return WrongMethod(f"{path:.200} does not take this method; /api/v1/docs lists what it takes")
    if isinstance(error, ValidationException):
        faults = error.extra if isinstance(error.extra, list) else []
        listed = "; ".join(f"{fault.get('key', '')}: {fault.get('message', '')}" for fault in faults if fault)
        return InvalidInput(listed or error.detail, problems=faults)
    if isinstance(error, (msgspec.ValidationError, msgspec.DecodeError, UnicodeError)):
        return InvalidInput(f"the body cannot be read: {error!s:.300}")
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return _BY_STATUS[error.status_code](error.detail or str(error))
    return None


def _answer(status: int, code: str, title: str, detail: str, extra: dict[str, Any]) -> Answer:
    document = _document(status, code, title, detail, extra)
    headers = [(b"content-type", PROBLEM), (b"cache-control", b"no-store")]
    if "retry_after_s" in extra:
        headers.append((b"retry-after", str(max(1, math.ceil(extra["retry_after_s"]))).encode()))
    if status == Unauthenticated.status:
        headers.append((b"www-authenticate", b'Bearer realm="gemel"'))
    body = msgspec.json.encode(document, enc_hook=str)
    headers.append((b"content-length", str(len(body)).encode()))
    return status, headers, body

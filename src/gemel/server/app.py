"""The application: routes behind one guard, problems for errors, the edge around it."""

from __future__ import annotations

from functools import cache
from typing import Any

from litestar import Litestar
from litestar.connection import Request
from litestar.response import Response

from gemel.server.edge import Edge
from gemel.server.guard import guard
from gemel.server.openapi import config
from gemel.server.problems import told
from gemel.server.routes import ROUTES
from gemel.server.services import Services

__all__ = ["create_app", "make_litestar"]


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    status, headers, body = told(error, request.scope["path"])
    named = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
    return Response(body, status_code=status, headers=named, media_type=named.pop("content-type"))


def make_litestar(services: Services) -> Litestar:
    """The routes without the edge; the tests walk over them."""
    return _routes(services.options.body_bytes)


@cache
def _routes(body_bytes: int) -> Litestar:
    """Servers of one process share them: reading the signatures of all takes a third of a second, and they keep
    nothing; the plant comes with each request."""
    return Litestar(
        ROUTES,
        guards=[guard],
        exception_handlers={Exception: _problem},
        openapi_config=config(),
        request_max_body_size=body_bytes,
        logging_config=None,
        debug=False,
    )


def create_app(services: Services) -> Edge:
    """The whole ASGI application."""
    return Edge(make_litestar(services), services)

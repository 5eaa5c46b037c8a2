"""The OpenAPI 3.1 document, and a page made of it that needs no script and nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme

import gemel
from gemel.server.guard import PUBLIC

__all__ = ["config", "docs_page"]

DESCRIPTION = """Twins of machines: what they are, are doing and did. Every answer carries `Gemel-Position`, the journal
position it was read at; `?at_position=` waits until the platform has reached one. Errors are RFC 9457 problems with a
stable `code`. Lists are paged by `limit` and `cursor`. Resources with a revision send an `ETag` and honour `If-Match`.
Writes honour `Idempotency-Key`."""


def config() -> OpenAPIConfig:
    """How the document is made. Its own pages are ours (`/api/v1/docs`); the router takes what Litestar adds."""
    return OpenAPIConfig(
        title="Gemel",
        version=gemel.__version__,
        description=DESCRIPTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="An API token of Gemel."),
                "session": SecurityScheme(
                    type="apiKey", name="gemel_session", security_scheme_in="cookie", description="A signed-in browser."
                ),
            }
        ),
        security=[{"token": []}, {"session": []}],
        openapi_router=Router("/api/v1/schema", route_handlers=[], include_in_schema=False, opt=PUBLIC),
    )


def docs_page(document: dict[str, Any]) -> bytes:
    """The document as one plain page: methods, addresses, parameters."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                groups.setdefault((operation.get("tags") or ["other"])[0], []).append(_row(method, path, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2><table>{''.join(rows)}</table>" for tag, rows in sorted(groups.items()))
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])} interface</title><style>body{{font:16px/1.5 system-ui;margin:2rem auto;"
        "max-width:70rem;padding:0 1rem;color-scheme:light dark}table{border-collapse:collapse;width:100%}"
        "td{border-top:1px solid #8886;padding:.4rem .6rem;vertical-align:top}code{white-space:nowrap}"
        f"td:first-child{{width:4rem}}td:nth-child(2){{width:26rem}}</style><h1>{escape(info['title'])} "
        f"{escape(info['version'])}</h1><p>{escape(info.get('description', ''))}</p>"
        '<p>For programs: <a href="/api/v1/openapi.json">openapi.json</a>.</p>'
        f"{sections}</html>"
    ).encode()


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = ", ".join(
        f"<code>{escape(one['name'])}</code>" for one in operation.get("parameters", ()) if one.get("in") == "query"
    )
    told = escape(operation.get("description") or operation.get("summary") or "")
    return (
        f"<tr><td><b>{method.upper()}</b></td><td><code>{escape(path)}</code></td>"
        f"<td>{told}{f'<br>{parameters}' if parameters else ''}</td></tr>"
    )

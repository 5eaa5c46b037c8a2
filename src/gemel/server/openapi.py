"""The OpenAPI 3.1 document, and a page made of it that needs no script and nothing from elsewhere."""

from __future__ import annotations

import copy
from html import escape
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.routes import HTTPRoute

import gemel
from gemel.server.bitemporal import with_moments
from gemel.server.guard import PUBLIC

__all__ = ["config", "docs_page", "document"]

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


class ProblemView(msgspec.Struct):
    """RFC 9457. Further members depend on the code: docs/reference/errors.md."""

    type: str
    code: str
    """Stable; for programs."""
    title: str
    status: int
    detail: str
    """The value that was wrong and the way out; for people."""


EXAMPLE = {
    "type": "urn:gemel:error:unknown-twin",
    "code": "unknown-twin",
    "title": "No such twin",
    "status": 404,
    "detail": "there is no twin 'press-9'; search for a part of its name",
}
BODY_EXAMPLES = {
    "Write": {"value": 61.5, "time": "2026-03-20T08:34:14.784Z"},
    "SignIn": {"name": "Ada Lovelace", "password": "correct horse battery staple"},
    "NewToken": {"name": "press line gateway", "role": "operator", "expires": "2030-01-01T00:00:00Z"},
    "IngestBody": {
        "source": "gateway-1",
        "messages": [
            {"id": "17", "readings": [{"twin": "press-7", "property": "oil_temperature", "value": 61.5}]},
        ],
    },
    "Query": {"sql": "SELECT twin, oil_temperature FROM live.press WHERE oil_temperature > 80", "limit": 100},
    "TwinSpec": {"id": "press-9", "types": ["press"], "name": "Press 9", "part_of": "line-1"},
    "TwinPatch": {"name": "Press 9", "attributes": {"maker": "Acme"}},
    "Chosen": {"source": "http:gateway-1", "code": "unknown-twin"},
}


def document(app: Litestar) -> dict[str, Any]:
    """The whole document: what the framework knows, with the bodies and errors that the routes handle themselves."""
    found: dict[str, Any] | None = app.state.get("openapi")
    if found is not None:
        return found
    made = copy.deepcopy(app.openapi_schema.to_schema())
    kinds: list[Any] = [ProblemView]
    for _, _, opt in declared(app):
        kinds += [kind for kind in (opt.get("body"), opt.get("answer")) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    told = [kind for _, _, opt in declared(app) if opt.get("moments") for kind in (opt["body"], opt["answer"]) if kind]
    _, of_moments = msgspec.json.schema_components(told, ref_template="#/components/schemas/{name}")
    components |= with_moments({name: components[name] for name in of_moments if name in components})
    schema_of = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    known = made.setdefault("components", {}).setdefault("schemas", {})
    known.update(components)
    problem = {"application/problem+json": {"schema": schema_of[id(ProblemView)], "example": EXAMPLE}}
    for method, path, opt in declared(app):
        operation = made["paths"].get(path, {}).get(method)
        if operation is None:
            continue
        if (body := opt.get("body")) is not None:
            content: dict[str, Any] = {"schema": schema_of[id(body)]}
            if body.__name__ in BODY_EXAMPLES:
                content["example"] = BODY_EXAMPLES[body.__name__]
            operation["requestBody"] = {"content": {"application/json": content}, "required": True}
        if (answer := opt.get("answer")) is not None:
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    response["content"] = {"application/json": {"schema": schema_of[id(answer)]}}
        operation["responses"].pop("400", None)
        operation["responses"]["4XX"] = {"description": "Refused, with the reason and the way out", "content": problem}
        if opt["action"] == "public":
            operation["security"] = []
        else:
            operation["x-gemel-action"] = str(opt["action"])
    app.state["openapi"] = made
    return made


def declared(app: Litestar) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path as OpenAPI writes it, what the handler declares) of every route."""
    return [
        (method.lower(), route.path_format, handler.opt)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS" and handler.resolve_include_in_schema()
    ]


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

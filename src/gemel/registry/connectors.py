"""Connectors as declared, and small settings of the whole platform."""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from gemel.errors import InvalidDocument, UnknownConnector
from gemel.registry.tables import connector, setting
from gemel.twin import Change, ConnectorSpec, Site
from gemel.twin.check import check_connector

__all__ = ["connector_specs", "cursor_of", "put_connector", "put_cursor", "put_site", "remove_connector", "site_of"]


def put_connector(tx: Connection, spec: ConnectorSpec, *, now: int, declared: bool = False) -> list[Change]:
    """Create or replace a connector. Raises InvalidDocument (also for a secret in the clear)."""
    problems = check_connector(spec)
    if problems:
        raise InvalidDocument(f"connector {spec.id!r:.160}", problems)
    document = msgspec.json.encode(spec, order="deterministic").decode()
    row = tx.execute(select(connector).where(connector.c.id == spec.id)).first()
    if row is None:
        tx.execute(insert(connector).values(id=spec.id, document=document, declared=declared))
    elif row.document == document and (row.declared or not declared):
        return []
    else:
        values = {"document": document, "declared": declared or row.declared}
        tx.execute(update(connector).where(connector.c.id == spec.id).values(**values))
        if row.document == document:
            return []
    body = {"connector": msgspec.to_builtins(spec)}
    return [Change(kind="connector.changed" if row else "connector.created", subject=spec.id, time=now, body=body)]


def remove_connector(tx: Connection, id: str, *, now: int) -> list[Change]:
    """Raises UnknownConnector."""
    if tx.execute(delete(connector).where(connector.c.id == id)).rowcount == 0:
        raise UnknownConnector(f"there is no connector {id!r:.160}", connector=id)
    tx.execute(delete(setting).where(setting.c.key == _cursor_key(id)))
    return [Change(kind="connector.removed", subject=id, time=now)]


def connector_specs(tx: Connection) -> list[ConnectorSpec]:
    documents = tx.scalars(select(connector.c.document).order_by(connector.c.id))
    return [msgspec.json.decode(document, type=ConnectorSpec) for document in documents]


def put_site(tx: Connection, site: Site, *, now: int) -> list[Change]:
    document = msgspec.json.encode(site).decode()
    before = tx.scalar(select(setting.c.document).where(setting.c.key == "site"))
    if before == document:
        return []
    if before is None:
        tx.execute(insert(setting).values(key="site", document=document))
    else:
        tx.execute(update(setting).where(setting.c.key == "site").values(document=document))
    return [Change(kind="site.changed", subject="site", time=now, body={"site": msgspec.to_builtins(site)})]


def site_of(tx: Connection) -> Site:
    document = tx.scalar(select(setting.c.document).where(setting.c.key == "site"))
    return Site() if document is None else msgspec.json.decode(document, type=Site)


def cursor_of(tx: Connection, id: str) -> int | None:
    """The position up to which connector `id`, a sink, has carried what was journaled; None for a new one."""
    document = tx.scalar(select(setting.c.document).where(setting.c.key == _cursor_key(id)))
    return None if document is None else int(document)


def put_cursor(tx: Connection, id: str, position: int) -> None:
    if tx.scalar(select(connector.c.id).where(connector.c.id == id)) is None:
        return  # it was removed, and with it what it remembered
    key, document = _cursor_key(id), str(position)
    if tx.execute(update(setting).where(setting.c.key == key).values(document=document)).rowcount == 0:
        tx.execute(insert(setting).values(key=key, document=document))


def _cursor_key(id: str) -> str:
    return f"sink/{hashlib.sha256(id.encode()).hexdigest()[:40]}"  # a key is shorter than an id may be

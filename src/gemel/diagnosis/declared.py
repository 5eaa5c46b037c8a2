"""What the connectors need, seen from outside: whether their secrets are there, and whether their addresses answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gemel.connectors.base import SecretRef
from gemel.connectors.reach import Reach
from gemel.diagnosis.check import Check, bad
from gemel.diagnosis.databases import is_there, opened, reached
from gemel.errors import GemelError
from gemel.folder import Settings
from gemel.registry import connectors_in
from gemel.twin import ConnectorSpec

__all__ = ["connectors"]


def connectors(folder: Path, settings: Settings) -> Iterator[Check]:
    """Of every declared connector; no secret is shown."""
    if not is_there(folder, settings):
        return
    with closing(opened(folder, settings)) as database:
        if database.revision() is None:
            return
        with database.read() as tx:
            specs = connectors_in(tx)
    reach = Reach.of(folder)
    for spec in specs:
        for ref in _references(spec.settings):
            try:
                reach.secret(ref)
            except GemelError as error:
                told = f"a secret cannot be had: {error.detail}"
                yield bad(f"connector {spec.id}", told, "set it where the reference points")
        if spec.enabled:
            yield from _addresses(spec)


def _addresses(spec: ConnectorSpec) -> Iterator[Check]:
    for value in spec.settings.values():
        parts = urlsplit(value) if isinstance(value, str) and "://" in value else None
        try:
            port = parts.port if parts else None
        except ValueError:
            port = None
        if parts is not None and parts.hostname and port:
            yield reached(f"connector {spec.id}", parts.hostname, port)


def _references(value: object) -> Iterator[SecretRef]:
    if isinstance(value, dict):
        if value and set(value) <= {"env", "file", "keyring"}:
            try:
                yield msgspec.convert(value, SecretRef)
            except msgspec.ValidationError:
                return
        else:
            for one in value.values():
                yield from _references(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _references(one)

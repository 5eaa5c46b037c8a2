"""A look at a folder from outside, open or not: what would keep it from opening, and what does not hold."""

from __future__ import annotations

import importlib.metadata
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

import gemel
from gemel.clock import Clock
from gemel.diagnosis import at_rest, databases, declared
from gemel.diagnosis.check import Check, bad, ok
from gemel.diagnosis.scrub import scrubbed_text
from gemel.errors import GemelError
from gemel.folder import Folder, Settings

__all__ = ["doctor"]

Progress = Callable[[str], None]
LIBRARIES = ("duckdb", "pyarrow", "sqlalchemy", "litestar", "cedarpy", "numpy")


def doctor(
    folder: Path, clock: Clock, *, full: bool = False, fix: bool = False, progress: Progress | None = None
) -> list[Check]:
    """Look at everything. `full`: recompute every hash of the journal. `fix`: mend what can be mended without risk:
    permissions of the folder, and what a process that is gone left behind. Reads only, else."""
    told, found = progress or (lambda _: None), []
    settings, checks = _settings(folder)
    found += checks
    looks: dict[str, Callable[[], Iterator[Check]]] = {
        "programs": _programs,
        "permissions": lambda: at_rest.permissions(folder, fix),
        "owner": lambda: at_rest.owner(folder, fix),
        "disk": lambda: at_rest.disk(folder, settings),
        "fsync": lambda: at_rest.fsync(folder, clock),
        "database": lambda: databases.database(folder, settings),
        "catalogue": lambda: databases.catalogue(settings),
        "journal": lambda: databases.journal(folder, settings, full),
        "history": lambda: at_rest.history(folder),
        "documents": lambda: at_rest.documents(folder, full),
        "connectors": lambda: declared.connectors(folder, settings),
    }
    for what, look in looks.items():
        told(what)
        try:
            found += list(look())
        except (GemelError, OSError, sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            text = error.detail if isinstance(error, GemelError) else f"{error!s:.300}"
            found.append(bad(what, scrubbed_text(text), "mend that, then look again: nothing after it was looked at"))
    return found


def _settings(folder: Path) -> tuple[Settings, list[Check]]:
    try:
        settings = Folder.settings_of(folder)
    except GemelError as error:
        way_out = "mend gemel.yaml (docs/reference/settings.md); below, the defaults are taken"
        return Settings(), [bad("settings", scrubbed_text(error.detail), way_out)]
    except OSError as error:
        way_out = "let this user read it; below, the defaults are taken"
        return Settings(), [bad("settings", f"gemel.yaml cannot be read: {error.strerror}", way_out)]
    return settings, [ok("settings", "gemel.yaml is valid, or not there")]


def _programs() -> Iterator[Check]:
    listed = []
    for name in LIBRARIES:
        try:
            listed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield bad("programs", f"{name} is not installed", "pip install --upgrade gemel")
    python = ".".join(map(str, sys.version_info[:3]))
    yield ok("programs", f"gemel {gemel.__version__}, Python {python}; {', '.join(listed)}")

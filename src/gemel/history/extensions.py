"""DuckDB's extensions, loaded from the installed packages and never from the network."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from gemel.errors import MissingExtra

__all__ = ["connect", "load"]

# The entry point inside an extension follows the name of the file it is loaded from.
_ENTRY = {"ducklake": "ducklake", "sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
# DuckDB hashes each file of 35 MB and more to check its signature: an eighth of a second, once in a process is enough.
_checked: set[str] = set()


def connect(
    *, memory_mb: int | None = None, threads: int | None = None, extensions: Sequence[str] = ()
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that fetches nothing from the network and speaks UTC, with these `extensions` (ducklake,
    sqlite, postgres) loaded. Raises MissingExtra."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_unsigned_extensions": _checked.issuperset(extensions) and bool(extensions),
    }
    if memory_mb is not None:
        config["memory_limit"] = f"{memory_mb}MB"
    if threads is not None:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    try:
        load(connection, *extensions)
    except BaseException:
        connection.close()
        raise
    _checked.update(extensions)
    return connection


def installed(name: str) -> Path:
    """The file of the extension `name` (ducklake, sqlite, postgres) for this DuckDB. Raises MissingExtra."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    version = f"v{duckdb.__version__}"
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "extensions" / version / f"{name}.duckdb_extension"
        if path.exists():
            return path
    raise MissingExtra(
        f"DuckDB {duckdb.__version__} needs its {name} extension; "
        f"pip install duckdb-extension-{name}=={duckdb.__version__}"
    )


def load(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Load extensions into `connection`. Raises MissingExtra."""
    if not names:
        return
    with tempfile.TemporaryDirectory(prefix="gemel-duckdb-", ignore_cleanup_errors=True) as folder:
        for name in names:
            link = Path(folder) / f"{_ENTRY[name]}.duckdb_extension"
            try:
                link.symlink_to(installed(name))
            except OSError:  # Windows allows links to administrators alone
                shutil.copyfile(installed(name), link)
            quoted = str(link).replace("'", "''")
            connection.execute(f"LOAD '{quoted}'")

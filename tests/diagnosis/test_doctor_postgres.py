"""The doctor looks into a PostgreSQL database as it does into SQLite, and at what keeps its promises."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from gemel.clock import WallClock
from gemel.database import Database
from gemel.diagnosis import doctor
from gemel.platform import Platform
from gemel.testing.postgres import PostgresServer

from .conftest import PLANT

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres) -> str:
    return str(postgres.create())


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    path = tmp_path / "plant"
    path.mkdir()
    (path / "gemel.yaml").write_text(f"database: {url}\n")
    with Platform.open(path) as platform:
        platform.apply(PLANT)
        for value in range(3):
            platform.write("press-7", "force", float(value))
    return path


def found(folder: Path, part: str, **how: bool) -> list[tuple[str, str]]:
    return [(str(one.level), one.told) for one in doctor(folder, WallClock(), **how) if one.part == part]


def execute(url: str, statement: str) -> None:
    database = Database(url)
    try:
        with database.write() as tx:
            tx.execute(sa.text(statement))
    finally:
        database.close()


def test_the_server_its_settings_and_its_tables_are_told(postgres: PostgresServer, tmp_path: Path) -> None:
    with closing(PostgresServer()) as durable:  # that of the other tests does not wait for its disk
        database = Database(durable.create())
        database.migrate()
        database.close()
        (tmp_path / "gemel.yaml").write_text(f"database: {database.url.render_as_string()}\n")
        told = found(tmp_path, "database")
    assert [level for level, _ in told] == ["ok", "ok"]
    assert told[0][1].startswith("PostgreSQL 1")
    assert "connections used" in told[0][1]
    assert "its tables are of this version" in told[1][1]


def test_a_server_that_does_not_wait_for_its_disk_is_bad(folder: Path) -> None:
    told = found(folder, "database")
    assert [level for level, _ in told] == ["ok", "bad", "ok"]
    assert told[1][1].startswith("fsync and full_page_writes are off: a power cut may lose")


def test_the_journal_is_looked_through(folder: Path, url: str) -> None:
    level, told = found(folder, "journal", full=True)[0]
    assert (level, told.endswith("blocks are as they were written")) == ("ok", True)
    assert "its end holds" in found(folder, "journal")[0][1]
    execute(url, "UPDATE journal_block SET hash = decode(repeat('00', 32), 'hex') WHERE sequence = 1")
    assert found(folder, "journal", full=True)[0][0] == "bad"


def test_connectors_are_read_there_too(folder: Path) -> None:
    with Platform.open(folder, run_connectors=False) as platform:
        platform.apply(
            PLANT + "connectors: [{id: plc, kind: mqtt, settings: "
            "{url: 'mqtt://127.0.0.1:9', password: {env: GEMEL_NOT_SET}}, bindings: []}]\n"
        )
    assert any("GEMEL_NOT_SET" in told for level, told in found(folder, "connector plc") if level == "bad")


def test_tables_of_a_newer_version_are_told(folder: Path, url: str) -> None:
    execute(url, "UPDATE alembic_version SET version_num = '9999_future'")
    level, told = found(folder, "database")[-1]
    assert (level, "9999_future" in told) == ("bad", True)


def test_a_server_that_does_not_answer_is_bad_and_its_password_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "gemel.yaml").write_text("database: postgresql+psycopg://gemel:hunter2@127.0.0.1:9/plant\n")
    checks = doctor(tmp_path, WallClock())
    assert [str(one.level) for one in checks if one.part == "database"] == ["bad"]
    assert "hunter2" not in str(checks)


def test_the_catalogue_of_the_history_is_looked_at_where_it_is_on_a_server(folder: Path, postgres) -> None:
    catalogue = str(postgres.create()).replace("postgresql+psycopg://", "postgresql://")
    with (folder / "gemel.yaml").open("a") as settings:
        settings.write(f"catalogue: {catalogue}\n")
    assert found(folder, "catalogue")[0][0] == "ok"

"""G18: version n reads what n-1 wrote; a death during the migration is safe; there is a way back."""

import json
import os
import shutil
import sqlite3
import tarfile

import msgspec
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

import gemel
from gemel.backup import rollback
from gemel.backup.compare import Questions
from gemel.clock import SteppedClock
from gemel.database import Database
from gemel.database.database import _config
from gemel.errors import Conflict, NewerFormat, NotFound
from gemel.platform import Platform
from gemel.testing.postgres import postgres
from tests.data.formats.make import HERE, answers
from tests.guarantees.ledger import tell

__all__ = ["postgres"]

ARCHIVES = sorted(HERE.glob("*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def earlier(request, tmp_path):
    """(folder, what was recorded of it) of every version there was."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return tmp_path / "plant", json.loads((tmp_path / "answers.json").read_text())


def holds(recorded, found):
    """Whether all that was recorded is so; later versions may say more."""
    if isinstance(recorded, dict):
        return isinstance(found, dict) and all(key in found and holds(one, found[key]) for key, one in recorded.items())
    if isinstance(recorded, list):
        return isinstance(found, list) and len(found) == len(recorded) and all(map(holds, recorded, found))
    return recorded == found


def opened(folder, told):
    return Platform.open(folder, clock=SteppedClock(told["now"]), run_connectors=False)


def test_g18_every_earlier_version_opens_with_equal_answers(earlier):
    folder, told = earlier
    questions = msgspec.convert(told["questions"], Questions)
    with opened(folder, told) as platform:
        assert platform.verify().ok
        platform.past()
        found = answers(platform, questions)
        for group, recorded in told["answers"].items():
            assert recorded, group
            assert holds(recorded, found[group]), group
        tell("G18", "answers about an earlier version's plant", ok=sum(map(len, told["answers"].values())))
        platform.write("press-7", "oil_temperature", 302.0)


# what a later version wrote


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", ["tables", "blocks"])
def test_g18_what_a_later_version_wrote_is_refused_by_name_and_stays_as_it_is(earlier, what):
    folder, told = earlier
    with opened(folder, told):
        pass
    written = json.loads((folder / "format.json").read_text()) | {"gemel": "9.1.0"}
    if what == "tables":
        with sqlite3.connect(folder / "gemel.sqlite") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9001_future'")
            connection.execute("CREATE TABLE future (n INTEGER)")
        connection.close()
    else:
        written["forms"]["journal"] = 9
    (folder / "format.json").write_text(json.dumps(written))
    before = contents(folder)
    with pytest.raises(NewerFormat, match=r"written by Gemel 9\.1\.0"):
        opened(folder, told)
    assert {path: data for path, data in contents(folder).items() if path in before} == before
    assert {path.name for path in contents(folder).keys() - before.keys()} <= {"gemel.lock"}


# death during the migration


def at(database, revision):
    """Bring an empty database to the shape it had then."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def statements_of(url):
    """How many statements the whole migration runs."""
    database = Database(url)
    seen = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    database.migrate()
    database.close()
    return len(seen)


def dies_at(url, number):
    """Migrate in a process that is gone at the given statement, without a last word."""
    child = os.fork()
    if child == 0:
        database = Database(url)
        seen = []

        def look(*_):
            seen.append(1)
            if len(seen) == number:
                os._exit(9)

        event.listen(database.engine, "before_cursor_execute", look)
        try:
            database.migrate()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def shape(url):
    database = Database(url)
    try:
        with database.read() as connection:
            if database.is_sqlite:
                return sorted(map(tuple, connection.execute(text("SELECT name, sql FROM sqlite_master"))), key=str)
            columns = "SELECT table_name, column_name, data_type FROM information_schema.columns"
            return sorted(map(tuple, connection.execute(text(f"{columns} WHERE table_schema = 'public'"))))
    finally:
        database.close()


def kill_all_over(make, most):
    """`make` gives the URL of a fresh database at an earlier shape, with rows in it; `most` statements are died at, the
    first and the last among them."""
    whole = make()
    count = statements_of(whole)
    most = min(most, count)
    numbers = sorted({1 + (count - 1) * one // (most - 1) for one in range(most)})
    for number in numbers:
        url = make()
        before = shape(url)
        dies_at(url, number)
        assert shape(url) == before, f"statement {number} of {count} left something"
        database = Database(url)
        database.migrate()
        with database.read() as connection:
            assert connection.execute(text("SELECT name FROM person")).scalar() == "Ada"
        database.close()
        assert shape(url) == shape(whole)
    return len(numbers)


EARLIER = [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()][::-1][:-1]
"""Shapes that tables had, the oldest first."""
SINCE_PERSONS = EARLIER[EARLIER.index("0004_access") :]
EVERY = 1_000_000


def with_rows(url, revision="0004_access"):
    database = Database(url)
    at(database, revision)
    with database.write() as connection:
        connection.execute(text("INSERT INTO person (id, name) VALUES ('user-1', 'Ada')"))
    database.close()
    return url


@pytest.mark.parametrize(
    ("shapes", "most"), [(SINCE_PERSONS[:1], 10), pytest.param(SINCE_PERSONS, EVERY, marks=pytest.mark.soak)]
)
def test_g18_a_death_at_any_statement_of_a_migration_leaves_all_or_nothing(tmp_path, shapes, most):
    names = iter(range(10_000))

    def deaths(revision):
        first = tmp_path / f"{revision}.sqlite"
        with_rows(f"sqlite:///{first}", revision)

        def make():
            path = tmp_path / f"{next(names)}.sqlite"
            shutil.copyfile(first, path)
            return f"sqlite:///{path}"

        return kill_all_over(make, most)

    tell("G18", "deaths in a migration, SQLite", ok=sum(map(deaths, shapes)), shapes=len(shapes))


@pytest.mark.postgres
@pytest.mark.parametrize("most", [4, pytest.param(EVERY, marks=pytest.mark.soak)])
def test_g18_a_death_during_a_migration_leaves_all_or_nothing_in_postgresql_too(postgres, most):
    deaths = kill_all_over(lambda: with_rows(postgres.create()), most)
    tell("G18", "deaths in a migration, PostgreSQL", ok=deaths)


# the way there and back


@pytest.fixture
def old(tmp_path):
    """A folder as it was before the last migrations: with tables of then."""
    folder = tmp_path / "old"
    folder.mkdir()
    database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
    at(database, "0004_access")
    database.close()
    return folder


def rows(path):
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_g18_an_upgrade_can_be_taken_back_while_nothing_was_accepted(old):
    before = rows(old / "gemel.sqlite")
    with gemel.open(old, run_connectors=False):
        pass
    assert rows(old / "gemel.sqlite") != before
    assert rollback(old).database == "0004_access"
    assert rows(old / "gemel.sqlite") == before
    with gemel.open(old, run_connectors=False) as again:  # and forward once more
        assert again.verify().ok


def test_g18_an_upgrade_is_not_taken_back_over_what_was_accepted_since(old):
    with gemel.open(old, run_connectors=False) as platform:
        platform.apply(
            "gemel: 1\ntypes: [{id: pump, properties: [{name: pressure}]}]\ntwins: [{id: p, types: [pump]}]\n"
        )
        platform.write("p", "pressure", 1)
    with pytest.raises(Conflict, match="export --everything"):
        rollback(old)
    with gemel.open(old, run_connectors=False) as platform:
        assert platform.now("p")["pressure"].value == 1


def test_g18_without_an_upgrade_there_is_no_way_back(tmp_path):
    with gemel.open(tmp_path / "new", run_connectors=False):
        pass
    with pytest.raises(NotFound, match="restore a backup"):
        rollback(tmp_path / "new")

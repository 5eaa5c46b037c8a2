"""The journal's contract, on SQLite and on PostgreSQL."""

import pytest

from gemel.database import Database
from gemel.testing.journal import JournalContract
from tests.tables import migrated


class TestSqlJournalOnSqlite(JournalContract):
    pass


@pytest.mark.postgres
class TestSqlJournalOnPostgres(JournalContract):
    @pytest.fixture
    def database(self, postgres):
        database = Database(migrated(postgres))
        yield database
        database.close()

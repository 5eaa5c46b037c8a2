"""The registry's contract, on SQLite and on PostgreSQL."""

import pytest

from gemel.database import Database
from gemel.testing.plants import PlantContract
from gemel.testing.registry import RegistryContract
from tests.tables import migrated


class TestRegistryOnSqlite(RegistryContract, PlantContract):
    pass


@pytest.mark.postgres
class TestRegistryOnPostgres(RegistryContract, PlantContract):
    @pytest.fixture
    def database(self, postgres):
        database = Database(migrated(postgres))
        yield database
        database.close()

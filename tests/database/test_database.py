"""One writer, many readers, and migrations that can be run again; on SQLite and on PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, inspect
from sqlalchemy.exc import DBAPIError, IntegrityError

from gemel.database import Database, fit, metadata
from gemel.errors import InvalidInput, StorageFailed, StorageFull


class DatabaseContract:
    def test_migrations_make_the_tables_that_the_rooms_describe(self, database):
        import gemel.registry  # noqa: F401 — describes its tables on `metadata`

        database.migrate()
        with database.read() as tx:
            there = inspect(tx)
            for table in metadata.sorted_tables:
                if not table.name.startswith("registry_"):
                    continue
                columns = {column["name"]: column["nullable"] for column in there.get_columns(table.name)}
                assert columns == {column.name: bool(column.nullable) for column in table.columns}, table.name
                made = {index["name"] for index in there.get_indexes(table.name)}
                assert {index.name for index in table.indexes} <= made, table.name

    def test_a_failed_write_leaves_nothing(self, database):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n INTEGER)")

        def fail():
            with database.write() as tx:
                tx.exec_driver_sql("INSERT INTO t VALUES (1)")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        with database.read() as tx:
            assert tx.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0

    def test_what_is_there_already_is_no_damage(self, database):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n VARCHAR(20) UNIQUE)")
            tx.exec_driver_sql("INSERT INTO t VALUES ('malformed')")
        with pytest.raises(IntegrityError), database.write() as tx:
            tx.exec_driver_sql("INSERT INTO t VALUES ('malformed')")

    @pytest.mark.parametrize("given", [1 << 63, -(1 << 63) - 1, 1 << 200])
    def test_a_number_that_no_column_takes_is_refused_in_our_words(self, database, given):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n BIGINT)")
        table = Table("t", MetaData(), Column("n", BigInteger))
        with pytest.raises(InvalidInput, match="cannot be kept"), database.write() as tx:
            tx.execute(table.insert().values(n=given))
        with database.write() as tx:  # and others go on
            tx.execute(table.insert().values(n=1))

    def test_a_text_is_held_to_its_column_before_it_is_written(self):
        table = Table("t", MetaData(), Column("name", String(4)), Column("note", Text))
        fit(table, {"name": "four", "note": "x" * 9000})
        with pytest.raises(InvalidInput, match="name has at most 4 characters, not 5"):
            fit(table, {"name": "fives"})

    def test_a_reader_keeps_its_moment_while_a_writer_commits(self, database):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        with database.read() as held:
            before = held.exec_driver_sql("SELECT count(*) FROM t").scalar()
            with database.write() as tx:
                tx.exec_driver_sql("INSERT INTO t VALUES (1)")
            assert held.exec_driver_sql("SELECT count(*) FROM t").scalar() == before == 0
        with database.read() as tx:
            assert tx.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1

    def test_a_second_writer_waits_for_the_first(self, database):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        inside, done = threading.Event(), []

        def second():
            inside.set()
            with database.write() as tx:
                done.append(tx.exec_driver_sql("SELECT count(*) FROM t").scalar())

        with database.write() as tx:
            thread = threading.Thread(target=second)
            thread.start()
            assert inside.wait(60)
            tx.exec_driver_sql("INSERT INTO t VALUES (1)")
            assert done == []
        thread.join(60)
        assert done == [1]

    def test_several_that_migrate_at_once_agree(self, database):
        others = [Database(database.url) for _ in range(3)]
        threads = [threading.Thread(target=other.migrate) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with database.read() as tx:
            assert "registry_twin" in inspect(tx).get_table_names()
        for other in others:
            other.close()


class TestDatabaseOnSqlite(DatabaseContract):
    @pytest.fixture
    def database(self, tmp_path):
        database = Database(f"sqlite:///{tmp_path / 'd.sqlite'}")
        yield database
        database.close()

    def test_several_that_open_a_new_file_at_once_all_do(self, tmp_path):
        """While one turns on the write-ahead log, SQLite tells the others at once that the file is locked."""
        for number in range(40):
            start = threading.Barrier(4)

            def opens(url=f"sqlite:///{tmp_path}/{number}.sqlite", start=start):
                database = Database(url)
                try:
                    start.wait(60)
                    with database.write() as tx:
                        tx.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
                finally:
                    database.close()
                return True

            with ThreadPoolExecutor(4) as pool:
                assert all(one.result(60) for one in [pool.submit(opens) for _ in range(4)])

    def test_a_full_disk_is_told_as_such(self, database):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n BLOB)")

        def overfill():
            with database.write() as tx:
                tx.exec_driver_sql("PRAGMA max_page_count = 3")
                tx.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")

        with pytest.raises(StorageFull, match="nothing was written"):
            overfill()

    def test_what_is_opened_read_only_cannot_be_written(self, database, tmp_path):
        database.migrate()
        other = Database(f"sqlite:///{tmp_path / 'd.sqlite'}", read_only=True)
        with pytest.raises((DBAPIError, StorageFailed)), other.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        other.close()


@pytest.mark.postgres
class TestDatabaseOnPostgres(DatabaseContract):
    @pytest.mark.parametrize("given", ["fives", "a\0b"])
    def test_a_text_that_no_column_takes_is_refused_in_our_words(self, database, given):
        with database.write() as tx:
            tx.exec_driver_sql("CREATE TABLE t (name VARCHAR(4))")
        table = Table("t", MetaData(), Column("name", Text))
        with pytest.raises(InvalidInput, match="cannot be kept"), database.write() as tx:
            tx.execute(table.insert().values(name=given))

    @pytest.fixture
    def database(self, postgres):
        database = Database(postgres.create())
        yield database
        database.close()

    def test_acknowledged_means_on_the_disk(self, database):
        with database.write() as tx:
            assert tx.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"

"""An export is everything, in open formats; an import gives equal answers and harms nothing."""

import json
import shutil
from functools import partial

import msgspec
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from gemel.clock import SteppedClock
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound
from gemel.intake import Message
from gemel.platform import Platform
from gemel.transfer import COLUMNS, LEFT_OUT, export_everything, import_everything
from gemel.transfer.describe import FILES, left_out_columns
from gemel.twin import parse_plant
from tests.transfer.conftest import told_of


@pytest.fixture(scope="session")
def written(filled, tmp_path_factory):
    """An export of the plant, whose programs have tokens; to be copied."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(filled[0], folder / "plant")
    opened = partial(Platform.open, clock=SteppedClock(filled[1]), run_connectors=False)
    with opened(folder / "plant") as platform:
        platform.gate.tokens.add("script", "viewer")
        export_everything(platform, folder / "out", opened)
    return folder / "out"


@pytest.fixture
def exported(written, tmp_path):
    return shutil.copytree(written, tmp_path / "out")


def test_every_table_and_every_column_is_described_or_left_out_for_a_reason(plant):
    """A new table or column is described in transfer/columns.yaml, or left out there with the reason."""
    metadata = sa.MetaData()
    with plant.database.read() as connection:
        metadata.reflect(connection)
    tables = {table.name: set(table.columns.keys()) for table in metadata.sorted_tables} | {}
    tables.pop("journal_block")
    assert set(tables) == set(COLUMNS) | set(LEFT_OUT)
    for name, columns in COLUMNS.items():
        assert tables[name] == set(columns) | set(left_out_columns(name)), name


def test_no_file_is_of_a_format_that_is_not_open(exported):
    kinds = {path.suffix for path in exported.rglob("*") if path.is_file()}
    assert kinds == {".md", ".json", ".jsonl", ".yaml", ".parquet"}
    for path in exported.rglob("*.jsonl"):
        columns = json.loads((exported / "schema.json").read_text())[path.relative_to(exported).as_posix()]
        for line in path.read_text().splitlines():
            assert json.loads(line).keys() - {"partition"} <= columns.keys()
    for path in (exported / "history").rglob("*.parquet"):
        place = path.relative_to(exported / "history").parts[0]
        assert set(pq.read_schema(path).names) >= set(FILES[f"history/{place}"])


def test_the_plant_document_in_it_is_one_that_can_be_applied(exported, opened, tmp_path):
    document = (exported / "plant.yaml").read_text()
    assert {twin.id for twin in parse_plant(document).twins} == {"hall-2", "press-7", "press-8"}
    with opened(tmp_path / "fresh") as fresh:
        fresh.apply(document)
        assert fresh.twin("P7").serial == "SN-4711"


def test_credentials_do_not_leave(exported):
    everything = b"".join(path.read_bytes() for path in exported.rglob("*") if path.is_file())
    assert b"argon2" not in everything
    assert not (exported / "tables" / "token.jsonl").exists()


def test_people_come_along_and_have_no_password_until_they_are_given_one(exported, opened, tmp_path):
    made = import_everything(exported, tmp_path / "again")
    assert made.people == 2
    with opened(tmp_path / "again") as again:
        assert {one.name: str(one.role) for one in again.gate.accounts.all()} == {
            "Ada": "administrator",
            "Bob": "viewer",
        }
        assert again.gate.accounts.needs_setup
        again.gate.accounts.change("Bob", password="a new long sentence", disabled=False)
        assert again.gate.accounts.verify("Bob", "a new long sentence").name == "Bob"


def test_an_imported_plant_goes_on(exported, opened, tmp_path):
    import_everything(exported, tmp_path / "again")
    with opened(tmp_path / "again") as again:
        again.write("press-7", "oil_temperature", 300.0)
        again.history.flush()
        assert again.verify().ok
    with opened(tmp_path / "again") as again:
        assert again.now("press-7")["oil_temperature"].value == 300.0


def test_what_was_told_before_the_export_is_known_where_it_went(exported, opened, clock, tmp_path):
    import_everything(exported, tmp_path / "again")
    with opened(tmp_path / "again") as again:
        event = json.loads((exported / "tables" / "intake_identity.jsonl").read_text().splitlines()[0])
        assert again.ingest([Message(readings=[told_of("press-8", "strokes", 1)], id="fresh")]).accepted == 1
        with again.database.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT position FROM intake_identity WHERE source = ? AND id = ?", (event["source"], event["id"])
            ).scalar()
    assert found == event["position"]


@pytest.mark.parametrize("victim", ["tables/registry_twin.jsonl", "journal/changes.jsonl", "history/series.parquet"])
def test_a_changed_export_is_refused_and_leaves_no_folder(exported, tmp_path, victim):
    path = exported / victim
    path.write_bytes(path.read_bytes().replace(b"press-7", b"press-9", 1))
    with pytest.raises(Corrupt, match="not as it was written"):
        import_everything(exported, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_an_export_of_a_later_form_is_refused_with_its_version(exported, tmp_path):
    path = exported / "manifest.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | {"format": 9, "gemel": "9.1"}))
    with pytest.raises(Corrupt, match=r"Gemel 9\.1"):
        import_everything(exported, tmp_path / "again")


def test_nothing_is_written_over(plant, exported, opened, tmp_path):
    with pytest.raises(InvalidInput, match="not empty"):
        export_everything(plant, exported, opened)
    with pytest.raises(Conflict, match="not empty"):
        import_everything(exported, tmp_path / "plant")
    with pytest.raises(NotFound, match="no export"):
        import_everything(tmp_path / "nowhere", tmp_path / "again")


def test_what_sqlite_kept_beyond_its_column_is_kept_there_and_told_where_there_is_no_room(
    plant, opened, postgres, tmp_path
):
    """As plants of before the lengths were held may have it."""
    long = "x" * 600
    with plant.database.write() as tx:
        tx.execute(sa.text("UPDATE registry_link SET slot = :long"), {"long": long})
    export_everything(plant, tmp_path / "out", opened)
    url = postgres.create()
    with pytest.raises(InvalidInput, match=r"registry_link .* slot has at most 64 characters, not 600.*go on with"):
        import_everything(tmp_path / "out", tmp_path / "there", database=url)
    assert not (tmp_path / "there").exists()
    import_everything(tmp_path / "out", tmp_path / "here")
    with opened(tmp_path / "here") as again:
        assert [link.slot for link in again.registry.links("press-8")] == [long]

"""One question over several sources, ours among them: what is the same is found to be, what is only called so not."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, make_url

from gemel.configuration import FleetPage, Having, ItemSpec, Lines, Source
from gemel.errors import InvalidDocument, InvalidInput, NotFound
from gemel.testing.postgres import PostgresServer
from tests.configuration.conftest import World, day
from tests.tables import migrated

COLUMNS = Lines(item="id", part="part", parent="in", slot="slot", revision="rev", maker="maker", serial="sn")
HEAD = "id,part,in,slot,rev,maker,sn\n"


class Inbox:
    """A reach of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def inbox(self, name: str) -> Path:
        return self.folder / name

    def file(self, name: str) -> Path:
        raise InvalidDocument(name, [])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("joined")
    world = World(f"sqlite:///{folder / 'configuration.sqlite'}")
    world.clock.time = day(3, 1)
    conf = world.configuration
    conf.shared.engines.reach = Inbox(folder)
    for id, part, serial in (("M1", "MILL", "1"), ("M2", "MILL", "2"), ("G1", "GEAR", "g1"), ("G2", "GEAR", "g2")):
        conf.create(ItemSpec(id=id, part=part, serial=serial), day(1, 1))
    conf.install("G1", "M1", "gear", day(1, 1))
    conf.install("G2", "M2", "gear", day(1, 1))
    # of a supplier: what its gears consist of, by numbers of its own; one of them is called as our mill is
    (folder / "gears.csv").write_text(
        HEAD
        + "7001,GEAR,,,C,Acme,g1\n7002,GEAR,,,D,Acme,g2\nB1,BEARING,7001,front,,Acme,b1\nM1,BEARING,7002,front,,,b2\n"
    )
    with sqlite3.connect(folder / "seals.sqlite") as tx:
        tx.execute('CREATE TABLE seals (id, part, "in", slot, rev, maker, sn)')
        tx.execute("INSERT INTO seals VALUES ('s1', 'SEAL', 'B1', 'lip', 'X', '', '')")
        tx.execute("INSERT INTO seals VALUES ('s2', 'SEAL', 'M2', 'lip', 'X', '', '')")
    tx.close()
    conf.sources.declare(Source(id="gears", kind="csv", path="gears.csv", columns=COLUMNS))
    seals = Source(id="seals", kind="sqlite", path="seals.sqlite", table="seals", columns=COLUMNS, machines="parents")
    conf.sources.declare(seals)
    yield world
    conf.shared.close()
    world.database.close()


def found(world: World, source: str, *having: Having) -> dict[str, tuple[str, ...]]:
    matches = world.configuration.fleet(*having, source=source)
    assert matches.total == len(matches.machines)
    return {one.root: one.items for one in matches.machines}


def test_a_bearing_of_a_supplier_is_found_in_our_machine(world: World) -> None:
    assert found(world, "own", Having(part="GEAR")) == {"M1": ("G1",), "M2": ("G2",)}
    assert found(world, "gears", Having(part="BEARING")) == {"7001": ("B1",), "7002": ("M1",)}
    told = found(world, "own,gears", Having(part="BEARING"), Having(part="MILL"))
    assert told == {"M1": ("B1", "M1"), "M2": ("M2", "gears:M1")}


def test_what_we_do_not_know_the_other_tells_and_what_we_know_it_does_not(world: World) -> None:
    gear = Having(part="GEAR", revisions=("C",))
    assert found(world, "own,gears", gear) == {"M1": ("G1",)}
    world.configuration.modify("G1", "revision", "E", day(2, 1))
    assert found(world, "own,gears", gear) == {}
    assert found(world, "gears,own", gear) == {"own:M1": ("7001",)}, "the first that is named tells"


def test_a_chain_over_three_sources_leads_to_the_machine(world: World) -> None:
    seal, mill = Having(part="SEAL"), Having(part="MILL")
    assert found(world, "own,gears,seals", seal, mill) == {"M1": ("M1", "s1"), "M2": ("M2", "s2")}
    first = world.configuration.fleet(seal, mill, source="own,gears,seals", page=FleetPage(limit=1))
    assert ([one.root for one in first.machines], first.total) == (["M1"], 2)


@pytest.mark.parametrize("order", list(itertools.permutations(("own", "gears", "seals"))), ids=",".join)
def test_how_many_bearings_there_are_is_the_same_in_any_order(world: World, order: tuple[str, ...]) -> None:
    told = found(world, ",".join(order), Having(part="BEARING"))
    assert sum(len(items) for items in told.values()) == 2


def test_what_cannot_be_asked_together_is_refused(world: World) -> None:
    conf, seal = world.configuration, Having(part="SEAL")
    with pytest.raises(InvalidInput, match="each once"):
        conf.fleet(seal, source="own,own")
    with pytest.raises(NotFound, match="no source 'other'"):
        conf.fleet(seal, source="own,other")
    with pytest.raises(InvalidInput, match="names what is believed here"):
        conf.sources.declare(Source(id="own", kind="csv", path="gears.csv", columns=COLUMNS))


def test_of_sources_that_are_asked_as_one_only_the_last_stay_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.configuration.questions.attached._MOST_JOINED", 1)
    conf, seal = world.configuration, Having(part="SEAL")
    gears, seals = conf.sources.get("gears"), conf.sources.get("seals")
    conf.shared.engines.close()  # begin anew
    with conf.sources.cursor(gears, seals) as cursor:
        for order in ("seals,gears", "gears,seals"):
            assert ("s1",) in found(world, order, seal).values()
        assert cursor.execute("SELECT count(*) FROM attached0.line").fetchone() == (4,)  # whoever asks is not cut off
    assert [key for key in conf.shared.engines._open if "," in key] == ["gears,seals"]
    assert found(world, "gears", Having(part="BEARING"))


def test_the_database_of_the_platform_itself_is_no_source(postgres: PostgresServer, tmp_path: Path) -> None:
    url = make_url(migrated(postgres))
    world = World(url.render_as_string(hide_password=False))
    (tmp_path / "own").write_text(url.set(drivername="postgresql").render_as_string(hide_password=False))
    reach = Inbox(tmp_path)
    reach.file = reach.inbox  # type: ignore[method-assign]
    world.configuration.shared.engines.reach = reach
    other = make_url(postgres.create())
    (tmp_path / "other").write_text(other.set(drivername="postgresql").render_as_string(hide_password=False))
    engine = create_engine(other)
    with engine.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE parts (id text, part text)")
    engine.dispose()
    source = Source(id="o", kind="postgres", secret="own", table="nowhere", columns=Lines(item="id", part="part"))
    try:
        with pytest.raises(InvalidInput, match="is in the database of this platform"):
            world.configuration.sources.declare(source)
        elsewhere = msgspec.structs.replace(source, secret="other", table="parts")
        assert world.configuration.sources.declare(elsewhere).lines == 0
    finally:
        world.configuration.shared.close()
        world.database.close()

"""What people write of a configuration in their own words is sealed with their key, and goes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from gemel.access import ERASED_TEXT, Principal, Role, destroy_key
from gemel.clock import SteppedClock
from gemel.configuration import (
    FOREVER,
    Basis,
    Built,
    Concession,
    Configuration,
    ItemSpec,
    Seen,
    Standing,
    parse_parts,
    tables,
)
from gemel.configuration.operations import Correct, Install, Judge, Remove, Retire, Withdraw
from gemel.configuration.upkeep.tables import snapshot as snapshot_table
from gemel.database import Database
from gemel.platform import Platform
from gemel.thread import ALL
from gemel.work_pack import Gathering, compile_dossier, gather
from tests.configuration.conftest import World, day

HER = "user-hannah"
SAID = "as Hannah says:"
TITLE = (SAID + " ü" * 100)[:200]
PARTS = """
parts:
  - part: MILL
    slots: [{slot: pump}, {slot: fan}]
    rules: [{slot: pump, part: PUMP}, {slot: fan, part: FAN}]
  - part: PUMP
  - part: FAN
"""
COLUMNS = (
    tables.act.c.reason,
    tables.standing.c.reason,
    tables.plan.c.title,
    tables.plan.c.reason,
    snapshot_table.c.title,
)


def why(words: str, *, seen: bool = False) -> Basis:
    return Basis(reason=f"{SAID} {words}", seen=seen)


def write(conf: Configuration, her: str) -> int:
    """Every way to say something of a mill with a wrong pump and a wrong fan; returns the number of a plan of it."""
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
    lines = [Built(item=ItemSpec(id=id, part=id, serial=id), at=day(1, 1)) for id in ("MILL", "VALVE", "LAMP", "PUMP")]
    conf.load(lines, basis=why("from the maker's list"))
    pump = conf.do(Install(child="VALVE", parent="MILL", slot="pump", at=day(1, 2)), basis=why("saw it", seen=True))
    conf.do(Correct(act=pump.act, at=day(1, 3)), basis=why("it was a day later"))
    fan = conf.do(Install(child="LAMP", parent="MILL", slot="fan", at=day(1, 3)), basis=why("saw it", seen=True))
    worn = conf.do(Retire(child="PUMP", at=day(1, 4)), basis=why("it is worn"))
    conf.do(Withdraw(act=worn.act), basis=why("it was another one"))
    conf.do(
        Judge(nonconformance=pump.nonconformances[0], state=Standing.CONCEDED, at=day(1, 5)),
        concession=Concession(by=her, reason=f"{SAID} it will do until March", until=day(3, 1)),
    )
    conf.do(
        Judge(nonconformance=fan.nonconformances[0], state=Standing.CLOSED, at=day(1, 6)),
        basis=why("I asked the maker"),
    )
    meant = conf.plans.make([Remove(child="VALVE", at=0)], at=day(7, 1), title=TITLE)
    other = conf.plans.make([Retire(child="PUMP", at=0)], at=day(7, 1), title=TITLE)
    assert conf.plans.cancel(other.number, f"{SAID} we keep it").reason == f"{SAID} we keep it"
    assert conf.snapshots.take("MILL", day(1, 7), title=TITLE).title == TITLE
    return meant.number


def read(conf: Configuration) -> list[str]:
    """All words, as they are told."""
    acts = {act.number: act for item in ("MILL", "VALVE", "LAMP", "PUMP") for act in conf.acts(item)}
    plans = conf.plans.all(state=None)
    assert plans == [conf.plans.get(plan.number) for plan in plans]
    snapshots = conf.snapshots.of("MILL")
    assert snapshots == [conf.snapshots.get(one.number) for one in snapshots]
    reasons = [act.basis.reason for act in acts.values()]
    reasons += [one.reason for one in conf.nonconformances("MILL", day(1, 8))]
    titles = [one.title for one in (*plans, *snapshots)]
    return [words for words in (*reasons, *(plan.reason for plan in plans), *titles) if words]


def kept(database: Database) -> list[str]:
    """All words, as the tables have them."""
    with database.read() as tx:
        return [words for column in COLUMNS for words in tx.scalars(select(column)) if words]


def test_words_are_read_as_they_were_written_and_kept_sealed(world: World) -> None:
    world.clock.time = day(6, 1)
    conf = world.configuration.as_(HER)
    write(conf, HER)
    words = read(conf)
    assert {one.removeprefix(f"{SAID} ") for one in words if one != TITLE} == {
        "from the maker's list",
        "saw it",
        "it was a day later",
        "it is worn",
        "it was another one",
        "it will do until March",
        "I asked the maker",
        "we keep it",
    }
    assert words.count(TITLE) == 3
    sealed = kept(world.database)
    assert len(sealed) >= len(words)
    assert all(one.startswith(f"sealed:{HER}:") for one in sealed)
    assert len(world.journaled) > 10
    assert SAID not in repr(world.journaled)
    with world.database.write() as tx:
        destroy_key(tx, HER)
    assert set(read(conf)) == {ERASED_TEXT}
    conf.do(Retire(child="PUMP", at=day(1, 4)), basis=why("worn, after all"))
    assert set(read(conf)) == {ERASED_TEXT, f"{SAID} worn, after all"}


def test_what_was_written_before_and_what_programs_say_is_read_as_it_is(plain: World) -> None:
    plain.clock.time = day(6, 1)
    conf = plain.configuration
    write(conf, HER)
    assert set(kept(plain.database)) == set(read(conf))
    old: dict[str, Any] = {"actor": HER, "source": "", "work_order": "", "recorded": day(6, 2)}
    act = {"evidence": "", "confidence": 1.0, "uncertainty": 0, "key": "", "seen": False, "operation": ""}
    plan = {"operations": "[]", "state": "planned", "ended": FOREVER, "reason": "", "acts": "[]"}
    with plain.database.write() as tx:
        row = {**old, **act, "kind": "corrected", "time": day(1, 1), "amends": 1, "reason": "an old reason"}
        tx.execute(insert(tables.act).values(**row))
        del old["source"]
        tx.execute(insert(tables.plan).values(**old, **plan, time=day(7, 1), title="an old title"))
    assert {"an old reason", "an old title"} < set(read(conf.as_(HER)))


@pytest.mark.parametrize("reason", [" ", "sealed:", f"sealed:{HER}:AAAA", "ü" * 5000])
def test_any_words_of_a_person_are_read_back(plain: World, reason: str) -> None:
    plain.clock.time = day(6, 1)
    conf = plain.configuration.as_(HER)
    conf.create(ItemSpec(id="M", part="MILL"), day(1, 1), basis=Basis(reason=reason))
    assert [act.basis.reason for act in conf.acts("M")] == [reason]
    assert kept(plain.database) != [reason]


def test_an_erased_person_leaves_no_words_in_a_plant_and_it_is_still_proven(tmp_path: Path) -> None:
    with Platform.open(tmp_path / "plant", clock=SteppedClock(day(6, 1)), run_connectors=False) as plant:
        her = plant.gate.accounts.add("Hannah", "a-long-password-1", role="engineer").id
        conf = plant.configuration.as_(her)
        number = write(conf, her)
        before, dossier, pack = read(conf), shown(plant), packed(plant, number)
        assert (dossier.count(SAID), TITLE in pack, ERASED_TEXT in dossier + pack) == (7, True, False)
        assert SAID not in told(plant)
        plant.erasures.erase_person(her)
        assert read(conf) == [ERASED_TEXT] * len(before)
        dossier, pack = shown(plant), packed(plant, number)
        assert (dossier.count(ERASED_TEXT), ERASED_TEXT in pack, SAID in dossier + pack) == (7, True, False)
        assert SAID not in told(plant)
        assert her in dossier
        assert plant.verify().ok
        assert plant.verify_audit().ok
    left = b"".join(path.read_bytes() for path in (tmp_path / "plant").rglob("*") if path.is_file())
    assert (SAID.encode() in left, her.encode() in left) == (False, True)


def where(plant: Platform) -> Gathering:
    view = plant.view(Principal(id="user-x", kind="User", role=Role.VIEWER))
    return Gathering(Seen(plant.database, plant.clock, view), plant.configuration, plant.thread, ALL)


def shown(plant: Platform) -> str:
    made = compile_dossier(where(plant), "MILL", day(6, 1), FOREVER - 1, plant="Works", software=lambda *_: ())
    return repr(made)


def packed(plant: Platform, plan: int) -> str:
    return repr(gather(where(plant), "MILL", str(plan), day(6, 1), FOREVER - 1))


def told(plant: Platform) -> str:
    """All changes, as the journal carries them."""
    changes = [change for block in plant.journal.blocks() for change in block.changes]
    assert "plan.cancelled" in {change.kind for change in changes}
    return repr(changes)

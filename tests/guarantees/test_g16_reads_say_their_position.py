"""G16: every read says its position; whoever waits for a position finds it; a keyframe and the blocks after it give the
same state and history as all blocks from the first on, at any position, on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.history import History
from gemel.intake import Happened, Intake, Message, Reported
from gemel.journal import SqlJournal
from gemel.platform import Platform
from gemel.registry import Registry
from gemel.server import Server
from gemel.state import Keyframe, State
from gemel.testing.postgres import postgres
from gemel.twin import Quality, TwinSpec
from tests.guarantees.ledger import seed, tell
from tests.intake.plant import PRESS, START
from tests.tables import migrated

__all__ = ["postgres"]
POSITIONS = 12


class Plant:
    """A journal that grew by a random work, and what can be told of it."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self.clock, self.chance = SteppedClock(START), chance
        self.database = Database(url)
        self.database.migrate()
        self.registry = Registry(self.database, self.clock)
        self.journal = SqlJournal(self.database)
        self.intake = Intake(self.journal, self.registry, self.clock)

    def grow(self, rounds: int) -> None:
        chance = self.chance
        self._change(lambda tx: self.registry.put_type(tx, PRESS))
        for number in range(rounds):
            self.clock.step(chance.random() * 30)
            what = chance.random()
            if what < 0.1 or number < 3:
                twin = f"press-{number}"
                self._change(lambda tx, twin=twin: self.registry.put_twin(tx, TwinSpec(id=twin, types=("press",))))
                continue
            self.intake.submit(f"plc-{number % 3}", [self._message() for _ in range(chance.randrange(1, 6))]).result(60)

    def _change(self, work: Any) -> None:
        self.intake.transact(lambda tx: (None, work(tx))).result(60)

    def _message(self) -> Message:
        chance = self.chance
        twin = f"press-{chance.randrange(3)}"
        values: dict[str, Any] = {
            "force": chance.random(),
            "count": chance.randrange(9),
            "program": chance.choice(["a", "ß", ""]),
            "health": chance.choice(["normal", {"level": "fault", "code": "F1"}, "unavailable"]),
            "wave": [chance.random()] * 3,
            "open": chance.random() < 0.5,
        }
        names = chance.sample(sorted(values), 2)
        readings = [
            Reported(
                twin=twin,
                property=name,
                value=None if chance.random() < 0.1 else values[name],
                time=self.clock.now() - chance.randrange(600) * SECOND,
                quality=chance.choice([Quality.GOOD, Quality.UNCERTAIN]),
            )
            for name in names
        ]
        events = [Happened(twin=twin, event="overheated")] if chance.random() < 0.2 else []
        return Message(readings=readings, events=events)

    def state(self, until: int, *, keyframe: Keyframe | None = None) -> State:
        """The state at a block's last position: from the first block on, or from a keyframe."""
        state = State(self.registry.directory, self.clock, blocks=self.journal.blocks)
        if keyframe is not None:
            state.restore(keyframe)
        for block in self.journal.blocks(after=state.position, until=until):
            state.fold(block)
        return state

    def close(self) -> None:
        self.intake.close()
        self.journal.close()
        self.database.close()


def digest(state: State, plant: Plant) -> str:
    """All cells of a state; freshness left out, which is of the moment and not of the position."""
    rows = []
    for number in plant.registry.directory.numbers().tolist():
        entry = plant.registry.directory.entry(number)
        assert entry is not None
        rows += [
            (entry.id, name, one.value, one.time, one.recorded, one.changed, int(one.quality), one.position)
            for name, one in sorted(state.twin(entry).items())
        ]
    return hashlib.sha256(msgspec.msgpack.encode((state.position, rows))).hexdigest()


@contextmanager
def grown(url: str, number: int) -> Iterator[Plant]:
    plant = Plant(url, random.Random(number))
    try:
        plant.grow(120)
        yield plant
    finally:
        plant.close()


def check_states(plant: Plant, folder: Path, where: str) -> int:
    """At random positions: a keyframe from an earlier one, saved and loaded, and what came after it."""
    ends = [block.last for block in plant.journal.blocks()]
    for turn in range(POSITIONS):
        early, late = sorted(plant.chance.choices(ends, k=2))
        whole = plant.state(late)
        first = plant.state(early)
        first.snapshot().save(folder / str(turn))
        loaded = Keyframe.load(folder / str(turn))
        assert loaded is not None
        assert loaded.position == early
        again = plant.state(late, keyframe=loaded)
        assert again.position == whole.position == late
        assert digest(again, plant) == digest(whole, plant), f"{where}: keyframe at {early}, read at {late}"
        for state in (whole, first, again):
            state.close()
    return POSITIONS


def check_histories(plant: Plant, folder: Path, where: str) -> int:
    """One history that followed with interruptions, and one that read the journal from the start, hold the same."""
    made = []
    for name in ("whole", "stopped"):
        history = History(folder / name, plant.journal, plant.registry.directory, plant.clock)
        if name == "stopped":
            history.flush()
            history.close()
            plant.grow(40)
            history = History(folder / name, plant.journal, plant.registry.directory, plant.clock)
        made.append(history)
    try:
        head = plant.journal.head().position
        looked = [*plant.chance.choices(range(1, head), k=6), head]
        for until in looked:
            assert all(history.wait(head, 60) for history in made)
            told = [history.fingerprints(until) for history in made]
            assert told[0] == told[1], f"{where}: history at {until}"
            assert told[0]
        made[0].flush()  # what is in files tells the same as what waits in memory
        assert made[0].fingerprints(head) == made[1].fingerprints(head), where
        return len(looked)
    finally:
        for history in made:
            history.close()


def replayed(url: str, folder: Path, number: int) -> int:
    """How many positions were looked at, in state and history of a journal that grew from this seed."""
    where = f"GEMEL_SEED={number}"
    folder.mkdir(exist_ok=True)
    with grown(url, number) as plant:
        return check_states(plant, folder / "keyframes", where) + check_histories(plant, folder / "history", where)


rounds = pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.soak)])


@rounds
def test_a_keyframe_and_the_rest_are_the_whole_log(tmp_path: Path, rounds: int) -> None:
    folders = {number: tmp_path / str(number) for number in range(seed(), seed() + rounds)}
    ok = sum(replayed(f"sqlite:///{folder}.sqlite", folder, number) for number, folder in folders.items())
    tell("G16", "positions, on SQLite", ok=ok, rounds=rounds)


@rounds
@pytest.mark.postgres
def test_a_keyframe_and_the_rest_are_the_whole_log_on_postgresql(postgres: Any, tmp_path: Path, rounds: int) -> None:
    folders = {number: tmp_path / str(number) for number in range(seed(), seed() + rounds)}
    ok = sum(replayed(migrated(postgres), folder, number) for number, folder in folders.items())
    tell("G16", "positions, on PostgreSQL", ok=ok, rounds=rounds)


PLANT = """
gemel: 1
types:
  - {id: line, properties: [{name: count, kind: integer}]}
twins: [{id: line-1, types: [line]}]
"""
READS = (
    "/twins",
    "/twins/line-1",
    "/twins/line-1/now",
    "/twins/line-1/now/count",
    "/twins/line-1/history/count",
    "/twins/line-1/at?time=2100-01-01T00:00:00Z",
    "/types",
    "/events",
    "/quarantine",
    "/journal/head",
)


@pytest.mark.parametrize("path", READS)
def test_every_read_says_a_position_that_it_has_reached(served: tuple[Platform, httpx.Client], path: str) -> None:
    platform, client = served
    for value in range(3):
        wanted = platform.write("line-1", "count", value)
        answer = client.get("/api/v1" + path)
        assert answer.status_code == 200, (path, answer.text)
        assert wanted <= int(answer.headers["gemel-position"]) <= platform.journal.head().position


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.soak)])
def test_whoever_waits_for_a_position_finds_what_was_written_there(
    served: tuple[Platform, httpx.Client], count: int
) -> None:
    platform, client = served
    for value in range(count):
        wanted = platform.write("line-1", "count", value)
        reached = {"at_position": wanted}
        assert client.get("/api/v1/twins/line-1/now", params=reached).json()["values"]["count"]["value"] == value
        past = client.get("/api/v1/twins/line-1/at", params={"time": "2100-01-01T00:00:00Z"} | reached).json()
        assert past["values"]["count"]["value"] == value
    tell("G16", "reads that wait for a write", ok=2 * count)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, httpx.Client]]:
    with (
        Platform.open(tmp_path_factory.mktemp("plant")) as platform,
        Server(platform, port=0, demo=True) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        platform.apply(PLANT)
        platform.write("line-1", "count", 0)
        yield platform, client

"""G8: the order of a source is kept; what is missing from its numbers is seen; a device that counts anew has an epoch.

Between the device and Gemel stands a line that drops, repeats and reorders (GEMEL_SEED repeats it).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.history import EventQuery
from gemel.intake import Message
from gemel.platform import Platform
from gemel.server import Server
from tests.guarantees.ledger import Ledger, seed, tell
from tests.guarantees.line import PLANT, ask
from tests.intake.plant import START, World, message, reading

Number = tuple[str, int]
"""Epoch and sequence"""


class Line:
    """A line that drops, repeats and reorders what a device sends."""

    def __init__(self, chance: random.Random, *, drop: float = 0.1, repeat: float = 0.1, within: int = 6) -> None:
        self._chance, self._drop, self._repeat, self._within = chance, drop, repeat, within
        self.dropped: list[Number] = []

    def passes(self, sent: list[Number]) -> Iterator[Number]:
        keys: list[tuple[float, Number]] = []
        for place, one in enumerate(sent):
            if self._chance.random() < self._drop and 0 < place < len(sent) - 1:
                self.dropped.append(one)
                continue
            copies = 2 if self._chance.random() < self._repeat else 1
            keys += [(place + self._chance.uniform(0, self._within), one) for _ in range(copies)]
        return iter([one for _, one in sorted(keys)])


def numbered(number: Number, value: float) -> Message:
    return Message(readings=[reading(value=value, time=START)], epoch=number[0], sequence=number[1])


def values_of(sent: list[Number]) -> dict[Number, float]:
    return {number: float(place) for place, number in enumerate(sent)}


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("rounds", [1, pytest.param(15, marks=pytest.mark.soak)])
def test_what_a_bad_line_lost_is_listed_number_by_number(tmp_path: Path, restart: bool, rounds: int) -> None:
    taken = dropped = 0
    for number in range(seed(), seed() + rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        good, gone = told_over_a_bad_line(folder, number, restart=restart)
        taken, dropped = taken + good, dropped + gone
    what = "drop, repeat, reorder" + (", and a restart" if restart else "")
    tell("G8", what, ok=taken, listed_as_missing=dropped, rounds=rounds)


def told_over_a_bad_line(folder: Path, number: int, *, restart: bool) -> tuple[int, int]:
    """How many numbers were taken, and how many the line dropped and the platform lists."""
    world = World(folder / "gemel.sqlite")
    where = f"GEMEL_SEED={number}"
    chance = random.Random(number)
    sent = [(f"boot-{boot}", i) for boot in range(3) for i in range(120)]  # it counts from 0 again after each start
    values, line, books = values_of(sent), Line(chance), Ledger()
    arrived: list[Number] = []
    for epoch in ("boot-0", "boot-1", "boot-2"):
        arrived += line.passes([one for one in sent if one[0] == epoch])
    for place, one in enumerate(arrived):
        if restart and place == len(arrived) // 2:
            world.close()
            world = World(folder / "gemel.sqlite")
        receipt = world.tell(numbered(one, values[one]))
        assert receipt.accepted == int(one not in books.acknowledged), where
        books.sent.add(values[one])
        books.acknowledged |= {values[one], one}
    books.acknowledged = {key for key in books.acknowledged if isinstance(key, float)}
    verdict = books.check(world.values(), where)
    assert world.values() == [values[one] for one in dict.fromkeys(arrived)], where  # in the order they came
    missed = {(gap.epoch, n) for gap in world.intake.missed("plc") for n in range(gap.first, gap.last + 1)}
    assert missed == set(line.dropped), where
    seen = {
        (change.body["epoch"], n)
        for change in world.changes("source.missed")
        for n in range(change.body["first"], change.body["last"] + 1)
    }
    late = {(change.body["epoch"], change.body["first"]) for change in world.changes("source.came_late")}
    assert seen - late == set(line.dropped), where
    for one in line.dropped:  # the device finds them in its memory after all
        assert world.tell(numbered(one, values[one])).accepted == 1, where
    assert world.intake.missed() == [], where
    assert len(world.values()) == len(sent), where
    world.close()
    return verdict.ok, len(line.dropped)


def test_a_refused_submission_leaves_no_gap_behind(world: World) -> None:
    from gemel.errors import InvalidValue

    world.tell(message(1, sequence=0))
    with pytest.raises(InvalidValue):
        world.tell(Message(readings=[reading("temperature", 9e9)], sequence=5), strict=True)
    assert world.intake.missed() == []
    assert world.changes("source.missed") == []
    assert world.tell(message(2, sequence=1)).accepted == 1


def test_numbers_that_also_count_what_is_not_for_us_miss_nothing(world: World) -> None:
    for number in (3, 17, 12, 90):
        assert world.tell(message(number, sequence=number, sparse=True)).accepted == 1
    assert world.changes("source.missed") == []
    assert world.changes("source.came_late") == []


def test_a_device_that_counts_anew_without_a_new_epoch_is_seen(world: World) -> None:
    told = [message(number, sequence=number, epoch="boot-1") for number in range(600)]
    world.tell(*told)
    assert world.tell(*told[:499]).repeated == 499
    assert world.changes("source.told_again") == []
    assert world.tell(*told[499:]).repeated == 101
    (change,) = world.changes("source.told_again")
    assert (change.subject, change.body["epoch"], change.body["reached"]) == ("plc", "boot-1", 599)
    assert world.tell(message(1, sequence=0, epoch="boot-2")).accepted == 1


def test_the_gap_is_an_event_that_everybody_can_ask_for(tmp_path: Path) -> None:
    with Platform.open(tmp_path) as platform, Server(platform, port=0, demo=True) as server:
        platform.apply(PLANT)
        for sequence in (0, 1, 5):
            told = {"twin": "line-1", "property": "count", "value": sequence}
            body = {"source": "plc", "messages": [{"epoch": "e", "sequence": sequence, "readings": [told]}]}
            status, _ = ask(
                server, "POST", "/ingest", json.dumps(body).encode(), **{"Content-Type": "application/json"}
            )
            assert status == 200
        (event,) = platform.events(EventQuery(kinds=("source.missed",))).items
        assert event.change.body == {"epoch": "e", "first": 2, "last": 4}
        assert event.change.source == "http:demo/plc"
        (gap,) = platform.intake.missed("http:demo/plc")
        assert (gap.first, gap.last) == (2, 4)
        status, page = ask(server, "GET", "/events?kind=source.missed")
        assert status == 200
        assert page["items"][0]["body"] == {"epoch": "e", "first": 2, "last": 4}

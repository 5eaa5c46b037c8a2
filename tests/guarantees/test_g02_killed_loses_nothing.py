"""G2: no acknowledged record is lost or doubled by the death or the standstill of the process.

A served platform is killed, or stopped and continued, again and again while it takes in.

Each message sent is classified from outside: ok (acknowledged and there once, or not acknowledged and there at most
once), lost (acknowledged, not there), doubled, torn (a part of it is there); unknown (no answer came): both are right.
"""

from __future__ import annotations

import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemel.clock import WallClock, to_rfc3339
from gemel.platform import Platform
from tests.disorder.house import ARROW, PLANT, Caller, frame_of, journaled, stored
from tests.guarantees.faults.results import seed, tell

ROOT = Path(__file__).parents[2]
GONE = (OSError, http.client.HTTPException)
ROWS = 3
"""Readings of `count` in one frame."""


@dataclass
class Stream:
    """One connection, its messages by number, and what is known of them. The content of a number is always the same."""

    name: str
    base: int
    next: int = 0
    sent: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    doubtful: list[int] = field(default_factory=list)
    """Sent, with no answer before the kill."""

    @property
    def twin(self) -> str:
        return f"press-{self.name}"

    @property
    def may_be_told_again(self) -> bool:
        """Frames have no identity, so their source does not send them again."""
        return self.name != "frames"

    def time(self, number: int) -> int:
        return self.base + number * 1000

    def body(self, numbers: list[int]) -> tuple[bytes, str]:
        if self.name == "frames":
            told = [number * ROWS + row for number in numbers for row in range(ROWS)]
            times = [self.base + one * 10 for one in told]
            return frame_of([self.twin] * len(told), ["count"] * len(told), times, told), ARROW
        messages = [self.message(number) for number in numbers]
        return msgspec.json.encode({"source": self.name, "messages": messages}), "application/json"

    def message(self, number: int) -> dict[str, Any]:
        time = to_rfc3339(self.time(number))
        readings = [
            {"twin": self.twin, "property": "count", "value": number, "time": time},
            {"twin": self.twin, "property": "force", "value": number / 2, "time": time},
        ]
        event = {"twin": self.twin, "event": "overheated", "time": time, "fields": {"number": number}}
        identity = {"sequence": number} if self.name == "plc" else {"id": f"m-{number}"}
        return {"readings": readings, "events": [event], **identity}


class House:
    """A folder that is served, killed, and served again."""

    def __init__(self, nursery: subprocess.Popen[str], folder: Path, seed: int) -> None:
        self.nursery, self.folder, self.chance = nursery, folder, random.Random(seed)
        base = WallClock().now() - 3_600_000_000
        self.streams = [Stream(name, base) for name in ("a", "b", "plc", "frames")]
        self.kinds: Counter[str] = Counter()
        self.last_position = 0
        self.impatient = threading.Event()

    def round(self, moment_of_kill: str) -> None:
        """Open, hold against what was acknowledged before, send again what is in doubt, send more, and kill."""
        child, url = self.start()
        with closing(Caller(url)) as caller:
            self.check_over_http(caller)
            self.tell_again(caller)
        stop, enough = threading.Event(), threading.Semaphore(0)
        senders = [
            threading.Thread(target=self.send, args=(Caller(url), stream, enough, random.Random(self.chance.random())))
            for stream in self.streams
        ]
        for sender in senders:
            sender.start()
        self.wait_until(moment_of_kill, enough, stop)
        os.kill(child, signal.SIGKILL)
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive()
        assert self.line() == "gone"

    def start(self) -> tuple[int, str]:
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(f"{self.folder}\n")
        self.nursery.stdin.flush()
        return int(self.line()), self.line()

    def line(self) -> str:
        assert self.nursery.stdout is not None
        return self.nursery.stdout.readline().strip()

    def send(self, caller: Caller, stream: Stream, enough: threading.Semaphore, chance: random.Random) -> None:
        """Send one body after the other until the server is gone; an answer that was read is an acknowledgement."""
        with closing(caller), suppress(*GONE):
            while True:
                numbers = list(range(stream.next, stream.next + chance.randint(1, 4)))
                stream.next = numbers[-1] + 1
                body, kind = stream.body(numbers)
                stream.sent.update(numbers)
                stream.doubtful = numbers
                query = "" if kind != ARROW else "?source=frames"
                status, answer = caller.ask("POST", f"/ingest{query}", body, kind)
                assert status == 200, answer[:500]
                stream.doubtful = []
                stream.acknowledged.update(numbers)
                enough.release()

    def wait_until(self, moment_of_kill: str, enough: threading.Semaphore, stop: threading.Event) -> None:
        """Return at some acknowledgement, or as soon as a keyframe or a Parquet file is being written after that."""
        for _ in range(self.chance.randint(1, 60)):
            assert enough.acquire(timeout=60)
        before = self.parquet()
        under_way: dict[str, Callable[[], bool]] = {
            "keyframe": (self.folder / "state" / "draft").exists,
            "commit": lambda: self.parquet() > before,
        }
        if moment_of_kill in under_way:
            for _ in range(4000):  # looks every half a millisecond, for 2 s at most
                if under_way[moment_of_kill]():
                    self.kinds[moment_of_kill] += 1
                    return
                stop.wait(0.0005)
        self.kinds["anywhere"] += 1

    def parquet(self) -> int:
        day = self.folder / "history" / "data" / "main" / "reading_integer"
        return sum(len(files) for _, _, files in os.walk(day))

    def tell_again(self, caller: Caller) -> None:
        """Send what was not answered, as it was: of each message all or nothing is new, and then it is there."""
        for stream in self.streams:
            if not stream.may_be_told_again:
                continue
            numbers, stream.doubtful = stream.doubtful, []
            numbers += self.chance.sample(sorted(stream.acknowledged), min(5, len(stream.acknowledged)))
            for number in numbers:
                body, kind = stream.body([number])
                status, answer = caller.ask("POST", "/ingest", body, kind)
                receipt = msgspec.json.decode(answer)
                assert status == 200, answer[:500]
                assert sorted([receipt["accepted"], receipt["repeated"]]) == [0, 3], receipt
                assert receipt["accepted"] == 0 or number not in stream.acknowledged
                stream.acknowledged.add(number)

    def check_over_http(self, caller: Caller) -> None:
        """What the reopened platform answers of each stream, now and then."""
        for stream in self.streams:
            there = Counter(value for _, value in caller.history(stream.twin, "count"))
            self.classify(stream, there)
            if stream.name == "frames":
                continue
            forces = Counter(int(value * 2) for _, value in caller.history(stream.twin, "force"))
            events = Counter(event["body"]["fields"]["number"] for event in caller.events(stream.twin))
            assert there == forces == events, "a message is there in part"
            now = caller.get(f"/twins/{stream.twin}/now")["values"]
            if there:
                assert now["count"]["value"] == max(there)
                assert now["force"]["value"] == max(there) / 2

    def classify(self, stream: Stream, there: Counter[int]) -> None:
        number_of = (lambda value: value // ROWS) if stream.name == "frames" else (lambda value: value)
        times: Counter[int] = Counter()
        for value, count in there.items():
            assert count == 1, f"doubled: {stream.name} {value} is there {count} times"
            times[number_of(value)] += 1
        whole = ROWS if stream.name == "frames" else 1
        assert set(times.values()) <= {whole}, f"torn: {stream.name}"
        lost = stream.acknowledged - set(times)
        assert not lost, f"lost: {stream.name} {sorted(lost)[:10]}"
        assert set(times) <= stream.sent, "there is what nobody sent"

    def check_rooms(self) -> None:
        """Journal, state and history of the folder, opened here, hold the same, and the journal is whole."""
        with Platform.open(self.folder) as platform:
            assert platform.verify().ok
            in_journal = journaled(platform)
            assert stored(platform) == in_journal
            for stream in self.streams:
                mine = [reading for reading in in_journal if reading[0] == stream.twin]
                self.classify(stream, Counter(value for _, name, _, value, _ in mine if name == "count"))
                for name, now in platform.now(stream.twin).items():
                    last = max((r for r in mine if r[1] == name), key=lambda r: (r[2], r[4]))
                    assert (now.time, now.value, now.position) == (last[2], last[3], last[4])
            assert platform.history.flush() == platform.journal.head().position
            assert stored(platform) == in_journal


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.disorder.serving"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, text=True
        ) as process,
    ):
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run(nursery: subprocess.Popen[str], tmp_path: Path, rounds: int) -> House:
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text("keyframe_every_s: 0.05\nhistory_every_s: 0.02\n")
    with Platform.open(folder) as platform:
        platform.apply(PLANT)
    house = House(nursery, folder, seed=seed())
    moments = ("anywhere", "commit", "anywhere", "keyframe")
    for number in range(rounds):
        house.round(moments[number % 4])
    child, url = house.start()
    with closing(Caller(url)) as caller:
        house.check_over_http(caller)
        house.tell_again(caller)
        assert caller.post("/journal/verify", {})["ok"]
    os.kill(child, signal.SIGKILL)
    assert house.line() == "gone"
    house.check_rooms()
    assert all(len(stream.acknowledged) > rounds for stream in house.streams)
    ok = sum(len(stream.acknowledged) for stream in house.streams)
    unknown = sum(len(stream.sent - stream.acknowledged) for stream in house.streams)
    tell("G2", "killed", ok=ok, unknown=unknown, doubled=0, torn=0, kills=rounds)
    assert min(house.kinds[kind] for kind in ("commit", "keyframe")) >= rounds // 8, house.kinds
    return house


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.soak)])
def test_a_served_platform_that_is_killed_many_times_loses_nothing_and_doubles_nothing(
    nursery: subprocess.Popen[str], tmp_path: Path, rounds: int
) -> None:
    run(nursery, tmp_path, rounds)


def paused(house: House, child: int, chance: random.Random, done: threading.Event, pauses: list[int]) -> None:
    """Stop the process at any moment, until somebody has lost patience, and let it go on."""
    while not done.wait(chance.random() * 0.02):
        os.kill(child, signal.SIGSTOP)
        house.impatient.wait(1.0)
        house.impatient.clear()
        os.kill(child, signal.SIGCONT)
        pauses.append(len(pauses))


@pytest.mark.slow
@pytest.mark.parametrize("count", [20, pytest.param(600, marks=pytest.mark.soak)])
def test_a_process_that_stands_still_in_the_middle_takes_what_is_told_again_once(
    nursery: subprocess.Popen[str], tmp_path: Path, count: int
) -> None:
    """Clients time out and tell again what may be on its way to the disk: each number is there once."""
    folder, number = tmp_path / "plant", seed()
    with Platform.open(folder) as platform:
        platform.apply(PLANT)
    house, chance = House(nursery, folder, seed=number), random.Random(number)
    stream = next(one for one in house.streams if one.may_be_told_again)
    child, url = house.start()
    done, pauses = threading.Event(), list[int]()
    stopper = threading.Thread(target=paused, args=(house, child, chance, done, pauses))
    stopper.start()
    again = 0
    try:
        for one in itertools.count():
            if one >= count and again and len(pauses) > 3:
                break
            body, kind = stream.body([one])
            stream.sent.add(one)
            while one not in stream.acknowledged:
                with closing(Caller(url, timeout_s=0.1)) as caller:
                    try:
                        status, answer = caller.ask("POST", "/ingest", body, kind)
                        assert status == 200, answer[:300]
                        stream.acknowledged.add(one)
                    except TimeoutError:
                        again += 1
                        house.impatient.set()
    finally:
        done.set()
        stopper.join()
    with closing(Caller(url)) as caller:
        house.classify(stream, Counter(value for _, value in caller.history(stream.twin, "count")))
    os.kill(child, signal.SIGKILL)
    assert house.line() == "gone"
    with Platform.open(folder) as platform:
        found = Counter(value for twin, name, _, value, _ in journaled(platform) if name == "count")
    house.classify(stream, found)
    tell("G2", "paused", ok=len(stream.acknowledged), doubled=0, told_again=again, pauses=len(pauses))

"""A program that gets another token goes on with its numbers, while what it sent under the old one is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from gemel.clock import WallClock
from gemel.platform import Platform
from gemel.server import Server
from tests.disorder.house import journaled

PATIENCE_S = 60.0


def message(number: int, value: float, padding: int = 0) -> dict[str, Any]:
    reading = {"twin": "press-7", "property": "oil_temperature", "value": value}
    fill = [{"twin": "press-7", "property": "no" + "o" * 50, "value": 0}] * (padding // 80)
    return {"messages": [{"epoch": "life-1", "sequence": number, "sparse": True, "readings": [reading, *fill]}]}


def eventually(holds: Callable[[], bool]) -> None:
    clock, never = WallClock(), threading.Event()
    end = clock.monotonic() + PATIENCE_S
    while not holds():
        assert clock.monotonic() < end, "did not come to be"
        never.wait(0.02)


class Program:
    """A caller with a token, whose requests go on while it asks something else."""

    def __init__(self, platform: Platform, server: Server, pool: ThreadPoolExecutor) -> None:
        made, secret = platform.gate.tokens.add("edge", "operator")
        self.id, self._pool = made.id, pool
        self.client = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE_S, trust_env=False
        )
        self.client.get("/api/v1/me")

    def tells(self, said: dict[str, Any]) -> Future[httpx.Response]:
        return self._pool.submit(self.client.post, "/api/v1/ingest", params={"source": "hall-3"}, json=said)

    def asks(self, formerly: str) -> Future[httpx.Response]:
        asked = {"source": "hall-3", "epoch": "life-1", "formerly": formerly}
        return self._pool.submit(self.client.get, "/api/v1/ingest/reached", params=asked)


@pytest.fixture
def programs(platform: Platform, server: Server) -> Iterator[tuple[Program, Program]]:
    with ThreadPoolExecutor(4) as pool:
        both = Program(platform, server, pool), Program(platform, server, pool)
        yield both
        for one in both:
            one.client.close()


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Work that goes on until the end of the block."""
    over = threading.Event()

    def wait() -> None:
        over.wait(PATIENCE_S)

    try:
        yield wait
    finally:
        over.set()


def under_way(server: Server, who: Program, *, passed_over: bool = False) -> bool:
    """Whether a request of a program is being worked on, and perhaps that another one goes on with its numbers."""
    tickets = list(server.services.under_way._of.get(who.id, ()))
    return any(ticket.passed_over for ticket in tickets) if passed_over else bool(tickets)


def told(platform: Platform, value: float) -> int:
    """How often a value is in the journal."""
    return [row[3] for row in journaled(platform)].count(value)


def test_what_waits_for_the_writer_is_waited_for(
    platform: Platform, server: Server, programs: tuple[Program, Program]
) -> None:
    before, after = programs
    with held() as wait:
        holding = platform.intake.transact(lambda _: (wait(), []))
        telling = before.tells(message(7, 21.5))
        eventually(lambda: under_way(server, before))
        asking = after.asks(before.id)
        eventually(lambda: under_way(server, before, passed_over=True))
        assert not asking.done()
    holding.result(PATIENCE_S)
    answer, reached = telling.result().status_code, asking.result().json()["sequence"]
    assert (answer, reached) == ((200, 7) if told(platform, 21.5) else (409, None))


def test_what_has_not_come_as_far_as_the_writer_stays_out(
    platform: Platform, server: Server, programs: tuple[Program, Program]
) -> None:
    before, after = programs
    with held() as wait:
        for _ in range(8):  # who decodes large bodies is busy
            server.services.reads._pool.submit(wait)
        telling = before.tells(message(8, 22.5, padding=200_000))
        eventually(lambda: under_way(server, before))
        asking = after.asks(before.id)
        eventually(lambda: under_way(server, before, passed_over=True))
    answer = telling.result()
    assert answer.status_code == 409
    assert "another token goes on" in answer.json()["detail"]
    assert asking.result().json()["sequence"] is None
    assert after.tells(message(8, 22.5)).result().json()["accepted"] == 1
    assert told(platform, 22.5) == 1
    assert before.tells(message(9, 23.5)).result().status_code == 200  # only what was under way stays out

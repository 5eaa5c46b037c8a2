"""The simulated objects of the trial plant on threads of their own, with real servers, faster than life."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gemel.clock import WallClock
from gemel.connectors.ports import free_port
from gemel.demo.trial.cell import Cell
from gemel.demo.trial.mqtt import SimulatedDevice
from gemel.demo.trial.opcua import SimulatedServer, skid_plant
from gemel.demo.trial.skid import Skid

EVERY_S, STEP_S = 0.05, 0.5


@contextmanager
def skid_running() -> Iterator[tuple[Skid, str]]:
    """(the skid, the address of its server)."""
    skid = Skid()
    with _stepped(lambda: SimulatedServer(skid, skid_plant(), free_port())) as server:
        yield skid, server.url


@contextmanager
def cell_running(broker: str) -> Iterator[Cell]:
    """The cell, connected to the broker."""
    cell = Cell()
    with _stepped(lambda: SimulatedDevice(cell, broker, WallClock())):
        yield cell


@contextmanager
def _stepped(make: Callable[[], Any]) -> Iterator[Any]:
    made: list[Any] = []
    ready, done = threading.Event(), threading.Event()
    ended: list[BaseException] = []

    async def live() -> None:
        async with make() as one:
            made.append(one)
            ready.set()
            while not await asyncio.to_thread(done.wait, EVERY_S):
                await one.step(STEP_S)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            ended.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="simulated object")
    thread.start()
    try:
        assert ready.wait(60)
        assert not ended, ended
        yield made[0]
    finally:
        done.set()
        thread.join(60)
    assert not ended, ended

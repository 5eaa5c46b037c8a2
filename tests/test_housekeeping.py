"""What a platform does by itself goes on whatever one step of it meets, and however long another one takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from gemel import housekeeping
from gemel.platform import Platform

WAIT_S = 60.0


def test_a_step_that_fails_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "SWEEP_EVERY_S", 0.01)
    failed, again = threading.Event(), threading.Event()
    with Platform.open(tmp_path) as platform:
        sweep = platform.state.sweep

        def swept(now: int) -> object:
            if failed.is_set():
                again.set()
            return sweep(now)

        def fail(*_: object) -> None:
            failed.set()
            raise duckdb.OutOfMemoryException("there is none left")

        monkeypatch.setattr(platform.state, "sweep", swept)
        monkeypatch.setattr(platform.metering, "step", fail)
        assert failed.wait(WAIT_S)
        assert again.wait(WAIT_S), "nothing is swept any more"
        assert platform._house.alive


def test_what_is_expected_of_items_holds_nothing_up_and_ends_with_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SWEEP_EVERY_S", 0.01)
    monkeypatch.setattr(housekeeping, "LIFETIMES_EVERY_S", 0.01)
    begun, swept, over = threading.Event(), threading.Event(), threading.Event()
    failures = [duckdb.OutOfMemoryException("there is none left"), ValueError("nor sense")]
    with Platform.open(tmp_path) as platform:
        sweep = platform.state.sweep

        def sweeps(now: int) -> object:
            if begun.is_set():
                swept.set()
            return sweep(now)

        def step(going: Callable[[], bool]) -> int:
            if failures:
                raise failures.pop()
            begun.set()
            while going():
                over.wait(0.01)
            over.set()
            return 0

        monkeypatch.setattr(platform.state, "sweep", sweeps)
        monkeypatch.setattr(platform.lifetimes, "step", step)
        assert begun.wait(WAIT_S), "two errors ended it"
        assert swept.wait(WAIT_S), "nothing is swept meanwhile"
        assert not over.is_set()
    assert over.is_set()
    assert not platform._house.alive

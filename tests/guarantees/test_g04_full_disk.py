"""G4: a full disk refuses with a clear error, keeps what was acknowledged, and is got over without a restart.

Each operation that needs space fails in its turn with ENOSPC, below the product; then there is space again.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.guarantees.faults import small_disk
from tests.guarantees.faults.preload import run
from tests.guarantees.faults.results import seed, tell


def scenario(name: str, tmp_path: Path, *, rounds: int = 1) -> None:
    first, told = seed(), Counter[str]()
    for number in range(first, first + rounds):
        disk = tmp_path / str(number)
        disk.mkdir()
        said = run("tests.guarantees.faults.failing", name, disk, number, disk=disk)
        told.update(msgspec.json.decode(said.splitlines()[-1]))  # the lines before it are the platform's log
    guarantee = "G4" if name.startswith("full") else "G5"
    tell(guarantee, name.replace("_", " "), ok=told.total(), rounds=rounds, **told)


def test_the_journal_refuses_on_a_full_disk_at_every_step_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    scenario("full_journal", tmp_path)


def test_journal_history_and_keyframes_get_over_a_full_disk_without_a_restart(tmp_path: Path) -> None:
    scenario("full_platform", tmp_path)


def test_opening_on_a_full_disk_says_so_and_lets_the_folder_go(tmp_path: Path) -> None:
    scenario("full_open", tmp_path)


def test_a_full_disk_is_507_over_http_and_the_same_request_is_taken_afterwards(tmp_path: Path) -> None:
    scenario("full_http", tmp_path)


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_a_small_disk_that_is_written_full_keeps_what_it_took_and_goes_on_when_there_is_space(
    tmp_path: Path, rounds: int
) -> None:
    """A real file system of 64 MiB, and nothing injected."""
    told: Counter[str] = Counter()
    for number in range(seed(), seed() + rounds):
        disk = tmp_path / str(number)
        disk.mkdir()
        told.update(small_disk.run(disk, number))
    tell("G4", "a disk of 64 MiB", rounds=rounds, **told)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["full_platform", "full_open"])
def test_a_full_disk_at_many_moments(name: str, tmp_path: Path) -> None:
    scenario(name, tmp_path, rounds=8)

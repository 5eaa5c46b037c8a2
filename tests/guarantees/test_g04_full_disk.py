"""G4: a full disk refuses with a clear error, keeps what was acknowledged, and is got over without a restart.

Each operation that needs space fails in its turn with ENOSPC, below the product; then there is space again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.guarantees.faults.preload import run
from tests.guarantees.faults.results import seed, tell


def scenario(name: str, tmp_path: Path, *, rounds: int = 1) -> None:
    first = seed()
    for number in range(first, first + rounds):
        disk = tmp_path / str(number)
        disk.mkdir()
        said = run("tests.guarantees.faults.failing", name, disk, number, disk=disk)
        told = msgspec.json.decode(said.splitlines()[-1])  # the lines before it are the platform's log
    guarantee = "G4" if name.startswith("full") else "G5"
    tell(guarantee, name.replace("_", " "), seed=first, rounds=rounds, **told)


def test_the_journal_refuses_on_a_full_disk_at_every_step_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    scenario("full_journal", tmp_path)


def test_journal_history_and_keyframes_get_over_a_full_disk_without_a_restart(tmp_path: Path) -> None:
    scenario("full_platform", tmp_path)


def test_opening_on_a_full_disk_says_so_and_lets_the_folder_go(tmp_path: Path) -> None:
    scenario("full_open", tmp_path)


def test_a_full_disk_is_507_over_http_and_the_same_request_is_taken_afterwards(tmp_path: Path) -> None:
    scenario("full_http", tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["full_platform", "full_open"])
def test_a_full_disk_at_many_moments(name: str, tmp_path: Path) -> None:
    scenario(name, tmp_path, rounds=20)

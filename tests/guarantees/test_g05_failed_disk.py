"""G5: a failed write or fsync ends the writer: nothing is tried again and then believed. Readers still answer.

Each operation fails in its turn with EIO, once; the kernel may have dropped the data, so a later success means nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guarantees.test_g04_full_disk import scenario


def test_after_a_failed_write_or_fsync_the_journal_takes_no_more_and_a_restart_finds_all_acknowledged(
    tmp_path: Path,
) -> None:
    scenario("failed_journal", tmp_path)


def test_a_platform_whose_journal_failed_says_so_and_answers_readers(tmp_path: Path) -> None:
    scenario("failed_platform", tmp_path)


def test_a_history_whose_disk_failed_moves_on_only_with_what_it_wrote_anew(tmp_path: Path) -> None:
    scenario("failed_history", tmp_path)


def test_what_cannot_be_read_is_told_as_the_disks_failure(tmp_path: Path) -> None:
    scenario("failed_reads", tmp_path)


@pytest.mark.soak
def test_a_history_whose_disk_fails_at_many_moments(tmp_path: Path) -> None:
    scenario("failed_history", tmp_path, rounds=8)

"""Places in lists as they are handed out: nobody reads them, makes one up, or takes another's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.access import Cursors
from gemel.errors import InvalidInput


@pytest.fixture(scope="module")
def cursors(tmp_path_factory: pytest.TempPathFactory) -> Cursors:
    return Cursors(tmp_path_factory.mktemp("plant") / "secrets")


@settings(max_examples=50, deadline=None)
@given(number=st.integers(0, 2**63), at=st.integers(0, 10_000), to=st.sampled_from("A-_z9!~"))
def test_a_place_comes_back_to_whom_it_was_told_and_in_no_other_way(
    cursors: Cursors, number: int, at: int, to: str
) -> None:
    told = cursors.seal(b"%d" % number, b"anne")
    assert int(cursors.unseal(told, b"anne")) == number
    with pytest.raises(InvalidInput):
        cursors.unseal(told, b"bob")
    at %= len(told) - 1  # of the last character some bits count for nothing
    altered = told[:at] + to + told[at + 1 :]
    if altered != told:
        with pytest.raises(InvalidInput, match="take `next` of the page before"):
            cursors.unseal(altered, b"anne")


def test_it_does_not_tell_how_large_a_number_is(cursors: Cursors) -> None:
    assert len(cursors.seal(b"1", b"anne")) == len(cursors.seal(b"123456789012", b"anne"))


def test_it_is_good_after_a_restart_and_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    told = Cursors(tmp_path / "secrets").seal(b"7", b"anne")
    assert Cursors(tmp_path / "secrets").unseal(told, b"anne").rstrip() == b"7"
    key = tmp_path / "secrets" / "authority" / "cursors.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.write_bytes(b"half a k")
    with pytest.raises(InvalidInput):
        Cursors(tmp_path / "secrets").unseal(told, b"anne")
    assert len(key.read_bytes()) == 32


def test_where_nothing_can_be_written_it_is_good_until_the_process_ends(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("a file, where the folder would be")
    cursors = Cursors(tmp_path / "secrets")
    assert cursors.unseal(cursors.seal(b"7", b"anne"), b"anne").rstrip() == b"7"


def test_a_key_that_cannot_be_read_just_now_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Cursors(tmp_path).seal(b"7", b"me")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", _unreadable)
        Cursors(tmp_path).seal(b"8", b"me")
    assert Cursors(tmp_path).unseal(told, b"me").rstrip() == b"7"


def test_two_processes_that_make_the_first_key_at_once_have_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Cursors(tmp_path), Cursors(tmp_path)
    read = Path.read_bytes
    told: list[str] = []

    def while_the_other_makes_it(path: Path) -> bytes:
        if not told and not path.exists():
            told.append("")
            told[0] = other.seal(b"7", b"me")
            raise FileNotFoundError(str(path))  # what was so when it looked
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", while_the_other_makes_it)
    assert other.unseal(one.seal(b"8", b"me"), b"me").rstrip() == b"8"
    assert one.unseal(told[0], b"me").rstrip() == b"7"
    assert [file.name for file in (tmp_path / "authority").iterdir()] == ["cursors.key"]


def test_where_files_cannot_be_linked_the_key_is_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlinked(*_: object) -> None:
        raise PermissionError(1, "operation not permitted")

    monkeypatch.setattr(os, "link", unlinked)
    told = Cursors(tmp_path).seal(b"7", b"me")
    assert Cursors(tmp_path).unseal(told, b"me").rstrip() == b"7"


def _unreadable(path: Path) -> bytes:
    raise OSError(5, "input/output error", str(path))

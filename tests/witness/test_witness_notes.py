"""Signed texts and the book of them: what is read is what was written, and what is hostile is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock
from gemel.errors import Corrupt, InvalidInput
from gemel.platform import Platform
from gemel.witness.book import HOUR_US, WHOLE_US, Book
from gemel.witness.judge import Verdict
from gemel.witness.keys import Keys, followed
from gemel.witness.note import Head, Note, PublicKey

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,30}", fullmatch=True)


def keys(folder: Path, name: str = "acme.example/shop") -> Keys:
    return Keys(folder, SteppedClock(), name=name)


def head(size: int = 7, *, owner: str = "acme.example/shop", log: str = "journal", time: int = 0) -> Head:
    return Head(
        owner=owner, log=log, size=size, root=bytes([size % 256]) * 32, position=size, hash=bytes(32), time=time
    )


@given(NAMES, st.integers(0, 1 << 50), st.binary(min_size=32, max_size=32), st.sampled_from(["", "a1b2"]))
def test_a_head_is_read_as_it_was_written(owner: str, size: int, root: bytes, epoch: str) -> None:
    told = Head(owner=owner, log="audit", size=size, root=root, epoch=epoch, position=size, hash=root, time=SECOND * 9)
    assert Head.parse(told.text()) == told


@given(st.text(max_size=300) | st.builds(lambda a, b: f"{a}\n\n— {b}\n", st.text(max_size=99), st.text(max_size=99)))
def test_what_is_no_note_head_or_key_is_refused_and_nothing_else(text: str) -> None:
    for parse in (Note.parse, Head.parse, PublicKey.parse):
        try:
            parse(text)
        except InvalidInput:
            continue


def test_a_signature_is_of_one_key_one_text_and_one_kind(tmp_path: Path) -> None:
    mine, other = keys(tmp_path / "a"), keys(tmp_path / "b")
    note = mine.sign(head().text())
    assert Note.parse(str(note)) == note
    assert note.signed_by(mine.public)
    assert not note.signed_by(other.public), "the same name, another key"
    assert not Note(head(8).text(), note.signatures).signed_by(mine.public)
    both = other.countersign(note)
    assert both.countersigned_by(other.public)
    assert not both.countersigned_by(mine.public)
    assert not note.countersigned_by(mine.public), "signing is not countersigning"
    forged = both.signatures[1][1]
    later = (both.signatures[1][0], forged[:4] + bytes(8) + forged[12:])
    assert not Note(note.text, (later,)).countersigned_by(other.public), "its time is signed, too"


def test_the_key_is_kept_private_and_survives_a_death_in_a_rotation(tmp_path: Path) -> None:
    mine = keys(tmp_path)
    first = mine.public
    key, known = tmp_path / "authority" / "witness.pem", tmp_path / "authority" / "witness.json"
    assert key.stat().st_mode & 0o077 == 0
    before = key.read_bytes()
    mine.rotate()
    new, after = mine.public, key.read_bytes()
    assert followed(first, mine.rotations) == [first, new]
    assert keys(tmp_path).public == new
    key.write_bytes(before)  # it died after the new key was named, before it took the old one's place
    (tmp_path / "authority" / "witness.pem.next").write_bytes(after)
    assert keys(tmp_path).public == new
    (tmp_path / "authority" / "witness.pem.next").unlink()
    with pytest.raises(Corrupt, match="is not the one that"):
        _ = keys(tmp_path).public
    known.write_text("{")
    with pytest.raises(Corrupt, match=r"bring it and witness\.json back"):
        _ = keys(tmp_path).public


def test_a_key_that_was_given_up_names_no_other_next_one(tmp_path: Path) -> None:
    mine = keys(tmp_path / "a")
    first = mine.public
    stolen = (tmp_path / "a" / "authority" / "witness.pem").read_bytes()
    known = (tmp_path / "a" / "authority" / "witness.json").read_bytes()
    mine.rotate()
    (tmp_path / "b" / "authority").mkdir(parents=True)
    (tmp_path / "b" / "authority" / "witness.pem").write_bytes(stolen)
    (tmp_path / "b" / "authority" / "witness.json").write_bytes(known)
    thief = keys(tmp_path / "b")
    thief.rotate()
    taken = followed(first, mine.rotations)
    assert followed(taken[-1], thief.rotations) == [taken[-1]], "whoever took the true one stays with it"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with Platform.open(tmp_path / "plant", run_connectors=False) as platform:
        yield Book(platform.database, platform.change)


def test_for_a_week_every_head_is_kept_and_then_the_last_of_each_hour(book: Book, tmp_path: Path) -> None:
    note, quarter = keys(tmp_path).sign("a\n"), HOUR_US // 4
    early, late = range(0, 8 * HOUR_US, quarter), range(WHOLE_US + 8 * HOUR_US, WHOLE_US + 9 * HOUR_US, quarter)
    for at, seen in enumerate([*early, *late]):
        verdict, told = (Verdict.CHANGED, "wrong") if at == 5 else (Verdict.EXTENDED, "")
        book.put(head(at), note, signer="b", seen=seen, verdict=verdict, told=told)
    kept = [one.seen for one in book.held("acme.example/shop", "journal", "b")]
    assert kept == [*range(3 * quarter, 8 * HOUR_US, HOUR_US), *late], "the last of each hour, and all of the last week"
    assert [one.told for one in book.open()] == ["wrong"], "what was wrong stays, however old"
    last = book.last("acme.example/shop", "journal", "b")
    assert last is not None
    assert last.seen == kept[-1]

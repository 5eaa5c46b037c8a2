"""The tree is that of RFC 6962, and a leaf's bytes are those of docs/concepts/journal.md."""

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.journal.codec import seal
from gemel.journal.leaves import frame_leaves, salts_of
from gemel.journal.merkle import (
    inclusion_path,
    leaf_hash,
    levels_after,
    levels_of,
    peaks_of,
    root_of,
    verify_path,
)
from gemel.testing.journal import frame_of
from gemel.twin import Block, Form


def rfc_root(leaves):
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + rfc_root(leaves[:split]) + rfc_root(leaves[split:])).digest()


def some_leaves(count):
    return [leaf_hash(bytes([i])) for i in range(count)]


@pytest.mark.parametrize("count", range(70))
def test_the_root_is_that_of_rfc_6962(count):
    assert root_of(levels_of(some_leaves(count))) == rfc_root(some_leaves(count))


@pytest.mark.parametrize("count", range(1, 40))
def test_every_leaf_has_a_path_to_the_root_and_no_other_has(count):
    leaves = some_leaves(count)
    levels = levels_of(leaves)
    for index, leaf in enumerate(leaves):
        path = inclusion_path(levels, index)
        assert verify_path(leaf, index, count, path, root_of(levels))
        assert not verify_path(leaf_hash(b"other"), index, count, path, root_of(levels))
        assert not verify_path(leaf, (index + 1) % count, count, path, root_of(levels)) or count == 1


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_peaks_stand_for_the_leaves_before(kept, more):
    leaves = [leaf_hash(struct.pack("<I", i)) for i in range(kept + more)]
    levels = levels_of(leaves)
    peaks = peaks_of(levels, kept)
    assert len(peaks) == kept.bit_count()
    rest = levels_after(peaks, kept, leaves[kept:])
    assert root_of(rest) == root_of(levels)
    for index in range(kept, kept + more):
        assert inclusion_path(rest, index) == inclusion_path(levels, index)


NAIVE = {Form.NUMBER: "<d", Form.INTEGER: "<q", Form.TEXT: "<q", Form.ARRAY: "<q"}


def naive_leaf(form, code, series, rows):
    """A leaf as the documentation tells it. rows: (time, value, ordinal, quality)."""
    data, tail = b"R" + struct.pack("<BqI", code, series, len(rows)), b""
    for time, value, ordinal, quality in rows:
        raw = value
        if form is Form.TEXT:
            raw = len((value or "").encode())
            tail += (value or "").encode()
        if form is Form.ARRAY:
            raw = len(value or [])
            tail += b"".join(struct.pack("<d", item) for item in value or [])
        data += struct.pack("<q", time) + struct.pack(NAIVE[form], 0 if raw is None else raw)
        data += struct.pack("<IBB", ordinal, quality, value is not None)
    return data + tail


VALUES = {
    Form.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Form.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Form.TEXT: st.text(max_size=5),
    Form.ARRAY: st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
}


@pytest.mark.parametrize(("code", "form"), list(enumerate(Form)))
@settings(deadline=None)
@given(data=st.data())
def test_leaves_are_the_documented_bytes(code, form, data):
    rows = data.draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**15), st.none() | VALUES[form]), max_size=12)
    )
    frame = frame_of(form, rows)
    wanted = {}
    for ordinal, (series, time, value) in enumerate(rows):
        wanted.setdefault(series, []).append((time, value, ordinal, 3 if value is None else 0))
    series, leaves = frame_leaves(frame)
    assert series == sorted(wanted)
    assert leaves == [naive_leaf(form, code, one, rows) for one, rows in sorted(wanted.items())]


def test_many_series_sort_as_few_do():
    rng = np.random.default_rng(7)
    rows = [(int(s), i, float(i)) for i, s in enumerate(rng.integers(0, 2**40, 70_000))]
    series, leaves = frame_leaves(frame_of(Form.NUMBER, rows))
    assert series == sorted({row[0] for row in rows})
    assert len(leaves) == len(series)


def test_salts_differ_between_leaves_and_between_blocks():
    frame = frame_of(Form.NUMBER, [(1, 1, 1.0), (2, 1, 1.0)])
    rows = [seal(Block(1, 1, 0, {Form.NUMBER: frame}), bytes(32)) for _ in range(2)]
    assert rows[0].root != rows[1].root
    salts = salts_of(rows[0].salts, 2)
    assert len(salts) == 32
    assert salts[:16] != salts[16:]

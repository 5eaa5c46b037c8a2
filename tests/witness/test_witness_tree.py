"""Trees over logs: proofs of growth and of place, held against RFC 9162's own definitions."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from gemel.journal.merkle import verify_path
from gemel.witness.judge import Verdict, agreed, judge
from gemel.witness.note import Head
from gemel.witness.tree import Tree, consistent, leaf_hash, roots_at


def plain(leaves: list[bytes]) -> bytes:
    """The root as RFC 9162, 2.1.1 defines it, without any store."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain(leaves[:k]) + plain(leaves[k:])).digest()


class Listed:
    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves

    def size(self) -> int:
        return len(self.leaves)

    def hashes(self, start: int, end: int) -> list[bytes]:
        return self.leaves[start:end]


class Kept:
    def __init__(self) -> None:
        self.levels: dict[int, list[bytes]] = {}

    def count(self, level: int) -> int:
        return len(self.levels.get(level, []))

    def get(self, level: int, start: int, end: int) -> list[bytes]:
        return self.levels.get(level, [])[start:end]

    def put(self, level: int, start: int, hashes: list[bytes]) -> None:
        assert start == self.count(level)
        self.levels.setdefault(level, []).extend(hashes)


def leaves(count: int, tell: bytes = b"") -> list[bytes]:
    return [leaf_hash(tell + str(number).encode()) for number in range(count)]


sizes = st.integers(0, 40) | st.sampled_from([255, 256, 257, 511, 600, 1023])
ROOMY = 1100
ALL = leaves(ROOMY)


@given(sizes, st.booleans())
def test_the_root_is_that_of_the_standard_with_and_without_what_is_kept(size: int, grown: bool) -> None:
    tree = Tree(Listed(ALL[:size]), Kept())
    if grown:
        tree.grow(size)
    assert tree.root(size) == plain(ALL[:size])


@given(sizes, sizes, st.integers(0, 300))
def test_every_growth_is_proven_and_only_with_its_own_roots(one: int, other: int, kept: int) -> None:
    old, new = sorted((one, other))
    tree = Tree(Listed(ALL[:new]), Kept())
    tree.grow(min(new, kept))
    proof, roots = tree.consistency(old, new), (plain(ALL[:old]), plain(ALL[:new]))
    assert consistent((old, roots[0]), (new, roots[1]), proof)
    wrong = sha256(b"else").digest()
    if old:
        assert not consistent((old, wrong), (new, roots[1]), proof)
        assert not consistent((old, roots[0]), (new, wrong), proof)
    if proof:
        assert not consistent((old, roots[0]), (new, roots[1]), proof[:-1])
        assert not consistent((old, roots[0]), (new, roots[1]), [*proof, wrong])
        assert not consistent((old, roots[0]), (new, roots[1]), [wrong, *proof[1:]])


@given(st.data())
def test_a_changed_past_has_no_proof(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 400))
    old = data.draw(st.integers(1, new))
    changed = list(ALL[:new])
    changed[data.draw(st.integers(0, old - 1))] = leaf_hash(b"another")
    liar = Tree(Listed(changed), Kept())
    assert not consistent((old, plain(ALL[:old])), (new, liar.root(new)), liar.consistency(old, new))


@given(st.data())
def test_every_place_is_proven(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(Listed(ALL[:size]), Kept())
    path, root = tree.inclusion(index, size), plain(ALL[:size])
    assert verify_path(ALL[index], index, size, path, root)
    assert not verify_path(leaf_hash(b"another"), index, size, path, root)


@given(st.sets(sizes), sizes)
def test_one_pass_gives_the_roots_at_all_sizes(wanted: set[int], size: int) -> None:
    assert roots_at(ALL[:size], wanted) == {one: plain(ALL[:one]) for one in wanted if one <= size}


def head(told: list[bytes], *, epoch: str = "") -> Head:
    return Head(owner="a", log="journal", size=len(told), root=plain(told), epoch=epoch, position=len(told),
                hash=bytes(32), time=0)  # fmt: skip


class History:
    """A log that is grown, cut, and changed; what it would prove of itself."""

    def __init__(self, told: list[bytes]) -> None:
        self.tree = Tree(Listed(told), Kept())

    def extends(self, old: Head, new: Head) -> bool:
        return consistent((old.size, old.root), (new.size, new.root), self.tree.consistency(old.size, new.size))


@given(st.data())
def test_a_head_is_judged_as_what_it_is(data: st.DataObject) -> None:
    seen = ALL[: data.draw(st.integers(1, 60))]
    change = data.draw(st.none() | st.integers(0, len(seen) - 1))
    length = data.draw(st.integers(0, 100))
    told = list(ALL[:length])
    if change is not None and change < length:
        told[change] = leaf_hash(b"another")
    epoch = data.draw(st.sampled_from(["", "e1"]))
    found = judge(head(seen), head(told, epoch=epoch), History(told).extends)
    if epoch:
        assert found is Verdict.RESTORED
    elif length < len(seen):
        assert found is Verdict.ROLLED_BACK
    elif told == seen:
        assert found is Verdict.SAME
    elif length == len(seen):
        assert found is Verdict.FORKED
    else:
        assert found is (Verdict.CHANGED if told[: len(seen)] != seen else Verdict.EXTENDED)


@given(st.sets(st.integers(1, 80), min_size=1), st.integers(0, 80), st.integers(1, 100))
def test_the_furthest_head_that_still_holds_is_found(kept: set[int], branch: int, length: int) -> None:
    told = ALL[: min(branch, length)] + leaves(max(0, length - branch), b"other")
    held = [head(ALL[:size]) for size in sorted(kept)]
    found = agreed(held, head(told), History(told).extends)
    right = [one for one in held if one.size <= min(branch, length)]
    assert found == (right[-1] if right else None)

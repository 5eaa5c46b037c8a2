"""Values of an export as columns: how the plain lines of a file are read, a hundred thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.errors import InvalidInput
from gemel.twin import Kind

__all__ = ["KINDS", "PLAIN_NUMBER", "Many", "Owner", "Value", "bools", "owners"]

KINDS = (Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN, Kind.TEXT)
PLAIN_NUMBER = r"[+-]?([0-9]{1,18}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?"
"""RE2: a number that is one for everybody, and finite."""


class Owner(NamedTuple):
    """What a value is of. `group` names the type: a measurement, a device type."""

    group: str
    twin: str
    property: str


class Value(NamedTuple):
    """One value of an export. `kind`: what it was written as."""

    group: str
    twin: str
    property: str
    time: int
    value: str
    kind: Kind


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    """n values, in the order of the export; those of a line follow one another.

    owners   what each code stands for; without repeats
    code     int64[n]
    line     int64[n]
    time     int64[n], microseconds since the epoch
    value    pa.Array[n] of text
    kind     int8[n], place in KINDS
    """

    owners: Sequence[Owner]
    code: NDArray[np.int64]
    line: NDArray[np.int64]
    time: NDArray[np.int64]
    value: pa.Array
    kind: NDArray[np.int8]

    @classmethod
    def of(cls, values: Sequence[tuple[int, Value]]) -> Many:
        """Of (line, value) pairs."""
        codes: dict[Owner, int] = {}
        told = [Owner(one.group, one.twin, one.property) for _, one in values]
        code = np.array([codes.setdefault(owner, len(codes)) for owner in told], np.int64)
        return cls(
            list(codes),
            code,
            np.array([line for line, _ in values], np.int64),
            np.array([one.time for _, one in values], np.int64),
            pa.array([one.value for _, one in values], pa.string()),
            np.array([KINDS.index(one.kind) for _, one in values], np.int8),
        )

    def joined(self, other: Many) -> Many:
        """Those of both, by line."""
        if not len(other):
            return self
        codes = {owner: code for code, owner in enumerate(self.owners)}
        theirs = np.array([codes.setdefault(owner, len(codes)) for owner in other.owners], np.int64)
        line = np.concatenate([self.line, other.line])
        order = np.argsort(line, kind="stable")
        return Many(
            list(codes),
            np.concatenate([self.code, theirs[other.code]])[order],
            line[order],
            np.concatenate([self.time, other.time])[order],
            pa.concat_arrays([self.value, other.value]).take(pa.array(order)),
            np.concatenate([self.kind, other.kind])[order],
        )

    def head(self, count: int) -> Many:
        """The first `count` of them."""
        if count >= len(self):
            return self
        cut = slice(None, count)
        return Many(
            self.owners, self.code[cut], self.line[cut], self.time[cut], self.value.slice(0, count), self.kind[cut]
        )

    def __len__(self) -> int:
        return len(self.code)

    def __iter__(self) -> Iterator[Value]:
        columns = zip(self.code.tolist(), self.time.tolist(), self.value.to_pylist(), self.kind.tolist(), strict=True)
        for code, time, value, kind in columns:
            owner = self.owners[code]
            yield Value(owner.group, owner.twin, owner.property, time, value, KINDS[kind])


def owners(
    keys: NDArray[np.int64], told: Callable[[int], Owner]
) -> tuple[list[Owner], NDArray[np.int64], NDArray[np.bool_]]:
    """(owners without repeats, the code of each key, which keys have an owner): `told` is asked once for each distinct
    key, and may raise InvalidInput."""
    encoded = pa.array(keys).dictionary_encode()
    codes: dict[Hashable, int] = {}
    table = np.full(len(encoded.dictionary), -1, np.int64)
    found: list[Owner] = []
    for place, key in enumerate(encoded.dictionary.to_pylist()):
        try:
            owner = told(key)
        except InvalidInput:
            continue
        code = table[place] = codes.setdefault(owner, len(codes))
        if code == len(found):
            found.append(owner)
    code = table[encoded.indices.to_numpy()]
    return found, code, code >= 0


def bools(column: pa.Array) -> NDArray[np.bool_]:
    """A column of truths without nulls."""
    found: NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return found

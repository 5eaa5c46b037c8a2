"""The order of versions: each piece of software says by which scheme its versions come one after the other.

Versions of embedded software are often not semantic ones, so nothing is guessed: what a scheme cannot place is not
known to be older or newer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from gemel.errors import InvalidInput

__all__ = ["Range", "Scheme", "compare", "place_of"]

LONGEST = 128
_SEMVER = re.compile(
    r"(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?(?:\.(0|[1-9]\d*))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)
_TERM = re.compile(r"(>=|<=|>|<|=)?([^\s,|<>=]+)")
_RUNS = re.compile(r"\d+|[^\W\d_]+", re.ASCII)


class Scheme(StrEnum):
    """How versions are ordered."""

    DECLARED = "declared"
    """As the document lists them, the oldest first; others have no place."""
    SEMVER = "semver"
    """Semantic Versioning 2.0.0, clause 11; 2.1 is 2.1.0."""
    NUMERIC = "numeric"
    """Run by run of digits or letters: 7.9 before 7.10, R9 before R10; numbers before letters."""


def place_of(version: str, scheme: Scheme, declared: Sequence[str] = ()) -> tuple[Any, ...] | None:
    """A key that sorts as the scheme does; None: it has no place in it."""
    if scheme is Scheme.DECLARED:
        return (declared.index(version),) if version in declared else None
    if scheme is Scheme.SEMVER:
        return _semver(version)
    return _numeric(version)


@lru_cache(maxsize=4096)
def _semver(version: str) -> tuple[Any, ...] | None:
    found = _SEMVER.fullmatch(version) if len(version) <= LONGEST else None
    if found is None:
        return None
    numbers = tuple(int(found[i] or 0) for i in (1, 2, 3))
    if found[4] is None:
        return (*numbers, 1, ())
    parts = found[4].split(".")
    return (*numbers, 0, tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in parts))


@lru_cache(maxsize=4096)
def _numeric(version: str) -> tuple[Any, ...] | None:
    runs = _RUNS.findall(version) if len(version) <= LONGEST else []
    return tuple((0, int(run), "") if run.isdigit() else (1, 0, run) for run in runs) or None


def compare(one: str, other: str, scheme: Scheme, declared: Sequence[str] = ()) -> int | None:
    """-1, 0, 1: before, the same, after; None: not known."""
    if one == other:
        return 0
    first, second = place_of(one, scheme, declared), place_of(other, scheme, declared)
    if first is None or second is None:
        return None
    return (first > second) - (first < second)


class Range(msgspec.Struct, frozen=True):
    """Some versions: `>=2.1, <3`, `2.1`, `1.4 | >=2.0`; empty: any."""

    text: str
    choices: tuple[tuple[tuple[str, str], ...], ...]
    """One of these; of each, all (sign, version)."""

    @classmethod
    def parse(cls, text: str) -> Range:
        """Raises InvalidInput."""
        return _parsed(text)

    def holds(self, version: str, scheme: Scheme, declared: Sequence[str] = ()) -> bool | None:
        """Whether a version is one of them; None: its place in the order is not known, or it is itself empty."""
        if not self.choices:
            return True
        if not version:
            return None
        found = [_all(choice, version, scheme, declared) for choice in self.choices]
        return True if True in found else None if None in found else False


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Range:
    if len(text) > 500:
        raise InvalidInput("a range of versions has at most 500 characters")
    choices = []
    for choice in text.split("|") if text.strip() else ():
        terms, rest = _TERM.findall(choice), _TERM.sub("", choice)
        alone = len(terms) == 1 or all(sign for sign, _ in terms)
        if not terms or rest.strip(" ,\t") or not alone:
            raise InvalidInput(f"{text!r:.120} is no range of versions; write it like >=2.1, <3 or 1.4 | 2.0")
        choices.append(tuple((sign or "=", version) for sign, version in terms))
    return Range(text.strip(), tuple(choices))


def _all(terms: Sequence[tuple[str, str]], version: str, scheme: Scheme, declared: Sequence[str]) -> bool | None:
    unknown = False
    for sign, bound in terms:
        if sign == "=":
            if version != bound and compare(version, bound, scheme, declared) != 0:
                return False
            continue
        order = compare(version, bound, scheme, declared)
        if order is None:
            unknown = True
        elif not {">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0}[sign]:
            return False
    return None if unknown else True

"""What somebody who acts assumes of a configuration."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gemel.errors import InvalidInput

__all__ = ["MOST_EXPECTED", "Expected", "check_expected", "parse_expected"]

MOST_EXPECTED = 20
"""Things that one act may assume."""
_LONGEST = 300


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It is refused what is done on this, when it is not so. Either a slot's content, a hash, or what is in it."""

    root: str = ""
    """The item that has the slot, or whose whole configuration is meant; of an order empty: the machine's."""
    slot: str = ""
    item: str = ""
    """What is in the slot; empty: nothing is."""
    hash: str = ""
    """`configuration.hash(root)` of when it was looked at."""
    has: tuple[str, ...] = ()
    """Parts and software that are in it, at any depth: P-7, P-7:<C, P-7:>C, P-7:=B,C; after ! those that are not."""


def check_expected(expected: Sequence[Expected]) -> None:
    """Raises InvalidInput: more than may be assumed, or nothing."""
    if len(expected) > MOST_EXPECTED:
        raise InvalidInput(f"an act assumes at most {MOST_EXPECTED} things, not {len(expected)}")
    for one in expected:
        if not (one.slot or one.hash or one.has):
            raise InvalidInput("say what is expected: a hash, a slot with its item, or what it has")
        texts = (one.root, one.slot, one.item, one.hash, *one.has)
        if len(one.has) > MOST_EXPECTED or max(map(len, texts)) > _LONGEST:
            raise InvalidInput(f"expected are at most {MOST_EXPECTED} parts, of {_LONGEST} characters each")


def parse_expected(text: str) -> Expected:
    """As people write it: a hash of 64 digits, SLOT=ITEM (SLOT= : nothing), or what it has, as P-7:<C. Raises
    InvalidInput."""
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return Expected(hash=text)
    slot, equals, item = text.partition("=")
    if equals and not slot.endswith((":", ":?")):
        return Expected(slot=slot, item=item)
    found = Expected(has=(text,))
    check_expected([found])
    return found

"""Operations as values: what somebody says was done. JSON carries its name in `do`; `at` is microseconds UTC."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gemel.configuration.values import FOREVER, ActKind, ItemSpec, Level, Saw, Standing

__all__ = [
    "Adjust",
    "Correct",
    "Create",
    "Identify",
    "Install",
    "Judge",
    "Merge",
    "Modify",
    "Move",
    "Observe",
    "Operation",
    "Raise",
    "Remove",
    "Report",
    "Retire",
    "Split",
    "Swap",
    "Use",
    "Withdraw",
]


class _Said(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="do",
    tag=str.lower,
):
    said: ClassVar[ActKind]
    """Which kind of act it is."""


class Create(_Said, frozen=True):
    """Know an item from a moment on."""

    said = ActKind.CREATED
    spec: ItemSpec
    at: int


class Install(_Said, frozen=True):
    """An item came into a slot of another; with `until`, it is known to have left it then."""

    said = ActKind.INSTALLED
    child: str
    parent: str
    slot: str
    at: int
    until: int = FOREVER
    spec: ItemSpec | None = None
    """What `child` is, when it is not known yet: it is known from then on, by the same act."""


class Remove(_Said, frozen=True):
    """An item was taken out, to another place (an item and its slot) if it is told."""

    said = ActKind.REMOVED
    child: str
    at: int
    to: tuple[str, str] | None = None


class Swap(_Said, frozen=True):
    """What a slot held was taken out, to another place if it is told, and another item put in, at one moment."""

    said = ActKind.SWAPPED
    parent: str
    slot: str
    new: str
    at: int
    to: tuple[str, str] | None = None
    old: str = ""
    """Which was taken out, where the slot holds several."""
    spec: ItemSpec | None = None
    """What `new` is, when it is not known yet: it is known from then on, by the same act."""


class Move(_Said, frozen=True):
    """An item, with all that is in it, went from where it was into another slot, at one moment."""

    said = ActKind.MOVED
    child: str
    parent: str
    slot: str
    at: int


class Modify(_Said, frozen=True):
    """A trait of an item, its revision say, has another value from a moment on."""

    said = ActKind.MODIFIED
    child: str
    name: str
    value: str
    at: int


class Retire(_Said, frozen=True):
    """The item exists no more."""

    said = ActKind.RETIRED
    child: str
    at: int


class Use(_Said, frozen=True):
    """An item, and all that was in it, was used so much in a time."""

    said = ActKind.USED
    item: str
    kind: str
    """hours, strokes, starts …"""
    start: int
    end: int
    amount: float

    @property
    def at(self) -> int:
        return self.start


class Adjust(_Said, frozen=True):
    """An item alone has so much more or less than was counted."""

    said = ActKind.ADJUSTED
    item: str
    kind: str
    amount: float
    at: int


class Correct(_Said, frozen=True):
    """An earlier act was at another moment; with `instead`, it was something else: another item, or another slot."""

    said = ActKind.CORRECTED
    act: int
    at: int
    instead: Install | Remove | Swap | Move | None = None
    """What really was done, at `at`. Nothing later may rest on the act: correct or withdraw that first."""


class Withdraw(_Said, frozen=True):
    """An earlier act was not so."""

    said = ActKind.WITHDRAWN
    act: int


class Observe(_Said, frozen=True):
    """Somebody looked into a slot and saw an item, nothing, or something unknown. It changes nothing of what is held
    to be there: see `inspect`."""

    said = ActKind.OBSERVED
    parent: str
    slot: str
    at: int
    saw: Saw = Saw.ITEM
    item: str = ""
    """The item, where it is known which; else what was read of it:"""
    part: str = ""
    maker: str = ""
    serial: str = ""
    revision: str = ""


class Report(_Said, frozen=True):
    """A device told which software it runs."""

    said = ActKind.REPORTED
    item: str
    slot: str
    """Which of its software: firmware, plc, vision …"""
    version: str
    at: int
    part: str = ""
    """Part number of the software, where it tells it."""


class Identify(_Said, frozen=True):
    """It became known what an item is, and always was; with `stamped`, it was given this identity at `at`.

    What is left out stays as it is.
    """

    said = ActKind.IDENTIFIED
    item: str
    at: int
    part: str | None = None
    maker: str | None = None
    serial: str | None = None
    lot: str | None = None
    stamped: bool = False


class Merge(_Said, frozen=True):
    """Two identities are one: all that was said of `item` was of `into`."""

    said = ActKind.MERGED
    item: str
    into: str
    at: int


class Split(_Said, frozen=True):
    """One identity is two: what the named acts said (those that a merge brought, if none is named) was of `other`.

    Of a lot, with a quantity: so many of its pieces have always been the lot `other`, wherever it was.
    """

    said = ActKind.SPLIT
    item: str
    other: str
    at: int
    acts: tuple[int, ...] = ()
    quantity: int = 0


class Judge(_Said, frozen=True):
    """A nonconformance is conceded (with a `Concession`), closed, or open again from a moment on."""

    said = ActKind.JUDGED
    nonconformance: int
    state: Standing
    at: int


class Raise(_Said, frozen=True):
    """Something is not as it should be, though no rule of the parts book says so: a nonconformance, open from a moment
    on. What it is stands in the basis (`reason`), in people's own words."""

    said = ActKind.RAISED
    item: str
    """What is not as it should be: it stays so wherever it goes. With `slot`: what has the slot."""
    at: int
    slot: str = ""
    """The slot is not as it should be, whatever is in it."""
    level: Level = Level.CONCESSION
    """warn: to be known; concession: to be conceded or mended; block: it must not be used so."""


Operation = (
    Create
    | Install
    | Remove
    | Swap
    | Move
    | Modify
    | Retire
    | Use
    | Adjust
    | Correct
    | Withdraw
    | Observe
    | Report
    | Identify
    | Merge
    | Split
    | Judge
    | Raise
)

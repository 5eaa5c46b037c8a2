"""What a replica copies, and what it tells. Moments are microseconds since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gemel.client import Now
from gemel.errors import InvalidInput

__all__ = ["Lag", "Now", "Restarted", "Select", "Snapshot", "Standing", "select_of"]


class Select(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which twins, and which of their properties; without `twins`, `type` and `roots` all there are and will be."""

    twins: tuple[str, ...] = ()
    """Ids or aliases."""
    type: str = ""
    roots: bool = False
    """Only twins that are part of no other."""
    depth: int | None = 0
    """How many levels of parts below those are included; None: all."""
    properties: tuple[str, ...] | None = None
    """Names; None: all."""
    headline: bool = False
    """Only properties that overviews show."""

    def wanted(self) -> dict[str, Any]:
        """As `Client.subscribe` takes it."""
        chosen = {"twins": self.twins} if self.twins else {"type": self.type, "roots": self.roots}
        return {**chosen, "depth": self.depth, "properties": self.properties, "headline": self.headline}


def select_of(given: Select | Mapping[str, Any] | Sequence[str] | str | None) -> Select:
    """A selection as people write it: a Select, its fields, ids, one id, or nothing for everything."""
    if given is None:
        return Select()
    if isinstance(given, Select):
        return given
    if isinstance(given, str):
        return Select(twins=(given,))
    try:
        return msgspec.convert(given if isinstance(given, Mapping) else {"twins": tuple(given)}, Select)
    except msgspec.ValidationError as error:
        fields = ", ".join(Select.__struct_fields__)
        raise InvalidInput(f"select={given!r:.200} is not understood: {error}; it takes ids, or {fields}") from error


class Lag(msgspec.Struct, frozen=True):
    """How far a replica is behind."""

    positions: int
    """Of the journal, between what the platform was last known to have reached and this copy."""
    seconds: float | None
    """All that the platform held so many seconds ago is here; measured by this machine's own steady clock. None: this
    process has not heard of it yet."""


class Restarted(msgspec.Struct, frozen=True):
    """The copy was thrown away and made anew, or only thrown away."""

    at: int
    reason: str


class Snapshot(msgspec.Struct, frozen=True):
    """The whole copy at one position."""

    position: int
    epoch: str
    hash: str
    values: dict[str, dict[str, Now]]
    """Twin → property → what it is."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a replica fares."""

    url: str
    connected: bool
    position: int
    epoch: str
    hash: str
    lag: Lag
    twins: int
    values: int
    checked: int
    """How often its hash was that of the platform at the same position."""
    checked_at: int
    """The position of the last time."""
    mended: int
    """How often it was not, and the copy was made anew."""
    restarted: Restarted | None
    error: str
    """Why it is not connected."""
    saved: int
    """The position that its folder holds; 0 without one."""

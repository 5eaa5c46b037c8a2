"""Values as the interface shows them: RFC 3339 times, names instead of numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from gemel.clock import to_rfc3339
from gemel.errors import InvalidInput
from gemel.state import Now
from gemel.twin import Link, Quality, Reading, Twin

__all__ = [
    "LinkView",
    "PartsView",
    "TwinView",
    "Value",
    "dumps",
    "link_view",
    "pure",
    "quality_of",
    "rfc3339",
    "rfc3339_or_none",
    "shown",
    "twin_view",
    "value_of",
    "value_then",
]

QUALITIES = tuple(quality.name.lower() for quality in sorted(Quality))

rfc3339 = lru_cache(maxsize=65_536)(to_rfc3339)
"""As `to_rfc3339`; the values of a twin share most of their times."""


def rfc3339_or_none(moment: int | None) -> str | None:
    """As `rfc3339`, of what may have no moment."""
    return None if moment is None else rfc3339(moment)


_encoder = msgspec.json.Encoder(enc_hook=str)
dumps = _encoder.encode
"""JSON as bytes; NaN and infinities become null."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """A property as it is, or was."""

    value: Any
    time: str
    """When the source saw it."""
    recorded: str
    """When Gemel was last told."""
    changed: str | None
    """When it got this value; null where that is not known."""
    quality: str
    """good, uncertain, bad or unavailable."""
    fresh: bool | None
    """False: it is older than it should be; null for the past."""
    stale_since: str | None
    position: int


class LinkView(msgspec.Struct, frozen=True):
    """A typed link between two twins."""

    kind: str
    source: str
    target: str
    slot: str
    since: str
    until: str | None


class PartsView(msgspec.Struct, omit_defaults=True):
    """A twin and what it is made of."""

    id: str
    name: str
    types: tuple[str, ...]
    slot: str
    stage: str
    parts: list[PartsView]
    headline: dict[str, Value] | None = None
    """Where overviews ask for it."""


class TwinView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Who a twin is."""

    id: str
    name: str
    types: tuple[str, ...]
    description: str
    serial: str
    stage: str
    aliases: tuple[str, ...]
    attributes: dict[str, Any]
    revision: int
    created: str
    changed: str
    design_model: bool = False
    """There is nothing yet that it could be a twin of: no as-built configuration of its item is recorded."""
    links: list[LinkView] | None = None
    """With `include=links`, and for one twin."""
    now: dict[str, Value] | None = None
    """With `include=now`."""
    headline: dict[str, Value] | None = None
    """With `include=headline`: what overviews show."""
    parts: list[PartsView] | None = None
    """With `include=parts`: what it is made of, at any depth; with `headline`, too, each with its own."""


def shown(value: Any) -> Any:
    """A condition's entries say since when in RFC 3339; everything else is as it is."""
    if type(value) is list and value and type(value[0]) is dict:
        return [
            {**entry, "since": rfc3339(entry["since"])} if type(entry.get("since")) is int else entry for entry in value
        ]
    return value


def value_of(now: Now) -> Value:
    """A live value."""
    return Value(
        shown(now.value),
        rfc3339(now.time),
        rfc3339(now.recorded),
        rfc3339(now.changed),
        QUALITIES[now.quality],
        now.fresh,
        None if now.stale_since is None else rfc3339(now.stale_since),
        now.position,
    )


def value_then(reading: Reading) -> Value:
    """A value of the past."""
    return Value(
        shown(reading.value),
        rfc3339(reading.time),
        rfc3339(reading.recorded),
        None,
        QUALITIES[reading.quality],
        None,
        None,
        reading.position,
    )


def link_view(link: Link) -> LinkView:
    until = None if link.until is None else rfc3339(link.until)
    return LinkView(link.kind, link.source, link.target, link.slot, rfc3339(link.since), until)


def twin_view(twin: Twin, **more: Any) -> TwinView:
    return TwinView(
        id=twin.id,
        name=twin.name,
        types=twin.types,
        description=twin.description,
        serial=twin.serial,
        stage=str(twin.stage),
        aliases=twin.aliases,
        attributes=twin.attributes,
        revision=twin.revision,
        created=rfc3339(twin.created),
        changed=rfc3339(twin.changed),
        **more,
    )


def quality_of(text: str | int) -> Quality:
    """By name (good, uncertain, bad, unavailable) or number. Raises InvalidInput."""
    if isinstance(text, str) and text.lower() in QUALITIES:
        return Quality(QUALITIES.index(text.lower()))
    if isinstance(text, int) and not isinstance(text, bool) and text in range(4):
        return Quality(text)
    raise InvalidInput(f"quality {text!r:.40} is not one of {', '.join(QUALITIES)}")


def pure(value: Any) -> Any:
    """Arrow and numpy scalars, dates and bytes as JSON has them."""
    return msgspec.to_builtins(value, enc_hook=str)

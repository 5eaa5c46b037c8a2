"""Bindings: how a property travels between a twin and its object. All bindings of a twin are its entanglement model."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.twin.types import FreshnessMode

__all__ = ["Binding", "ConnectorSpec"]


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """One property's way: where it is at its source, and where it belongs here."""

    address: str
    """Where the value is, in the connector's own words: an item, a topic and path, a node id."""
    twin: str
    property: str
    unit: str = ""
    """UCUM code of the value as the source tells it; empty: the property's own."""
    mode: FreshnessMode = FreshnessMode.CHANGES
    within_s: float = 60.0
    rate_hz: float | None = None
    """Greatest rate at which values are taken; None: all of them."""
    direction: str = "in"
    factor: float | None = None
    offset: float | None = None
    """value = raw · factor + offset, before the unit is converted; None: as it comes."""


class ConnectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A connector as it is declared: what kind, its settings (secrets only as references), its bindings."""

    id: str
    kind: str
    settings: dict[str, Any] = {}
    bindings: tuple[Binding, ...] = ()
    enabled: bool = True

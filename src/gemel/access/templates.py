"""Usual grants, by what the other organisation is to the plant: a start, that whoever grants may change."""

from __future__ import annotations

import msgspec

from gemel.access.principal import Action
from gemel.twin import PropertyGroup

__all__ = ["TEMPLATES", "Template"]

LOOKING = (Action.READ, Action.SUBSCRIBE, Action.QUERY, Action.EXPORT)


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Actions, groups and times of a grant, without whom it is to and of which twins."""

    id: str
    title: str
    told: str
    """Whom it is for, and what they see by it."""
    actions: tuple[Action, ...] = LOOKING
    groups: tuple[PropertyGroup, ...]
    days: int | None = None
    """How long it usually holds; None: until it is revoked."""
    history: str = ""
    """How much of the past: empty, all of it."""


_IDENTITY, _CONFIGURATION, _CONDITION, _USAGE, _LOCATION, _SAFETY = (
    PropertyGroup.IDENTITY,
    PropertyGroup.CONFIGURATION,
    PropertyGroup.CONDITION,
    PropertyGroup.USAGE,
    PropertyGroup.LOCATION,
    PropertyGroup.SAFETY,
)

TEMPLATES = (
    Template(
        id="service",
        title="Service for a job",
        told="A service partner on an open job: who the machine is, how it is built, its condition and its hours, for "
        "a week, with the last 30 days. No recipes, no output, no people.",
        groups=(_IDENTITY, _CONFIGURATION, _CONDITION, _USAGE),
        days=7,
        history="30d",
    ),
    Template(
        id="maker",
        title="Maker of the machine",
        told="The maker, for as long as the contract runs: identity, configuration, condition, hours and safety. "
        "No recipes, no output, no people.",
        groups=(_IDENTITY, _CONFIGURATION, _CONDITION, _USAGE, _SAFETY),
    ),
    Template(
        id="supplier",
        title="Supplier of a part",
        told="The supplier of a component: its condition and its hours, without the name of whom it serves.",
        actions=(Action.READ, Action.SUBSCRIBE, Action.QUERY),
        groups=(_CONDITION, _USAGE),
        history="90d",
    ),
    Template(
        id="owner",
        title="Owner, lessor or insurer",
        told="Whoever owns or insures it and does not run it: who it is, where it is, how much it is used.",
        groups=(_IDENTITY, _USAGE, _LOCATION),
    ),
    Template(
        id="regulator",
        title="Regulator or notified body",
        told="The safety record and the identity, to read and to take along, for 30 days.",
        actions=(Action.READ, Action.QUERY, Action.EXPORT),
        groups=(_IDENTITY, _SAFETY),
        days=30,
    ),
    Template(
        id="remote",
        title="Remote control for a day",
        told="A partner who operates the machine from afar: sees condition, process and safety now, and gives "
        "commands. The machine's own rules hold for them, too.",
        actions=(Action.READ, Action.SUBSCRIBE, Action.COMMAND),
        groups=(_IDENTITY, _CONDITION, PropertyGroup.PROCESS, _SAFETY),
        days=1,
        history="0s",
    ),
)

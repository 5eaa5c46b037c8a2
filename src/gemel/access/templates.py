"""Usual grants, by what the other organisation is to the plant: a start, that whoever grants may change."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.access.item_view import ItemColumn, ItemView, Machines
from gemel.access.principal import Action
from gemel.twin import PropertyGroup

__all__ = ["TEMPLATES", "Template"]

VIEWING = (Action.READ, Action.QUERY, Action.EXPORT)
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
    family: str = ""
    """Of views of the configuration, what makes them differ: role, business, scenario or customer."""
    items: ItemView | None = None
    """Of a view of the configuration: which items of which machines, and what of them."""
    asks: tuple[str, ...] = ()
    """What of `items` whoever grants has to fill in: makers, slots."""


_IDENTITY, _CONFIGURATION, _CONDITION, _USAGE, _LOCATION, _SAFETY = (
    PropertyGroup.IDENTITY,
    PropertyGroup.CONFIGURATION,
    PropertyGroup.CONDITION,
    PropertyGroup.USAGE,
    PropertyGroup.LOCATION,
    PropertyGroup.SAFETY,
)

_C = ItemColumn
_ALL = tuple(ItemColumn)
_READINGS = (_CONDITION, _USAGE)


def _view(family: str, id: str, title: str, told: str, columns: tuple[ItemColumn, ...], **more: Any) -> Template:
    """A view of the configuration, usual in one of the families."""
    terms = {name: more.pop(name) for name in ("days", "history", "asks") if name in more}
    groups = _READINGS if _C.READINGS in columns else ()
    items = ItemView(columns=columns, **more)
    return Template(id=id, title=title, told=told, actions=VIEWING, groups=groups, family=family, items=items, **terms)


VIEWS = (
    _view(
        "role",
        "oem",
        "View: maker of the machines",
        "As its machines are now, wherever they are: parts, software, counters, readings and what was done. No people.",
        tuple(one for one in _ALL if one is not _C.PEOPLE),
    ),
    _view(
        "role",
        "owner-operator",
        "View: owner and operator",
        "Everything of the machines that it owns or runs.",
        _ALL,
    ),
    _view(
        "role",
        "tier-supplier",
        "View: supplier of parts",
        "Its own parts wherever they are, with their counters and readings; machines without their names.",
        (_C.SERIALS, _C.REVISIONS, _C.MAKERS, _C.COUNTERS, _C.LIMITS, _C.READINGS, _C.NONCONFORMANCES),
        machines=Machines.ANONYMOUS,
        asks=("makers",),
    ),
    _view(
        "role",
        "contractor",
        "View: contractor on a job",
        "The slots of its work for a week: parts, revisions, documents, what was done and is planned. No people.",
        (
            _C.SERIALS,
            _C.REVISIONS,
            _C.MAKERS,
            _C.SOFTWARE,
            _C.LIMITS,
            _C.DOCUMENTS,
            _C.ACTS,
            _C.NONCONFORMANCES,
            _C.PLANS,
        ),
        days=7,
        asks=("slots",),
    ),
    _view(
        "business",
        "sale",
        "View: machine that was sold",
        "What it consists of, with documents and software, for whoever bought it.",
        (_C.SERIALS, _C.REVISIONS, _C.MAKERS, _C.SOFTWARE, _C.LIMITS, _C.DOCUMENTS),
    ),
    _view(
        "business",
        "lease",
        "View: leased machine",
        "For the lessor: what it consists of, how much it was used, what is wrong with it.",
        (_C.SERIALS, _C.REVISIONS, _C.COUNTERS, _C.LIMITS, _C.NONCONFORMANCES),
    ),
    _view(
        "business",
        "pay-per-use",
        "View: paid by use",
        "For whoever bills: counters of each serial number, nothing of how it is built or runs.",
        (_C.SERIALS, _C.COUNTERS),
    ),
    _view(
        "business",
        "availability",
        "View: availability contract",
        "For whoever promises that it is available: parts, limits, readings, what is wrong, done and planned.",
        tuple(one for one in _ALL if one not in (_C.PEOPLE, _C.DOCUMENTS)),
    ),
    _view(
        "scenario",
        "predictive-maintenance",
        "View: predictive maintenance",
        "Parts with their counters, limits and readings across machines, and what was exchanged when.",
        (_C.SERIALS, _C.REVISIONS, _C.MAKERS, _C.COUNTERS, _C.LIMITS, _C.READINGS, _C.ACTS),
    ),
    _view(
        "scenario",
        "ota-update",
        "View: software updates",
        "Controllers and software, with versions and serial numbers; nothing mechanical.",
        (_C.SERIALS, _C.REVISIONS, _C.SOFTWARE),
        kinds=("electrical", "software"),
    ),
    _view(
        "scenario",
        "performance",
        "View: compare performance",
        "Revisions, software, counters and readings, without serial numbers and names of machines.",
        (_C.REVISIONS, _C.MAKERS, _C.SOFTWARE, _C.COUNTERS, _C.READINGS),
        machines=Machines.ANONYMOUS,
    ),
    _view(
        "scenario",
        "troubleshooting",
        "View: troubleshooting",
        "Everything but people, for two days, with the last 30 days.",
        tuple(one for one in _ALL if one is not _C.PEOPLE),
        days=2,
        history="30d",
    ),
    _view(
        "customer",
        "customer",
        "View: customer",
        "What was agreed with this customer: to begin with parts, revisions, software and documents; no makers.",
        (_C.SERIALS, _C.REVISIONS, _C.SOFTWARE, _C.DOCUMENTS),
    ),
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
    *VIEWS,
)

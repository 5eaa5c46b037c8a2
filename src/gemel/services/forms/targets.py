"""At which items and twins a form may be filled in."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from gemel.configuration import Configuration, Item
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, NotFound, UnknownTwin
from gemel.registry import Registry
from gemel.services.forms.values import Form
from gemel.services.work import Orders, WorkOrder, WorkQuery, WorkState
from gemel.services.work.order import ENDED
from gemel.thread import Applies

__all__ = ["Target", "Targets"]

_OPEN = tuple(one for one in WorkState if one not in ENDED)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a form is filled in at."""

    item: Item | None
    root: Item | None
    """The machine, whose serial number ranges mean."""
    twin: str
    slots: tuple[tuple[str, str], ...] = ()
    """(parent, slot) that the item is in."""

    @property
    def name(self) -> str:
        return self.twin if self.item is None else self.item.id


class Targets:
    """What a form is filled in at, and whether it is for that."""

    def __init__(self, database: Database, registry: Registry, configuration: Configuration, orders: Orders) -> None:
        self._database, self._registry = database, registry
        self._configuration, self._orders = configuration, orders

    def open_orders(self, target: Target) -> list[WorkOrder]:
        """Work orders under way or planned, of an item or of the twin as a whole."""
        item = "" if target.item is None else target.item.id
        asked = WorkQuery(twin=target.twin, item="" if target.twin else item, states=_OPEN, limit=1000)
        return [one for one in self._orders.all(asked).items if one.item in ("", item)]

    def at(self, item: str, twin: str, at: int) -> Target:
        """An item or a twin, as it is at a moment. Raises NotFound, UnknownTwin, Conflict (the item is not of it)."""
        configuration = self._configuration
        if twin:
            entry = self._registry.directory.twin(twin)
            if entry is None:
                raise UnknownTwin(f"there is no twin {twin!r:.100}; search for a part of its name", twin=twin[:128])
            twin = entry.id
            item = item or configuration.item_of(twin)
        if not item:
            if not twin:
                raise InvalidInput("say at which item, or at which twin")
            return Target(item=None, root=None, twin=twin)
        me = configuration.items([item], at).get(item)
        if me is None:
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
        of = configuration.twin_of(me.id, at)
        if twin and of != twin:
            raise Conflict(f"{me.id} is not of {twin} at that time, but of {of or 'no twin'}; name the item alone")
        end = configuration.end_item(me.id, at) or replace(me, serial="", lot="")
        held = [one for one in configuration.history(me.id) if one.valid.covers(at)]
        return Target(item=me, root=end, twin=of, slots=tuple((one.parent, one.slot) for one in held))

    def unfit(self, form: Form, target: Target, at: int) -> str:
        """Why a form is not for something; empty: it is."""
        me, root = target.item, target.root
        if form.applies:
            if me is None or root is None:
                return f"it is for {_listed(one.part for one in form.applies)}, and {target.twin} has no item"
            with self._database.read() as tx:
                part = self._configuration.parts.read(tx).of(me.part, me.maker)
            if not any(one.covers(me, root, part, at) for one in form.applies):
                what = " ".join(filter(None, (me.part, me.revision, f"({root.serial})" if root.serial else "")))
                return f"it is for {_listed(map(_covered, form.applies))}, and {me.id} is {what or 'not known'}"
        if form.slots and not {slot for _, slot in target.slots} & set(form.slots):
            return f"it is for what is in {_listed(form.slots)}"
        if form.types or form.stages:
            entry = self._registry.directory.twin(target.twin) if target.twin else None
            if entry is None:
                return "it is for twins, and there is none"
            told = self._registry.twin(entry.id)
            if at < told.changed:  # what it was then is not known here: whoever offered it knew
                return ""
            if form.types and not set(entry.types) & set(form.types):
                return f"it is for twins of {_listed(form.types)}, and {entry.id} is of {_listed(entry.types)}"
            if form.stages and told.stage not in form.stages:
                return f"it is for twins that are {_listed(form.stages)}, and {entry.id} is {told.stage}"
        return ""

    def not_under(self, form: Form, order: str, target: Target) -> str:
        """Why a work order is not one that it may be filled in under. Raises NotFound."""
        if not order:
            return f"it is filled in under a work order that follows {_listed(form.jobs)}" if form.jobs else ""
        told = self._orders.get(order)
        item = "" if target.item is None else target.item.id
        if not (told.item and told.item == item) and not (told.twin and told.twin == target.twin):
            return f"{order} is for {told.item or told.twin}"
        if form.jobs and told.job not in form.jobs:
            return f"{order} follows {told.job or 'no job plan'}, not {_listed(form.jobs)}"
        return ""


def _covered(one: Applies) -> str:
    return " ".join([one.part, *one.revisions, *(f"({serials})" for serials in one.serials)])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:5])

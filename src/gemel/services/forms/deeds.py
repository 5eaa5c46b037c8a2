"""What answers do besides being kept: operations on the configuration, and readings of the twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from gemel.configuration import Basis, Configuration, Item, Saw, Wish, operations
from gemel.errors import Conflict, GemelError, InvalidDocument, Problem
from gemel.intake import Guard, Reported, fitted
from gemel.registry import Entry
from gemel.services.forms.values import Amiss, Field, FieldKind, Form
from gemel.twin import MANUAL

__all__ = ["LONGEST_REASON", "Deed", "Done", "counted", "deeds", "readings"]

SOURCE = "form"
LONGEST_REASON = 900


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A form that was filled in and checked: what its deeds rest on."""

    id: str
    form: Form
    answers: Mapping[str, Any]
    at: int
    order: str


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that an answer does."""

    field: str
    wish: Wish
    raises: bool = False
    """It raises a nonconformance, of what is amiss."""


def deeds(configuration: Configuration, done: Done, item: Item | None, amiss: Sequence[Amiss]) -> list[Deed]:
    """The operations, in the order of the fields, but for what is `counted`. Raises Conflict where there is no item to
    do them on."""
    wanted = [field for field in done.form.fields if field.name in done.answers]
    wrong = {one.field: one for one in amiss}
    found: list[Deed] = []
    for field in wanted:
        raised = wrong.get(field.name) if field.outside is not None else None
        if not (field.observe or field.counter or raised):
            continue
        if item is None:
            raise Conflict(f"{field.ask:.100} is of an item, and the twin has none; create an item whose twin it is")
        if field.observe:
            found += [_deed(done, field, one, "") for one in _observed(configuration, item.id, field, done)]
        if raised is not None and field.outside is not None:
            told = operations.Raise(item=item.id, slot=field.observe, at=done.at, level=field.outside)
            text = f"{field.ask}: not as it should be" if field.reading else raised.text  # not all see its readings
            found.append(_deed(done, field, told, f"{done.form.title}: {text}", raises=True))
    return found


def _deed(done: Done, field: Field, said: operations.Operation, reason: str, *, raises: bool = False) -> Deed:
    evidence = f"record:{done.id}"
    basis = Basis(source=SOURCE, work_order=done.order, evidence=evidence, reason=reason[:LONGEST_REASON], seen=True)
    return Deed(field=field.name, wish=Wish(operation=said, basis=basis), raises=raises)


def _observed(configuration: Configuration, item: str, field: Field, done: Done) -> list[operations.Observe]:
    """What was seen in a slot: a serial number; or all that is recorded there; or nothing."""
    answer = done.answers[field.name]
    if field.kind is FieldKind.SERIAL:
        return [operations.Observe(parent=item, slot=field.observe, at=done.at, serial=answer)]
    if not answer:
        return [operations.Observe(parent=item, slot=field.observe, at=done.at, saw=Saw.NOTHING)]
    held = [one.item.id for one in configuration.tree(item, done.at).parts if one.path[-1] == field.observe]
    if not held:
        return [operations.Observe(parent=item, slot=field.observe, at=done.at, saw=Saw.UNKNOWN)]
    return [operations.Observe(parent=item, slot=field.observe, at=done.at, item=one) for one in held]


def counted(tx: Connection, configuration: Configuration, done: Done, item: Item) -> list[Deed]:
    """What meters tell more, or less, than is counted of the item, as is believed in the transaction."""
    found: list[Deed] = []
    for kind, field in {field.counter: field for field in done.form.fields if field.name in done.answers}.items():
        if not kind:
            continue
        meter = done.answers[field.name]
        said = configuration.metered(tx, item.id, kind, meter, at=done.at)
        if said is not None:
            told = isinstance(said, operations.Adjust)
            found.append(_deed(done, field, said, f"{done.form.title}: {field.ask} {meter:g}" if told else ""))
    return found


def readings(done: Done, entry: Entry | None, guard: Guard) -> list[Reported]:
    """The readings that answers are. Raises InvalidDocument where one does not fit its property, or is told by another
    source (`guard`), Conflict (no twin)."""
    found: list[Reported] = []
    faults: list[Problem] = []
    for field in done.form.fields:
        if not field.reading or field.name not in done.answers:
            continue
        if entry is None:
            raise Conflict(f"{field.ask:.100} is a reading of {field.reading}, and the item has no twin")
        value, ref = done.answers[field.name], entry.properties.get(field.reading)
        try:
            if ref is None:
                raise Conflict(f"{entry.id} has no property {field.reading}; declare the form for other twins")
            if ref.property.computed is not None:
                raise Conflict(f"{entry.id}.{field.reading} is computed; nobody tells it")
            if (entry.id, ref.property.name) in guard.guarded() and (
                objection := guard.objection(entry, ref.property.name, MANUAL)
            ):
                raise Conflict(objection)
            unit = field.unit if field.kind is FieldKind.NUMBER else ""
            fitted(entry.id, ref.property, value, unit)
        except GemelError as error:
            faults.append(Problem(error.detail, field.name))
            continue
        found.append(Reported(twin=entry.id, property=field.reading, value=value, time=done.at, unit=unit))
    if faults:
        raise InvalidDocument(done.form.title, faults)
    return found

"""What somebody saw in a slot, and what a device told of its software: noted beside what is held to be so."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row, not_known, place_of
from gemel.configuration.belief import Entry, known_at
from gemel.configuration.operations import Observe, Report
from gemel.configuration.values import Observation, Saw, Span
from gemel.errors import InvalidInput

__all__ = ["observe", "observed", "read_item", "report"]


def observe(entry: Entry, said: Observe) -> None:
    """Note what was seen. Raises NotFound, InvalidInput."""
    told = (said.item, said.part, said.maker, said.serial, said.revision)
    if said.saw is not Saw.ITEM and any(told):
        raise InvalidInput(f"who saw {said.saw} in {said.slot} of {said.parent} read no part or serial number")
    if said.saw is Saw.ITEM and not any(told):
        raise InvalidInput(f"say what was seen in {said.slot} of {said.parent}: an item, a part or a serial number")
    parent = item_row(entry.tx, said.parent)
    number = item_row(entry.tx, said.item).number if said.item else read_item(entry.tx, said)
    entry.believe(
        tables.observation,
        Span(said.at, said.at + 1),
        ended=True,
        place=place_of(entry.tx, parent.number, said.slot),
        saw=said.saw.value,
        item=number,
        part=said.part,
        maker=said.maker,
        serial=said.serial,
        revision=said.revision,
    )


def read_item(tx: Connection, said: Observe) -> int | None:
    """The number of the one item that has what was read on it."""
    if not said.serial:
        return None
    c = tables.item.c
    same = [c.serial == said.serial, c.merged.is_(None)]
    same += [column == told for column, told in ((c.part, said.part), (c.maker, said.maker)) if told]
    found = tx.scalars(select(c.number).where(*same).limit(2)).all()
    return found[0] if len(found) == 1 else None


def observed(tx: Connection, root: str, at: int, known: int) -> list[Observation]:
    """What was seen in the slots of one item up to a moment, the last first. Raises NotFound."""
    o, p, x = tables.observation, tables.place, tables.item
    parent = item_row(tx, root)
    rows = tx.execute(
        select(o, p.c.slot, x.c.id.label("seen"))
        .join(p, p.c.number == o.c.place)
        .outerjoin(x, x.c.number == o.c.item)
        .where(p.c.parent == parent.number, o.c.valid_from <= at, known_at(o, known))
        .order_by(o.c.valid_from.desc(), o.c.number.desc())
    ).all()
    return [
        Observation(
            act=row.begun_by,
            parent=parent.id,
            slot=row.slot,
            time=row.valid_from,
            saw=Saw(row.saw),
            item=row.seen or "",
            part=row.part,
            maker=row.maker,
            serial=row.serial,
            revision=row.revision,
        )
        for row in rows
    ]


def report(entry: Entry, said: Report) -> None:
    """From this moment on a device runs this version, up to the next report. Raises NotFound, Conflict."""
    row = item_row(entry.tx, said.item)
    if said.at < row.born:
        raise not_known(row)
    c = tables.software.c
    values = {"item": row.number, "slot": said.slot, "part": said.part, "version": said.version}
    entry.follow(tables.software, (c.item == row.number) & (c.slot == said.slot), said.at, values)

"""Making a plant as declared: new twins in bulk, staged beforehand when there are many, then one switch."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from gemel.errors import Conflict, RevisionConflict
from gemel.registry import connectors, links, tables, twins, types
from gemel.registry.plan import Action, Plan, Step
from gemel.registry.planning import chunks
from gemel.twin import Change, LifeStage, Twin, TwinSpec

__all__ = ["STAGED_FROM", "Staging", "Work", "apply"]

STAGED_FROM = 1000
"""New twins from which on a plan is staged: fewer fit into one short transaction."""
CHUNK = 500
Work = Callable[[Connection], list[Change]]
LinkKey = tuple[str, str, str, str]
"""(kind, source, target, slot)."""


class Staging:
    """Brings in many new twins and links in short transactions, unseen until `apply` switches them on.

    One at a time: whoever stages next clears away what was staged before and never applied.
    """

    def __init__(self, *, left_over: bool) -> None:
        self._left_over = left_over

    def stages(self, plan: Plan, now: Callable[[], int]) -> Iterator[Work]:
        """Pieces of work, each to be run in a transaction of its own, in order."""
        while self._left_over:
            yield self._clear
        new = {step.id for step in plan.of("twin", Action.CREATE)}
        if len(new) < STAGED_FROM:
            return
        plan.__dict__["other_links"] = _new_links(plan, lambda source: source not in new)
        batch = secrets.randbelow(2**31 - 1) + 1  # never one that was used before
        numbers: dict[str, int] = {}

        def begin(tx: Connection) -> list[Change]:
            tx.execute(insert(tables.batch).values(number=batch, live=False, created=now()))
            plan.__dict__["batch"] = batch
            self._left_over = True
            return []

        def twins_of(tx: Connection, specs: Sequence[TwinSpec]) -> list[Change]:
            _check_pending(tx, batch)
            made = _insert_twins(tx, specs, now=now(), batch=batch)
            numbers.update((twin.id, twin.number) for twin, _ in made)
            return [_staged_change(batch, now(), twins=[_told(twin, shape) for twin, shape in made])]

        def links_of(tx: Connection, pairs: Sequence[LinkKey]) -> list[Change]:
            _check_pending(tx, batch)
            _insert_links(tx, pairs, numbers, now=now(), batch=batch)
            return [_staged_change(batch, now(), links=[list(pair) for pair in pairs])]

        yield begin
        for specs in chunks([spec for spec in plan.plant.twins if spec.id in new], CHUNK):
            yield partial(twins_of, specs=specs)
        for pairs in chunks(_new_links(plan, lambda source: source in new), CHUNK):
            yield partial(links_of, pairs=pairs)
        yield _survey

    def _clear(self, tx: Connection) -> list[Change]:
        """Take away some of what was staged and never applied."""
        b, t = tables.batch.c, tables.twin.c
        dead = tx.scalars(select(b.number).where(b.live.is_(False))).all()
        loose = tx.scalars(select(tables.link.c.number).where(tables.link.c.batch.in_(dead)).limit(CHUNK)).all()
        rows = tx.scalars(select(t.number).where(t.batch.in_(dead)).limit(CHUNK)).all()
        if loose:
            tx.execute(delete(tables.link).where(tables.link.c.number.in_(loose)))
        elif rows:
            for table in (tables.alias, tables.attribute):
                tx.execute(delete(table).where(table.c.twin.in_(rows)))
            tx.execute(delete(tables.twin).where(t.number.in_(rows)))
        else:
            tx.execute(delete(tables.batch).where(b.number.in_(dead)))
            self._left_over = False
        return []


def _check_pending(tx: Connection, batch: int) -> None:
    live = tx.scalar(select(tables.batch.c.live).where(tables.batch.c.number == batch))
    if live is not False:
        raise Conflict("another apply has begun since this plan was made; plan again")


def _staged_change(batch: int, now: int, **body: Any) -> Change:
    return Change(kind="plant.staged", subject=f"batch-{batch}", time=now, body={"batch": batch, **body})


def _survey(tx: Connection) -> list[Change]:
    """Without new statistics PostgreSQL would scan all new rows for every step of a recursive query."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("ANALYZE registry_twin, registry_alias, registry_attribute, registry_link")
    return []


def _new_links(plan: Plan, wanted: Callable[[str], bool]) -> list[LinkKey]:
    steps = plan.of("link", Action.CREATE)
    return [step.link for step in steps if step.link is not None and wanted(step.link[1])]


def apply(tx: Connection, plan: Plan, *, now: int) -> list[Change]:
    """Do what the plan says, all of it or nothing.

    Raises RevisionConflict if something of it was changed since the plan was made.
    """
    plant = plan.plant
    changes: list[Change] = []
    if plan.of("site", Action.CHANGE) and plant.site is not None:
        changes += connectors.put_site(tx, plant.site, now=now)
    touched = {step.id: step for step in plan.of("type", Action.CREATE, Action.CHANGE)}
    for declared in plant.types:
        step = touched.get(declared.id)
        if step is not None:
            changes += types.put_type(tx, declared, now=now, if_version=step.revision)
    changes += _create_twins(tx, plan, now=now)
    changes += _change_twins(tx, plan, now=now)
    changes += _apply_links(tx, plan, now=now)
    changed = {step.id for step in plan.of("connector", Action.CREATE, Action.CHANGE)}
    for connector in plant.connectors:
        if connector.id in changed:
            changes += connectors.put_connector(tx, connector, now=now, declared=True)
    for step in plan.of("connector", Action.REMOVE):
        changes += connectors.remove_connector(tx, step.id, now=now)
    for step in plan.of("twin", Action.REMOVE):
        _meanwhile(tx, step)
        row = twins.twin_row(tx, step.id)
        changes += twins.retire_twin(tx, step.id, now=now) + links.end_all(tx, row.number, now=now)
    if plan:
        body = {"batch": plan.batch, **plan.counts()}
        changes.append(Change(kind="plant.applied", subject="plant", time=now, body=body))
    return changes


def _meanwhile(tx: Connection, step: Step) -> None:
    revision = tx.scalar(select(tables.twin.c.revision).where(tables.twin.c.id == step.id))
    if revision != step.revision:
        raise RevisionConflict(
            f"{step.id} was changed since the plan was made (revision {revision}, not {step.revision}); plan again",
            revision=revision or 0,
        )


def _change_twins(tx: Connection, plan: Plan, *, now: int) -> list[Change]:
    steps = {step.id: step for step in plan.of("twin", Action.CHANGE)}
    changes: list[Change] = []
    for spec in plan.plant.twins if steps else ():
        step = steps.get(spec.id)
        if step is not None:
            _meanwhile(tx, step)
            changes += twins.put_twin(tx, spec, now=now, declared=True)
    return changes


def _create_twins(tx: Connection, plan: Plan, *, now: int) -> list[Change]:
    if plan.batch:
        live = tx.execute(update(tables.batch).where(tables.batch.c.number == plan.batch).values(live=True))
        if live.rowcount != 1:
            raise Conflict("what was staged for this plan is gone; plan again")
        return []
    changes = []
    ids = {step.id for step in plan.of("twin", Action.CREATE)}
    new = [spec for spec in plan.plant.twins if spec.id in ids]
    for chunk in chunks(new, CHUNK):
        for twin, shape in _insert_twins(tx, chunk, now=now, batch=0):
            body = _told(twin, shape)
            changes.append(Change(kind="twin.created", subject=twin.id, time=now, body=body))
    return changes


def _apply_links(tx: Connection, plan: Plan, *, now: int) -> list[Change]:
    changes: list[Change] = []
    for step in plan.of("link", Action.REMOVE):
        if step.link is not None:
            kind, source, target, slot = step.link
            changes += links.end_link(tx, kind, source, target, until=None, now=now, slot=slot)
    # For a staged plan what is left to link was picked out before: this transaction is to be short.
    new = plan.__dict__["other_links"] if plan.batch else _new_links(plan, lambda _: True)
    for pairs in chunks(new, CHUNK):
        _insert_links(tx, pairs, {}, now=now, batch=0)
        changes += [
            Change(kind="link.created", subject=source, time=now, body=links.link_body(kind, source, target, slot, now))
            for kind, source, target, slot in pairs
        ]
    return changes


def _told(twin: Twin, shape: int) -> dict[str, Any]:
    return {"number": twin.number, "shape": shape, "twin": msgspec.to_builtins(twin)}


def _insert_twins(tx: Connection, specs: Sequence[TwinSpec], *, now: int, batch: int) -> list[tuple[Twin, int]]:
    """New rows for twins that the plan has checked; (twin, shape) of each."""
    t = tables.twin.c
    ids = [spec.id for spec in specs]
    there = tx.scalar(select(t.id).where(t.id.in_(ids)).limit(1))
    if there is not None:
        raise RevisionConflict(f"{there} was created since the plan was made; plan again", revision=0)
    number = int(tx.scalar(select(func.max(t.number))) or 0)
    shapes: dict[tuple[str, ...], int] = {}
    made, rows, aliases, attributes = [], [], [], []
    for spec in specs:
        number += 1
        if spec.types not in shapes:
            shapes[spec.types] = twins.shape_number(tx, spec.types, staged=bool(batch))
        twin = Twin(
            id=spec.id,
            number=number,
            types=spec.types,
            name=spec.name,
            description=spec.description,
            serial=spec.serial,
            aliases=spec.aliases,
            stage=spec.stage or LifeStage.PLANNED,
            attributes=spec.attributes,
            created=now,
            changed=now,
        )
        made.append((twin, shapes[spec.types]))
        rows.append(twins.row_of(twin, shapes[spec.types], declared=True, batch=batch))
        aliases += [{"alias": alias, "twin": number} for alias in spec.aliases]
        attributes += [
            {"key": key, "value": value, "twin": number}
            for key, value in dict.fromkeys(twins.flat_attributes(spec.attributes))
        ]
    for table, values in ((tables.twin, rows), (tables.alias, aliases), (tables.attribute, attributes)):
        if values:
            tx.execute(insert(table), values)
    return made


def _insert_links(tx: Connection, pairs: Sequence[LinkKey], known: dict[str, int], *, now: int, batch: int) -> None:
    """New rows for links that the plan has checked; `known` gathers the numbers of twins."""
    c = tables.link.c
    unknown = sorted({id for pair in pairs for id in pair[1:3] if id not in known})
    for ids in chunks(unknown, CHUNK):
        found = tx.execute(select(tables.twin.c.id, tables.twin.c.number).where(tables.twin.c.id.in_(ids)))
        known.update((row.id, row.number) for row in found)
    number = int(tx.scalar(select(func.max(c.number))) or 0)
    rows = []
    for kind, source, target, slot in pairs:
        number += 1
        rows.append(
            {
                "number": number,
                "kind": kind,
                "source": known[source],
                "target": known[target],
                "slot": slot,
                "since": now,
                "until": None,
                "declared": True,
                "batch": batch,
            }
        )
    tx.execute(insert(tables.link), rows)

"""Operations that have nothing to do with one another: each lot of them can be tried without the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from gemel.configuration import operations as ops
from gemel.configuration.acts.acting import item_row
from gemel.configuration.acts.doing import subjects
from gemel.configuration.operations import Operation
from gemel.configuration.questions.finding import machine_of
from gemel.configuration.values import FOREVER, ItemKind
from gemel.errors import NotFound

__all__ = ["apart"]

_OF_ACTS = ops.Correct | ops.Withdraw | ops.Judge
"""They name no item: they may be about any."""


def apart(tx: Connection, operations: Sequence[Operation]) -> list[list[int]]:
    """The places of operations in lots, in order. Two are of one lot when they are about the same machine, item, serial
    number or other name, directly or by others."""
    if any(isinstance(one, _OF_ACTS) for one in operations):
        return [list(range(len(operations)))]
    lots: dict[tuple[str, str], list[int]] = {}
    machines: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for at, one in enumerate(operations):
        lot = [at]
        keys = set(_keys(tx, one, machines))
        for other in {id(lots[key]): lots[key] for key in keys if key in lots}.values():
            lot += other
            keys |= {key for key, held in lots.items() if held is other}
        lots |= dict.fromkeys(keys, lot)
    return sorted(sorted(lot) for lot in {id(lot): lot for lot in lots.values()}.values())


def _keys(
    tx: Connection, one: Operation, machines: dict[tuple[str, int], list[tuple[str, str]]]
) -> Iterator[tuple[str, str]]:
    """What an operation is about. A store that a part goes to or comes from holds what others put there, too."""
    moment: int = one.start if isinstance(one, ops.Use) else getattr(one, "at", 0)
    stores: list[tuple[str, str]] = []
    alone = True
    for name in subjects(one):
        if (name, moment) not in machines:
            machines[name, moment] = _item(tx, name, moment)
        found = machines[name, moment]
        if found[0][0] == "store":
            stores += found
        else:
            yield from found
            alone = False
    if alone:
        yield from stores
    spec = getattr(one, "spec", None)
    for told in (one, spec):
        if serial := getattr(told, "serial", None):
            yield "serial", serial
    if spec is not None:
        yield "item", spec.id
        yield from (("name", value) for value in spec.aliases.values())


def _item(tx: Connection, name: str, moment: int) -> list[tuple[str, str]]:
    try:
        row = item_row(tx, name)
        if row.kind == ItemKind.LOCATION:
            return [("store", row.id)]
        return [("item", row.id), ("item", machine_of(tx, name, moment, FOREVER - 1))]
    except NotFound:  # it is to be made
        return [("item", name)]

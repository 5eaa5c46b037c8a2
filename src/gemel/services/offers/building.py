"""An order, and an as-built record, as operations on the configuration. Without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gemel.configuration import Item, ItemKind, ItemSpec, Operation, operations
from gemel.errors import InvalidInput
from gemel.services.offers.values import Offer, Piece, Record

__all__ = ["planned_of", "said_of"]

BUILT = "built"
MOST_PIECES = 1000


def said_of(machine: Item, record: Record, at: int, *, find: Callable[[str], bool]) -> list[Operation]:
    """What was done to the machine to build it; `find`: whether there is an item of this id. Raises InvalidInput."""
    if len(record.pieces) > MOST_PIECES:
        raise InvalidInput(f"a record is of {MOST_PIECES} pieces at most; load larger ones line by line")
    said: list[Operation] = []
    if record.serial and record.serial != machine.serial:
        said.append(operations.Identify(item=machine.id, at=machine.born, serial=record.serial))
    if record.revision and record.revision != machine.revision:
        said.append(operations.Modify(child=machine.id, name="revision", value=record.revision, at=at))
    held: dict[tuple[str, ...], str] = {(): machine.id}
    taken = {machine.id}
    for piece in sorted(record.pieces, key=lambda one: len(one.path)):
        parent = held.get(piece.path[:-1]) if piece.path else None
        if parent is None:
            where = " / ".join(piece.path[:-1]) or "nothing"
            raise InvalidInput(f"the record has {piece.part:.80} within {where}, and says of nothing that it is there")
        id = _id_of(piece, parent, taken)
        taken.add(id)
        held.setdefault(piece.path, id)
        if not (piece.item and find(id)):
            spec = ItemSpec(
                id=id,
                part=piece.part,
                revision=piece.revision,
                maker=piece.maker,
                serial=piece.serial,
                lot=piece.lot,
                quantity=piece.quantity,
            )
            said.append(operations.Create(spec=spec, at=at))
        said.append(operations.Install(child=id, parent=parent, slot=piece.path[-1], at=at))
    said.append(operations.Modify(child=machine.id, name="milestone", value=BUILT, at=at))
    return said


def _id_of(piece: Piece, parent: str, taken: set[str]) -> str:
    if piece.item:
        return piece.item
    id = f"{parent}.{piece.path[-1]}"
    number = 1
    while id in taken:
        number += 1
        id = f"{parent}.{piece.path[-1]}.{number}"
    return id


def planned_of(offer: Offer, at: int, kinds: Mapping[tuple[str, ...], ItemKind]) -> list[Operation]:
    """The as-planned configuration: pieces that do not exist yet, in their slots."""
    said: list[Operation] = []
    places: dict[tuple[str, ...], list[str]] = {(): [offer.item]}
    for choice in offer.selection:
        slot = choice.path[-1]
        for holder in places[choice.path[:-1]]:
            mine = [one for one in places.get(choice.path, ()) if one.startswith(f"{holder}.")]
            id = f"{holder}.{slot}" + (f".{len(mine) + 1}" if mine else "")
            spec = ItemSpec(
                id=id,
                part=choice.part,
                revision=choice.revision,
                maker=choice.maker,
                kind=kinds.get(choice.path, ItemKind.HARDWARE),
                quantity=choice.quantity,
            )
            said += [
                operations.Create(spec=spec, at=at),
                operations.Install(child=id, parent=holder, slot=slot, at=at),
            ]
            places.setdefault(choice.path, []).append(id)
    return said

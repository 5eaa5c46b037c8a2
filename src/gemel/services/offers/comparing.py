"""An as-built record beside the bill of material of the order. Without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gemel.configuration import Item, Node
from gemel.services.offers.values import Choice, Compared, Line, Match

__all__ = ["compared"]

Path = tuple[str, ...]


def compared(ordered: Sequence[Choice], built: int | None, tree: Node | None) -> Compared:
    """Slot by slot, the outermost first; of several pieces in a slot, those that are alike are put together first."""
    lines: list[Line] = []
    held: dict[Path, list[Item]] = {}
    for node in _all(tree) if tree is not None else ():
        held.setdefault(node.path, []).append(node.item)
    wanted: dict[Path, list[Choice]] = {}
    for choice in ordered:
        wanted.setdefault(choice.path, []).append(choice)
    for path in sorted(wanted.keys() | held.keys(), key=lambda path: (len(path), path)):
        lines += _slot(path, wanted.get(path, []), held.get(path, []))
    mine = [one for one in lines if one.match is not Match.NOT_ORDERED]
    good = sum(one.match is Match.AS_ORDERED and not one.gap for one in mine)
    seen = Counter(one.match for one in lines)
    counts = {one.value: seen[one] for one in Match}
    share = good / len(mine) if mine else 0.0
    return Compared(built=built, lines=tuple(lines), counts=counts, share=share)


def _slot(path: Path, wanted: Sequence[Choice], held: Sequence[Item]) -> Iterator[Line]:
    open_, left = list(wanted), list(held)
    for match, alike in (
        (Match.AS_ORDERED, _same),
        (Match.OTHER_REVISION, _same_part),
        (Match.OTHER_PART, lambda _one, _other: True),
    ):
        for choice in list(open_):
            item = next((one for one in left if alike(choice, one)), None)
            if item is not None:
                open_.remove(choice)
                left.remove(item)
                yield _line(path, match, choice, item)
    for choice in open_:
        yield Line(path=path, match=Match.MISSING, ordered=_named(choice.part, choice.revision), gap="content")
    for item in left:
        yield _line(path, Match.NOT_ORDERED, None, item)


def _same_part(choice: Choice, item: Item) -> bool:
    return choice.part == item.part and choice.maker in ("", item.maker)


def _same(choice: Choice, item: Item) -> bool:
    """Of the ordered revision; what is not known differs."""
    same = _same_part(choice, item) and choice.revision in ("", item.revision)
    return same and choice.quantity == item.quantity


def _line(path: Path, match: Match, choice: Choice | None, item: Item) -> Line:
    gap = "serial" if not (item.serial or item.lot) else ""
    if not gap and choice is not None and choice.revision and not item.revision:
        gap = "revision"
    return Line(
        path=path,
        match=match,
        ordered="" if choice is None else _named(choice.part, choice.revision),
        built=_named(item.part, item.revision),
        item=item.id,
        serial=item.serial or item.lot,
        gap=gap,
    )


def _named(part: str, revision: str) -> str:
    return f"{part} {revision}".strip()


def _all(node: Node) -> Iterator[Node]:
    for one in node.parts:
        yield one
        yield from _all(one)

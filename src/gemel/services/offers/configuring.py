"""Configuring a machine: what may be in its slots, held against the rules of the parts book as it is chosen.

Without I/O. The rules are those that hold for real machines: a choice is made into a tree of items that do not exist
yet, and they are asked of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from msgspec.structs import replace

from gemel.configuration import (
    Book,
    Finding,
    Item,
    ItemKind,
    Level,
    Node,
    PartType,
    Place,
    SlotRule,
    SlotSpec,
    check_rules,
    in_revisions,
    places,
)
from gemel.errors import InvalidInput, NotFound
from gemel.services.money import totals
from gemel.services.offers.pricing import plan_of, prices_of, unpriced
from gemel.services.offers.values import (
    Asked,
    Choice,
    Configured,
    Found,
    Model,
    Option,
    Revised,
    SlotChoices,
)

__all__ = ["configured"]

MOST_CHOICES = 1000
VISITED = 40_000
"""Items of trees that are looked at for what else would fit: about two seconds."""
TRIED = 400
"""Changes that are tried for the ways out of one finding."""
WAYS = 3
"""So many of them are told."""
DEEPEST = 16
_RANK = (Level.ALLOW, Level.WARN, Level.CONCESSION, Level.BLOCK)
_NOT_MADE = "not made yet"
Path = tuple[str, ...]


def configured(book: Book, model: Model, asked: Asked, at: int) -> Configured:
    """What the rules say of a choice, and what may be chosen besides. Raises NotFound, InvalidInput."""
    part = book.of(asked.part, asked.maker)
    if part is None:
        raise NotFound(f"the parts book has no part {asked.part!r:.80}; `gemel parts` lists what it has")
    _check(asked)
    desk = _Desk(book, part, asked, at)
    selection = desk.ordered(asked.selection)
    if asked.fill:
        selection = desk.filled(selection)
    tree = desk.tree(selection)
    findings = desk.findings(tree)
    slots = tuple(desk.slots(tree))
    shown = desk.shown(slots, selection, model)
    missing = tuple(one.path for one in findings if one.rule == "missing")
    plan = plan_of(model, asked.plan)
    prices = (*prices_of(book, model, part, selection), *(plan.prices if plan is not None else ()))
    told = tuple(desk.way_out(one, selection, slots, findings) for one in findings if one.rule != "missing")
    return Configured(
        part=part.part,
        maker=part.maker,
        name=model.title or part.name,
        selection=selection,
        slots=tuple(shown),
        findings=told,
        missing=missing,
        complete=not missing,
        level=max((one.level for one in told), key=_RANK.index, default=Level.ALLOW),
        prices=prices,
        totals=totals(prices),
        unpriced=unpriced(model, selection) if model.prices else (),
    )


def _check(asked: Asked) -> None:
    if len(asked.selection) > MOST_CHOICES:
        raise InvalidInput(f"a machine is chosen of {MOST_CHOICES} parts at most, not {len(asked.selection)}")
    for choice in asked.selection:
        if not choice.path or len(choice.path) > DEEPEST:
            raise InvalidInput(
                f"a choice names its slots from the machine down, 1 to {DEEPEST}, not {choice.path!r:.80}"
            )
        if not 1 <= choice.quantity <= 1_000_000:
            raise InvalidInput(f"so many pieces cannot be chosen: {choice.quantity}; use 1 or more")


class Slot(NamedTuple):
    """A slot of the tree."""

    path: Path
    spec: SlotSpec
    holder: Item
    part: PartType
    held: tuple[Choice, ...]


class _Desk:
    """One machine, at one moment."""

    def __init__(self, book: Book, part: PartType, asked: Asked, at: int) -> None:
        self._book, self._part, self._asked, self._at = book, part, asked, at
        self._labels: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        self._visited = 0

    # a choice as a tree

    def tree(self, selection: Sequence[Choice]) -> Node:
        """Of items that do not exist; each has the id of its place, so that findings of two trees can be compared."""
        inside: dict[Path, list[Choice]] = {}
        for choice in selection:
            inside.setdefault(choice.path[:-1], []).append(choice)
        revision = self._asked.revision or self._newest(self._part)
        root = _item("⟦⟧", self._part.part, self._part.maker, revision, self._asked.serial)
        self._labels[root.id], self._paths[root.id] = self._part.part, ()
        return Node(item=root, path=(), since=self._at, parts=self._inner((), "", root, inside))

    def _inner(self, path: Path, place: str, holder: Item, inside: dict[Path, list[Choice]]) -> tuple[Node, ...]:
        found = []
        known = self._book.of(holder.part, holder.maker)
        several: Counter[str] = Counter()
        for choice in inside.get(path, ()):
            slot = choice.path[-1]
            several[slot] += 1
            name = f"{place}/{slot}.{several[slot]}"
            spec = known.slot(slot) if known is not None else None
            kind = spec.kind if spec is not None else ItemKind.HARDWARE
            item = _item(f"⟦{name}⟧", choice.part, choice.maker, choice.revision, _NOT_MADE, kind, choice.quantity)
            self._labels[item.id], self._paths[item.id] = f"{choice.part} {choice.revision}".strip(), choice.path
            inner = self._inner(choice.path, name, item, inside)
            found.append(Node(item=item, path=choice.path, since=self._at, parts=inner))
        return tuple(found)

    def ordered(self, selection: Iterable[Choice]) -> tuple[Choice, ...]:
        """The outermost slots first, each with its revision; choices that hang below nothing are refused."""
        found: list[Choice] = []
        there: set[Path] = {()}
        parts: dict[Path, PartType | None] = {(): self._part}
        for choice in sorted(selection, key=lambda one: len(one.path)):
            holder = choice.path[:-1]
            if holder not in there:
                raise InvalidInput(
                    f"nothing is chosen for {' / '.join(holder)}, so it has no slot {choice.path[-1]:.80}"
                )
            known = self._book.of(choice.part, choice.maker)
            part = parts[holder]
            chosen = replace(choice, revision=choice.revision or self._fitting(part, choice.path[-1], known))
            found.append(chosen)
            there.add(choice.path)
            parts[choice.path] = known
        return tuple(found)

    def _fitting(self, holder: PartType | None, slot: str, part: PartType | None) -> str:
        """The newest revision of a part that a rule of the slot names."""
        if part is None or not part.revisions:
            return ""
        rules = [one for one in rules_of(holder, slot) if one.part == part.part and one.level is not Level.BLOCK]
        for level in (Level.ALLOW, Level.WARN, Level.CONCESSION):
            named = [one for one in rules if one.level is level]
            for revision in reversed(part.revisions):
                if any(in_revisions(part, revision.revision, one.revisions) for one in named):
                    return revision.revision
        return self._newest(part)

    @staticmethod
    def _newest(part: PartType) -> str:
        return part.revisions[-1].revision if part.revisions else ""

    def findings(self, tree: Node) -> list[Found]:
        """What does not keep the rules, in words of parts instead of made-up ids."""
        return [self._told(one) for one in self._asked_of(tree)]

    def _asked_of(self, tree: Node) -> list[Finding]:
        self._visited += _size(tree)
        return check_rules(self._book, tree, self._at)

    def _told(self, one: Finding) -> Found:
        text = one.text
        for id, label in self._labels.items():
            if id in text:
                text = text.replace(id, label)
        path = (*self._paths.get(one.parent, ()), one.slot)
        return Found.of(one, path, text)

    # what may be chosen

    def slots(self, tree: Node) -> Iterator[Slot]:
        """Every slot of the machine as it is chosen, the outermost first; of several pieces alike, once."""
        found: dict[Path, Place] = {}
        for place in places(self._book, tree, self._at):
            if place.declared and place.effective is not False:
                found.setdefault(place.path, place)
        for path, place in sorted(found.items(), key=lambda one: len(one[0])):
            held = tuple(_choice(node) for node in place.nodes)
            yield Slot(path, place.slot, place.parent, place.part, held)

    def shown(self, slots: Sequence[Slot], selection: Sequence[Choice], model: Model) -> Iterator[SlotChoices]:
        for slot in slots:
            yield SlotChoices(
                path=slot.path,
                name=slot.spec.name or slot.spec.slot,
                holder=slot.holder.part,
                kind=slot.spec.kind,
                count=slot.spec.count,
                mandatory=slot.spec.mandatory,
                safety=slot.spec.safety,
                free=not rules_of(slot.part, slot.spec.slot),
                chosen=slot.held,
                options=tuple(self._options(slot, selection, model)),
            )

    def _options(self, slot: Slot, selection: Sequence[Choice], model: Model) -> Iterator[Option]:
        without = self._without(selection, slot.path)
        before = {_key(one) for one in self._asked_of(self.tree(without))}
        for part, maker in self._candidates(slot):
            known = self._book.of(part, maker)
            names = [one.revision for one in reversed(known.revisions)] if known is not None else []
            revisions = tuple(self._revised(slot, (part, maker, name), without, before) for name in names or [""])
            fits = [one.fits for one in revisions]
            yield Option(
                part=part,
                maker=maker,
                name=known.name if known is not None else "",
                fits=True if True in fits else None if None in fits else False,
                revisions=revisions,
                prices=tuple(one for one in model.prices if one.part == part),
            )

    def _candidates(self, slot: Slot) -> list[tuple[str, str]]:
        rules = [one for one in rules_of(slot.part, slot.spec.slot) if one.level is not Level.BLOCK]
        return list(dict.fromkeys((one.part, one.maker) for one in rules))

    def _without(self, selection: Sequence[Choice], path: Path) -> tuple[Choice, ...]:
        """The choice with a slot empty, and what was chosen inside of what it held gone with it."""
        return tuple(one for one in selection if one.path[: len(path)] != path)

    def _revised(
        self, slot: Slot, which: tuple[str, str, str], without: Sequence[Choice], before: set[object]
    ) -> Revised:
        part, maker, revision = which
        if self._visited > VISITED:
            return Revised(revision=revision, fits=None, level=Level.WARN)
        choice = Choice(path=slot.path, part=part, maker=maker, revision=revision)
        found = self._asked_of(self.tree((*without, choice)))
        new = [one for one in found if one.rule != "missing" and _key(one) not in before]
        level = max((one.level for one in new), key=_RANK.index, default=Level.ALLOW)
        why = tuple(dict.fromkeys(self._told(one).text for one in new))
        return Revised(revision=revision, fits=level is not Level.BLOCK, level=level, why=why)

    # ways out

    def filled(self, selection: tuple[Choice, ...]) -> tuple[Choice, ...]:
        """Mandatory slots that are empty get the first part that fits, the best level first, the outermost slots
        first; what nothing fits stays empty."""
        given_up: set[Path] = set()
        for _ in range(MOST_CHOICES):
            tree = self.tree(selection)
            slots = (one for one in self.slots(tree) if one.spec.mandatory and not one.held)
            slot = next((one for one in slots if one.path not in given_up), None)
            if slot is None:
                break
            best = self._best(slot, selection)
            if best is None:
                given_up.add(slot.path)
            else:
                selection = self.ordered((*selection, best))
        return selection

    def _best(self, slot: Slot, selection: tuple[Choice, ...]) -> Choice | None:
        before = {_key(one) for one in self._asked_of(self.tree(selection))}
        found: list[tuple[int, Choice]] = []
        for part, maker in self._candidates(slot):
            known = self._book.of(part, maker)
            names = [one.revision for one in reversed(known.revisions)] if known is not None else []
            for revision in names or [""]:
                one = self._revised(slot, (part, maker, revision), selection, before)
                if one.fits:
                    choice = Choice(path=slot.path, part=part, maker=maker, revision=revision)
                    found.append((_RANK.index(one.level), choice))
        return min(found, key=lambda one: one[0])[1] if found else None

    def way_out(
        self, finding: Found, selection: tuple[Choice, ...], slots: Sequence[Slot], findings: Sequence[Found]
    ) -> Found:
        """The finding with the smallest changes that mend it and break nothing."""
        if _RANK.index(finding.level) < _RANK.index(Level.CONCESSION) or self._visited > VISITED:
            return finding
        others = {_mark(one) for one in findings if _bad(one)} - {_mark(finding)}
        moves = [move for _, move in sorted(self._moves(finding, slots), key=lambda one: one[0])]
        pairs = ((one, two) for j, two in enumerate(moves) for one in moves[:j] if one.path != two.path)
        ways: list[tuple[Choice, ...]] = []
        for changes in islice(chain(((one,) for one in moves), pairs), TRIED):
            if self._visited > VISITED or len(ways) == WAYS or (ways and len(changes) > len(ways[0])):
                break
            left = {_mark(one) for one in self.findings(self.tree(self._changed(selection, changes))) if _bad(one)}
            if left <= others:
                ways.append(tuple(changes))
        return replace(finding, nearest=tuple(ways))

    def _moves(self, finding: Found, slots: Sequence[Slot]) -> Iterator[tuple[int, Choice]]:
        """Changes of one slot each, with how far they are from what was wanted."""
        for slot in slots:
            here = slot.path == finding.path
            held = {(one.part, one.revision) for one in slot.held}
            for part, maker in self._candidates(slot):
                known = self._book.of(part, maker)
                names = [one.revision for one in reversed(known.revisions)] if known is not None else []
                for newest, revision in enumerate(names or [""]):
                    if (part, revision) in held:
                        continue
                    alike = any(part == one.part for one in slot.held)
                    far = (0 if alike else 10) if here else (20 if alike else 30)
                    yield far + min(newest, 9), Choice(path=slot.path, part=part, maker=maker, revision=revision)
            if slot.held and not slot.spec.mandatory:
                yield (40 if here else 50), Choice(path=slot.path, part="")

    def _changed(self, selection: tuple[Choice, ...], moves: Sequence[Choice]) -> tuple[Choice, ...]:
        for move in moves:
            selection = self._without(selection, move.path)
            if move.part:
                selection = (*selection, move)
        held = {one.path for one in selection} | {()}
        return tuple(one for one in sorted(selection, key=lambda one: len(one.path)) if one.path[:-1] in held)


def _item(
    id: str,
    part: str,
    maker: str,
    revision: str,
    serial: str,
    kind: ItemKind = ItemKind.HARDWARE,
    quantity: int = 1,
) -> Item:
    return Item(
        id=id,
        part=part,
        revision=revision,
        maker=maker,
        serial=serial,
        lot="",
        kind=kind,
        twin="",
        born=0,
        quantity=quantity,
    )


def _choice(node: Node) -> Choice:
    item = node.item
    return Choice(path=node.path, part=item.part, maker=item.maker, revision=item.revision, quantity=item.quantity)


def _size(node: Node) -> int:
    return 1 + sum(_size(one) for one in node.parts)


def _key(one: Finding) -> object:
    return one.rule, one.parent, one.slot, one.item, one.text


def _bad(one: Found) -> bool:
    return one.level in (Level.CONCESSION, Level.BLOCK)


def _mark(one: Found) -> object:
    return one.rule, one.path, one.text


def rules_of(part: PartType | None, slot: str) -> list[SlotRule]:
    """The lines of the 150 % structure for a slot."""
    return [one for one in part.rules if one.slot == slot] if part is not None else []

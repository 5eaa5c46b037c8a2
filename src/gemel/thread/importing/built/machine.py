"""The lines of one machine beside what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count

from gemel.clock import to_rfc3339
from gemel.configuration import Built, Item, ItemSpec, Node, operations
from gemel.errors import GemelError
from gemel.thread.importing.built.recorded import Recorded
from gemel.thread.importing.built.values import Listed, MachineCompared, SlotCompared, Verdict
from gemel.thread.importing.found import Found, ListedLine, record_node
from gemel.thread.nodes import Node as ThreadNode
from gemel.thread.nodes import NodeKind
from gemel.thread.writing import LinkSpec

__all__ = ["Machine"]

_TOLD = 500
"""Differences of a machine that are told one by one."""


class Machine:
    """The lines of one machine, the outer ones first, beside what is recorded of it."""

    def __init__(self, recorded: Recorded, found: Found, lines: Sequence[ListedLine], root: str) -> None:
        """`root`: by which the machine is known; empty: nobody knows what the list calls so."""
        self._known, self._found = recorded, found
        self._machine, self._lines = lines[0].machine, lines
        self._new = not root
        if not root and not lines[0].path and (same := recorded.known(lines[0])):
            root, self._new = same.row.id, False  # it is called otherwise here
        self._root = root or (lines[0].id if not lines[0].path else "")
        self._ids: dict[tuple[str, ...], str] = {(): self._root}
        self._load: list[tuple[Built, str]] = []
        self._seen: list[operations.Observe] = []
        self._specs: dict[str, ItemSpec] = {}
        self._matched: set[str] = set()
        """Items without a number of their own that a line was found to be: no other line is the same one."""
        self._slots: list[SlotCompared] = []
        self._same = 0
        self._tree: Node | None = None

    def into(self, told: Listed, *, receive: bool) -> None:
        """Tell what becomes of the lines, and of what they say otherwise. `receive`: that was seen so."""
        if not self._root:
            text = f"there is no item {self._machine!r:.120}; add a line for the machine itself, without a slot"
            self._found.fault(self._lines[0].place, text)
            return
        if not self._new:
            at = max(self._known.at(line) for line in self._lines)
            try:
                self._tree = self._known.tree(self._root, at)
            except GemelError as error:
                self._found.fault(self._lines[0].place, error.detail)
                return
        for line in self._lines:
            self._line(line)
        self._unlisted()
        told.known += self._same
        differs = [one for one in self._slots if one.verdict not in ("new", "unlisted")]
        if differs and receive:
            told.receive.append((self._root, self._seen, self._specs))
            told.load += [one for one in self._load if not one[0].parent]
        else:
            told.load += self._load
            for one in differs:
                self._found.fault(one.place, f"{one.text}; receive the list, and the record becomes as it says")
        if self._slots:
            told.compared.append(
                MachineCompared(
                    machine=self._machine,
                    item="" if self._new else self._root,
                    file=self._found.name,
                    same=self._same,
                    slots=tuple(self._slots[:_TOLD]),
                    untold=max(0, len(self._slots) - _TOLD),
                )
            )
        target = ThreadNode(kind=NodeKind.ITEM, id=self._root)
        link = LinkSpec(kind="concerns", source=record_node(self._found.records[0][0].id), target=target)
        self._found.links.append((link, "", (1.0, "")))

    def _line(self, line: ListedLine) -> None:
        if not line.path:
            self._itself(line)
            return
        at = self._known.at(line)
        parent = self._ids.get(line.path[:-1]) or self._recorded(line.path[:-1])
        slot = line.path[-1]
        if not parent:
            where = "/".join(line.path[:-1])
            self._found.fault(line.place, f"nothing is in {where} of {self._machine}; add a line for it")
            return
        held = [part for one in self._nodes() if one.item.id == parent for part in one.parts if part.path == line.path]
        known = self._known.known(line) or next(
            (one for one in self._known.lots(line) if (one.parent, one.slot) == (parent, slot)), None
        )
        nameless = next(
            (
                one.item
                for one in held
                if _is_nameless(one.item) and one.item.part in ("", line.part) and one.item.id not in self._matched
            ),
            None,
        )
        if known is not None:
            id = str(known.row.id)
        elif nameless is not None and not line.lot:
            id = nameless.id
            self._matched.add(id)
        else:
            id = line.id if line.serial or line.lot else self._unused(line.id)
        self._ids[line.path] = id
        self._specs[id] = ItemSpec(
            id=id,
            part=line.part,
            revision=line.revision,
            maker=line.maker,
            serial=line.serial,
            lot=line.lot,
            quantity=line.quantity,
        )
        same = (nameless is not None and id == nameless.id and not line.serial) or (
            known is not None and (known.parent, known.slot) == (parent, slot)
        )
        revision = next((one.item.revision for one in held if one.item.id == id), known.revision if known else "")
        self._see(line, parent, at, id if nameless is None or id != nameless.id else "")
        others = [one.item.id for one in held if one.item.id != id]
        if same and (not line.revision or line.revision == revision):
            self._same += 1
        elif same:
            text = f"{id} is recorded at revision {revision or 'unknown'}, the list says {line.revision}"
            self._differs(line, "revision", (id,), text)
        elif known is not None:
            where = f"in {known.slot} of {known.parent}" if known.parent else "in nothing"
            text = f"{id} is recorded {where} at {to_rfc3339(at)}, the list has it in {slot} of {parent}"
            self._differs(line, "elsewhere", (id,), text)
        elif nameless is not None and id == nameless.id:
            text = (
                f"the list says what is in {slot} of {parent}, which was not known: {line.part} {line.serial}".rstrip()
            )
            self._differs(line, "identity", (id,), text)
        elif others and self._known.single(self._item_of(parent), slot):
            text = f"{', '.join(others)} is recorded in {slot} of {parent}, the list has {line.part} {line.serial}"
            self._differs(line, "other", tuple(others), text.rstrip())
        else:
            if not self._new:
                self._differs(line, "new", (), f"nothing is recorded in {slot} of {parent}")
            built = Built(item=self._specs[id], at=at, parent=parent, slot=slot, evidence=line.evidence)
            self._load.append((built, line.place))

    def _unused(self, id: str) -> str:
        """The made-up id of a piece without a number; of the second one in its place another than of the first."""
        taken = self._specs.keys() | {one.item.id for one in self._nodes()}
        return next(one for one in chain((id,), (f"{id}-{n}" for n in count(2))) if one not in taken)

    def _itself(self, line: ListedLine) -> None:
        """A line of the machine."""
        if self._new:
            spec = ItemSpec(
                id=self._root,
                part=line.part,
                revision=line.revision,
                maker=line.maker,
                serial=line.serial,
                lot=line.lot,
            )
            self._load.append((Built(item=spec, at=self._known.at(line), evidence=line.evidence), line.place))
            return
        assert self._tree is not None
        item = self._tree.item
        if line.part != item.part or (item.serial and line.serial not in (item.serial, self._machine)):
            text = f"{item.id} is {item.part} {item.serial}, the list says {line.part} {line.serial}"
            self._found.fault(line.place, text.rstrip())
        elif line.revision and line.revision != item.revision:
            text = f"{item.id} is recorded at revision {item.revision or 'unknown'}, the list says {line.revision}"
            self._found.fault(line.place, text, "note")
            self._same += 1
        else:
            self._same += 1

    def _see(self, line: ListedLine, parent: str, at: int, id: str) -> None:
        seen = operations.Observe(
            parent=parent,
            slot=line.path[-1],
            at=at,
            item=id,
            part=line.part,
            maker=line.maker,
            serial=line.serial,
            revision=line.revision,
        )
        self._seen.append(seen)

    def _differs(self, line: ListedLine, verdict: Verdict, recorded: tuple[str, ...], text: str) -> None:
        self._slots.append(
            SlotCompared(
                slot="/".join(line.path),
                verdict=verdict,
                part=line.part,
                revision=line.revision,
                serial=line.serial,
                lot=line.lot,
                recorded=recorded,
                text=text,
                place=line.place,
            )
        )

    def _unlisted(self) -> None:
        """What is recorded in slots that the list does not name."""
        named = {line.path for line in self._lines}
        for one in self._nodes():
            if one.path and one.path not in named:
                where = "/".join(one.path)
                text = f"{one.item.id} is recorded in {where} of {self._machine}, and the list does not name it"
                self._slots.append(SlotCompared(slot=where, verdict="unlisted", recorded=(one.item.id,), text=text))

    def _nodes(self) -> Iterable[Node]:
        return _all(self._tree) if self._tree is not None else ()

    def _recorded(self, path: tuple[str, ...]) -> str:
        return next((one.item.id for one in self._nodes() if one.path == path), "")

    def _item_of(self, id: str) -> Item | None:
        return next((one.item for one in self._nodes() if one.item.id == id), None)


def _is_nameless(item: Item) -> bool:
    return not item.serial and not item.lot


def _all(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _all(part)

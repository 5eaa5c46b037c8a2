"""Data items and what they are bound to: from the lines of an adapter to messages for the intake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gemel.connectors.mtconnect.address import Shape, parse_address
from gemel.connectors.mtconnect.shdr import TimeReader, split_fields
from gemel.connectors.mtconnect.values import UNAVAILABLE, condition_update, reader_of
from gemel.errors import InvalidTime
from gemel.intake import Happened, Message, Reported
from gemel.twin import Binding, Direction, Kind, Quality

__all__ = ["Item", "ItemTable", "KindOf", "LineReader"]

KindOf = Callable[[str, str], Kind | None]
"""(twin, property) → its kind; None when the registry has none such."""


class Item:
    """A data item with its binding."""

    __slots__ = ("_told", "active", "binding", "kind", "plain", "property", "read", "shape", "twin", "unit")

    def __init__(self, binding: Binding, kind: Kind | None) -> None:
        self.binding = binding
        self.twin, self.property, self.unit = binding.twin, binding.property, binding.unit
        self._told = parse_address(binding.address).shape
        self.active: set[str] = set()
        """Codes of a condition that are on, as far as was told."""
        self.refresh(kind)

    def refresh(self, kind: Kind | None) -> None:
        """Follow a retyped property."""
        self.kind = kind
        by_kind = Shape.CONDITION if kind is Kind.CONDITION else Shape.VALUE
        self.shape = self._told or by_kind
        self.plain = self.shape is Shape.VALUE
        self.read: Callable[[str], Any] = reader_of(kind, self.binding.scale)

    def reported(self, text: str, time: int) -> Reported:
        """The reading of one plain value."""
        text = text.strip()
        if len(text) == 11 and text.upper() == UNAVAILABLE:
            return self._now(None, time)
        return Reported(twin=self.twin, property=self.property, value=self.read(text), time=time, unit=self.unit)

    def reported_message(self, code: str, text: str, time: int) -> Reported:
        """The reading of a message: {code, text} for an object, else the text."""
        plain = self.reported(text, time)
        if self.kind is Kind.OBJECT and plain.value is not None:
            return self._now({"code": code.strip(), "text": text.strip()}, time)
        return plain

    def reported_condition(self, fields: Sequence[str], time: int) -> Reported:
        """The reading of a condition's `level|code|severity|qualifier|text`. Raises ValueError."""
        update = condition_update(fields)
        if update is None or (update["level"] == "normal" and not update["code"]):
            self.active.clear()
        elif update["level"] == "normal":
            self.active.discard(update["code"])
        else:
            self.active.add(update["code"])
        return self._now(update, time)

    def cleared(self, code: str, time: int) -> Reported:
        """The reading that `code` of this condition is no longer on."""
        self.active.discard(code)
        return self._now({"level": "normal", "code": code}, time)

    def _now(self, value: Any, time: int) -> Reported:
        quality = Quality.UNAVAILABLE if value is None else Quality.GOOD
        return Reported(twin=self.twin, property=self.property, value=value, time=time, quality=quality)


class ItemTable:
    """The items of one connector, found by name, id, Source text, or `device:name`."""

    def __init__(self, bindings: Iterable[Binding], kind_of: KindOf, device: str = "") -> None:
        """Raises InvalidInput for an address that cannot be read."""
        self._kind_of = kind_of
        self.items: dict[str, Item] = {}
        self._by_id: dict[str, Item] = {}
        self._unbound: set[str] = set()
        weaker: list[tuple[str, Item]] = []
        for binding in bindings:
            if binding.direction is Direction.OUT:
                continue
            address = parse_address(binding.address)
            item = Item(binding, kind_of(binding.twin, binding.property))
            if address.device and address.device != device:
                self.items.setdefault(f"{address.device}:{address.name}", item)
            self.items.setdefault(address.name, item)
            if address.id:
                self._by_id[address.id] = item
                weaker.append((address.id, item))
            if address.source:
                weaker.append((address.source, item))
        for name, item in weaker:  # a name goes before another item's Source of the same text
            self.items.setdefault(name, item)
        if device:
            self.items |= {f"{device}:{name}": item for name, item in self.items.items()}

    def refresh(self) -> None:
        """Follow changes of the twins' types."""
        for item in set(self.items.values()):
            item.refresh(self._kind_of(item.twin, item.property))

    def find(self, name: str) -> Item | None:
        """The item that a line calls `name`; `other_device:name` finds a name that is bound without a device."""
        item = self.items.get(name)
        if item is None and name not in self._unbound:
            item = self.items.get(name.strip())
            if item is not None:
                self.items[name] = item
            elif len(self._unbound) < 100_000:
                self._unbound.add(name)
        return item

    def by_id(self, id: str, name: str = "") -> Item | None:
        """The item of an agent's observation: by data item id, else by name."""
        return self._by_id.get(id) or self.items.get(id) or (self.items.get(name) if name else None)

    def __len__(self) -> int:
        return len(set(self.items.values()))


class LineReader:
    """Turns lines into messages, in their order; keeps what could not be read or is bound to nothing."""

    def __init__(
        self, table: ItemTable, now: Callable[[], int], *, time_of: Callable[[str], int] | None = None
    ) -> None:
        """`now`: the time of lines that say none. `time_of` reads the first field instead; raises InvalidTime."""
        self.table = table
        self._time_of = time_of or TimeReader(now)
        self.rejected: list[tuple[str, str]] = []
        """(reason, line) since the last `take_refused`."""
        self.unbound: Counter[str] = Counter()
        self.lines = 0
        self._doubtful: dict[Item, set[str]] = {}

    def reconnected(self) -> None:
        """A new connection tells all conditions that are on; one that is left out went off meanwhile."""
        items = set(self.table.items.values())
        self._doubtful = {item: set(item.active) for item in items if item.active}

    def take_refused(self) -> tuple[list[tuple[str, str]], Counter[str]]:
        """(rejected, unbound) since the last call."""
        taken = self.rejected, self.unbound
        self.rejected, self.unbound = [], Counter()
        return taken

    def read(self, lines: Iterable[str]) -> list[Message]:
        """A message for every line that brings something."""
        messages: list[Message] = []
        told_again: dict[Item, int] = {}
        find, time_of, add = self.table.items.get, self._time_of, messages.append
        for line in lines:
            if not line or line.isspace():
                continue
            self.lines += 1
            fields = split_fields(line) if "\\|" in line else line.split("|")
            try:
                time = time_of(fields[0])
                if len(fields) == 3:
                    item = find(fields[1])
                    if item is not None and item.plain:
                        add(Message(readings=[item.reported(fields[2], time)]))
                        continue
                message = self._message(fields, time)
                if self._doubtful:
                    self._confirm(fields, time, told_again)
            except InvalidTime as error:
                self.rejected.append((error.detail.replace(repr(fields[0]), "the first field"), line))
            except ValueError as error:
                self.rejected.append((str(error), line))
            else:
                if message is not None:
                    add(message)
        for item, time in told_again.items():
            gone = self._doubtful.pop(item)
            messages += [Message(readings=[item.cleared(code, time)]) for code in sorted(gone & item.active)]
        return messages

    def _confirm(self, fields: Sequence[str], time: int, told_again: dict[Item, int]) -> None:
        item = self.table.items.get(fields[1])
        if item in self._doubtful and item is not None:
            self._doubtful[item].discard(fields[3].strip() if len(fields) > 3 else "")
            told_again[item] = time

    def _message(self, fields: list[str], time: int) -> Message | None:
        readings: list[Reported] = []
        at, end = 1, len(fields)
        if end < 3:
            raise ValueError("a line needs a time, an item and a value")
        if fields[1].startswith("@"):
            return self._asset(fields, time)
        while at < end:
            name = fields[at]
            item = self.table.find(name)
            at += 1
            if item is None:
                if name.strip():
                    self.unbound[name] += 1
                at += 5 if end - at == 5 and fields[at].strip().lower() in _LEVELS else 1
                continue
            if at >= end:
                raise ValueError(f"item {name!r:.80} comes without a value")
            width = _WIDTHS[item.shape]
            readings.append(self._reading(item, fields[at : at + width], time))
            at += width
        return Message(readings=readings) if readings else None

    def _reading(self, item: Item, told: list[str], time: int) -> Reported:
        if item.shape is Shape.CONDITION:
            return item.reported_condition(told, time)
        if item.shape is Shape.TIME_SERIES and len(told) == 3:
            return item.reported(told[2], time)
        if item.shape is Shape.MESSAGE and len(told) == 2:
            return item.reported_message(told[0], told[1], time)
        return item.reported(told[0], time)

    def _asset(self, fields: list[str], time: int) -> Message | None:
        """`@ASSET@|id|type|body` and its kin, as the event that is bound to `@ASSET@`."""
        item = self.table.find("@ASSET@")
        if item is None:
            self.unbound[fields[1]] += 1
            return None
        told = {
            "change": fields[1].strip("@").lower(),
            "asset_id": fields[2] if len(fields) > 2 else "",
            "asset_type": fields[3] if len(fields) > 3 else "",
            "content": fields[4] if len(fields) > 4 else "",
        }
        return Message(events=[Happened(twin=item.twin, event=item.property, time=time, fields=told)])


_LEVELS = {"normal", "warning", "fault", "unavailable"}
_WIDTHS = {
    Shape.VALUE: 1,
    Shape.CONDITION: 5,
    Shape.MESSAGE: 2,
    Shape.TIME_SERIES: 3,
    Shape.DATA_SET: 1,
    Shape.ASSET: 1,
}

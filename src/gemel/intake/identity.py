"""Whether something came before: ids for ever, watermarks of numbered sources, and the tail of unnumbered ones."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from gemel.database import Database
from gemel.intake.base import Happened, Message, Missed
from gemel.intake.tables import identity_table, watermark_table

__all__ = ["Identities", "Key", "Watermark", "Watermarks", "digest_of", "key_of", "missed", "reached"]

MAX_GAPS = 1_024
MAX_IN_MEMORY = 10_000
CHUNK = 400
CONTENT = ("readings", "events", "id", "sequence", "epoch")
Key = tuple[str, str]
_encoder = msgspec.msgpack.Encoder(enc_hook=repr)


def digest_of(thing: Message | Happened) -> bytes:
    """16 bytes that stand for the content; equal content gives equal bytes."""
    try:
        if isinstance(
            thing, Message
        ):  # only what has been its content since the first version, or old ids would differ
            data = _encoder.encode({name: getattr(thing, name) for name in CONTENT})
        else:
            data = _encoder.encode(thing)
    except (UnicodeEncodeError, OverflowError, RecursionError, ValueError):
        data = repr(thing).encode(errors="backslashreplace")
    return blake2b(data, digest_size=16).digest()


def key_of(source: str, id: str, *, event: bool = False) -> Key:
    """The key of an id. Messages and events of a source have separate ids; a very long id is told by its hash."""
    return source, ("e:" if event else "m:") + _short(id)


def _short(text: str) -> str:
    """`text`, or what stands for it if no database column may hold it."""
    if len(text) <= 100 and text.isprintable():
        return text
    return "#" + blake2b(text.encode(errors="backslashreplace"), digest_size=32).hexdigest()


class Identities:
    """(source, id) → content, for ever. Holds in memory only what the block being built needs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Key, bytes] = {}
        self._new: dict[Key, tuple[bytes, int]] = {}

    def begin(self, keys: Iterable[Key]) -> None:
        """Look up all ids that the next block may hold, in few queries."""
        self._known.clear()
        self._new.clear()
        by_source: dict[str, list[str]] = {}
        for source, id_ in keys:
            by_source.setdefault(source, []).append(id_)
        if not by_source:
            return
        c = identity_table.c
        with self._database.read() as connection:
            for source, ids in by_source.items():
                for at in range(0, len(ids), CHUNK):
                    found = connection.execute(
                        sa.select(c.id, c.content).where(c.source == source, c.id.in_(ids[at : at + CHUNK]))
                    )
                    self._known.update({(source, row[0]): row[1] for row in found})

    def seen(self, key: Key) -> bytes | None:
        """The content under a key, if it came before."""
        new = self._new.get(key)
        return new[0] if new is not None else self._known.get(key)

    def add(self, key: Key, content: bytes, ordinal: int) -> None:
        self._new[key] = (content, ordinal)

    def mark(self) -> int:
        return len(self._new)

    def back_to(self, mark: int) -> None:
        for key in list(self._new)[mark:]:
            del self._new[key]

    def write(self, connection: Connection, first: int) -> None:
        """Keep the new ones, in the transaction of their block, which begins at position `first`."""
        if self._new:
            connection.execute(
                identity_table.insert(),
                [
                    {"source": source, "id": id_, "content": content, "position": first + ordinal}
                    for (source, id_), (content, ordinal) in self._new.items()
                ],
            )


class Watermark:
    """Up to where the numbers of one epoch have come, and the gaps below, which late messages may still fill."""

    __slots__ = ("again", "gaps", "sequence", "stored")

    def __init__(self, sequence: int = -1, gaps: list[tuple[int, int]] | None = None, *, stored: bool = False) -> None:
        self.sequence = sequence
        self.gaps = gaps or []  # closed intervals, ascending
        self.stored = stored
        self.again = 0
        """Numbers that came before, one after the other, since the last new one."""

    def skipped(self, number: int) -> tuple[int, int] | None:
        """The numbers (first, last) that are found missing when `number` comes now."""
        return (self.sequence + 1, number - 1) if number > self.sequence + 1 else None

    def take(self, number: int) -> bool:
        """Whether `number` is new; it is not the next time."""
        new = self._take(number)
        self.again = 0 if new else self.again + 1
        return new

    def _take(self, number: int) -> bool:
        if number > self.sequence:
            if number > self.sequence + 1:
                self.gaps.append((self.sequence + 1, number - 1))
                if len(self.gaps) > MAX_GAPS:
                    del self.gaps[0]  # what lies there counts as seen from now on
            self.sequence = number
            return True
        for index, (low, high) in enumerate(self.gaps):
            if low <= number <= high:
                left = [(low, number - 1)] if low < number else []
                right = [(number + 1, high)] if number < high else []
                self.gaps[index : index + 1] = left + right
                return True
        return False


class Watermarks:
    """The watermarks of all numbered sources, read when they are first needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of: dict[Key, Watermark] = {}
        self._changed: set[Key] = set()
        self._before: dict[Key, tuple[int, list[tuple[int, int]]]] = {}

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def mark(self) -> None:
        """From here on, remember what `back` needs."""
        self._before = {}

    def back(self) -> None:
        """Undo every `take` since `mark`."""
        for key, (sequence, gaps) in self._before.items():
            self._of[key].sequence, self._of[key].gaps = sequence, gaps

    def skipped(self, source: str, epoch: str, number: int) -> tuple[int, int] | None:
        """The numbers (first, last) of this epoch that are found missing when `number` comes now."""
        return self._mark(source, epoch).skipped(number)

    def is_late(self, source: str, epoch: str, number: int) -> bool:
        """Whether higher numbers of this epoch came before."""
        return number < self._mark(source, epoch).sequence

    def again(self, source: str, epoch: str) -> tuple[int, int]:
        """How many numbers of this epoch came again one after the other, and up to where it has come."""
        mark = self._mark(source, epoch)
        return mark.again, mark.sequence

    def _mark(self, source: str, epoch: str) -> Watermark:
        key = (source, _short(epoch))
        mark = self._of.get(key)
        if mark is None:
            mark = self._of[key] = self._read(key)
        return mark

    def take(self, source: str, epoch: str, number: int) -> bool:
        """Whether this number of this epoch is new."""
        key = (source, _short(epoch))
        mark = self._mark(source, epoch)
        self._changed.add(key)
        if key not in self._before:
            self._before[key] = (mark.sequence, list(mark.gaps))
        return mark.take(number)

    def _read(self, key: Key) -> Watermark:
        c = watermark_table.c
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(c.sequence, c.gaps).where(c.source == key[0], c.epoch == key[1])
            ).one_or_none()
        if row is None:
            return Watermark()
        return Watermark(row[0], msgspec.msgpack.decode(row[1], type=list[tuple[int, int]]), stored=True)

    def write(self, connection: Connection) -> None:
        """Keep the changed ones, in the transaction of their block."""
        c = watermark_table.c
        for key in self._changed:
            mark = self._of[key]
            values = {"sequence": mark.sequence, "gaps": msgspec.msgpack.encode(mark.gaps)}
            if mark.stored:
                connection.execute(
                    watermark_table.update().where(c.source == key[0], c.epoch == key[1]).values(**values)
                )
            else:
                connection.execute(watermark_table.insert(), {"source": key[0], "epoch": key[1], **values})

    def kept(self) -> None:
        """What was written is durable."""
        for key in self._changed:
            self._of[key].stored = True
        self._changed.clear()
        if len(self._of) > MAX_IN_MEMORY:
            self._of.clear()

    def forget(self) -> None:
        """The block failed: read the changed ones again when they are needed."""
        for key in self._changed:
            self._of.pop(key, None)
        self._changed.clear()


def missed(database: Database, source: str) -> list[Missed]:
    """What has not come of a source, or of all of them; the last thousand gaps of each epoch."""
    c = watermark_table.c
    query = sa.select(c.source, c.epoch, c.gaps).order_by(c.source, c.epoch)
    if source:
        query = query.where(c.source == source)
    with database.read() as connection:
        return [
            Missed(source=row.source, epoch=row.epoch, first=first, last=last)
            for row in connection.execute(query)
            for first, last in msgspec.msgpack.decode(row.gaps, type=list[tuple[int, int]])
        ]


def reached(database: Database, source: str, epoch: str) -> int | None:
    """The highest sequence of an epoch that is on stable storage; None when there is none."""
    c = watermark_table.c
    with database.read() as connection:
        found: int | None = connection.execute(
            sa.select(c.sequence).where(c.source == source, c.epoch == _short(epoch))
        ).scalar_one_or_none()
    return found

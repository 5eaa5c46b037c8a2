"""The plant that the intake's tests tell of, and what was made of what they told."""

import threading

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.intake import Intake, Message, Reported
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.twin import EventType, Kind, PropertyType, TwinSpec, TwinType, split_series

PRESS = TwinType(
    id="press",
    properties=(
        PropertyType(name="temperature", unit="Cel", minimum=-40, maximum=200, aliases=("temp",)),
        PropertyType(name="force"),
        PropertyType(name="count", kind=Kind.INTEGER),
        PropertyType(name="open", kind=Kind.BOOLEAN),
        PropertyType(name="program", kind=Kind.TEXT),
        PropertyType(name="mode", kind=Kind.ENUMERATION, values=("AUTOMATIC", "MANUAL")),
        PropertyType(name="wave", kind=Kind.ARRAY, maximum=1000),
        PropertyType(name="recipe", kind=Kind.OBJECT),
        PropertyType(name="health", kind=Kind.CONDITION),
    ),
    events=(EventType(name="overheated", severity="warning", fields=(PropertyType(name="peak", maximum=500),)),),
)
START = 1_600_000_000 * SECOND


class World:
    """An intake with its journal; everything journaled is gathered by `readings` and `changes`."""

    def __init__(self, path, *, clock=None, plant=True, after_commit=(), **settings):
        self.clock = clock or SteppedClock(START)
        self.database = Database(path if str(path).startswith("postgresql") else f"sqlite:///{path}")
        self.database.migrate()
        self.registry = Registry(self.database, self.clock)
        self.journal = SqlJournal(self.database)
        self.intake = Intake(self.journal, self.registry, self.clock, after_commit=after_commit, **settings)
        if plant and "press" not in self.registry.directory.types:
            self.change(lambda tx: self.registry.put_type(tx, PRESS))
            for number in range(1, 4):
                self.change(
                    lambda tx, n=number: self.registry.put_twin(tx, TwinSpec(id=f"press-{n}", types=("press",)))
                )

    def change(self, work):
        return self.intake.transact(lambda tx: (None, work(tx))).result(60)

    def tell(self, *messages, source="plc", **how):
        return self.intake.submit(source, messages, **how).result(60)

    def one(self, name, value, *, source="plc", strict=False, **how):
        return self.tell(Message(readings=[reading(name, value, **how)]), source=source, strict=strict)

    def readings(self):
        """All readings in order of position: (twin, property, time, value, quality)."""
        found = []
        for block in self.journal.blocks():
            for frame in block.frames.values():
                values = frame.value.to_pylist()
                for row in range(len(frame)):
                    twin, number = split_series(int(frame.series[row]))
                    name = self.registry.directory.property(number).property.name
                    entry = self.registry.directory.entry(twin)
                    said = (entry.id, name, int(frame.time[row]), values[row], int(frame.quality[row]))
                    found.append((block.first + int(frame.ordinal[row]), said))
        return [said for _, said in sorted(found, key=lambda one: one[0])]

    def values(self):
        return [said[3] for said in self.readings()]

    def changes(self, kind):
        return [change for block in self.journal.blocks() for change in block.changes if change.kind == kind]

    def held(self, **query):
        return self.intake.quarantined(**query).items

    def close(self):
        self.intake.close()
        self.journal.close()
        self.database.close()


def reading(name="force", value=1.0, *, twin="press-1", **how):
    return Reported(twin=twin, property=name, value=value, **how)


def message(*values, **how):
    """A message of `force` readings."""
    return Message(readings=[reading(value=value, time=START + int(value)) for value in values], **how)


class Gate:
    """A follower that stops the writer after its next commit until it is opened."""

    def __init__(self):
        self.reached = threading.Event()
        self._open = threading.Event()
        self.armed = False

    def __call__(self, block):
        if self.armed:
            self.reached.set()
            assert self._open.wait(60)

    def open(self):
        self.armed = False
        self._open.set()

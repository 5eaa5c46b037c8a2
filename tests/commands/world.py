"""A whole world around orders, without a history: real database, journal, registry, intake and state; the device is a
carrier whose every answer the test gives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gemel.clock import Clock, SteppedClock
from gemel.commands import Ask, Commander, Errand, Order, OrderKind, Outcome, Result, Tell, Transaction, together
from gemel.commands.book import desired_of
from gemel.database import Database
from gemel.intake import Intake, Message, Reported
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.state import State
from gemel.twin import Block, Change, Quality, parse_plant

PLANT = """
gemel: 1
types:
  - id: pump
    properties:
      - {name: speed, writable: true, tolerance: 0.5}
      - {name: valve, kind: enumeration, values: [open, closed], writable: true}
      - {name: door, kind: enumeration, values: [open, closed], freshness: {mode: samples, within_s: 600}}
      - {name: mode, kind: enumeration, values: [local, remote]}
    commands:
      - name: start
        input: [{name: ramp, minimum: 0, maximum: 60}]
        output: [{name: cycle, kind: integer}]
        undo: stop
      - {name: stop}
    %(control)s
twins: [{id: pump-1, types: [pump]}, {id: pump-2, types: [pump]}]
connectors:
  - id: wire
    kind: http
    bindings:
      - {address: "http://d/1", twin: pump-1, property: speed, direction: both, deduplicates: %(deduplicates)s}
      - {address: "http://d/2", twin: pump-1, property: start, direction: out, deduplicates: %(deduplicates)s}
      - {address: "http://d/3", twin: pump-1, property: stop, direction: out, deduplicates: %(deduplicates)s}
      - {address: "http://d/4", twin: pump-2, property: speed, direction: both}
      - {address: "http://d/5", twin: pump-2, property: stop, direction: out}
"""


class Device:
    """Carries errands to nowhere: what it is handed lies in `errands` until the test has it carried out."""

    def __init__(self) -> None:
        self.errands: list[tuple[Errand, Tell]] = []
        self.handed: Counter[str] = Counter()
        self.trouble = ""
        self.at_once: Callable[[Errand, Tell], None] | None = None

    def ready(self, connector: str) -> str:
        assert connector == "wire"
        return self.trouble

    def carry(self, errand: Errand, tell: Tell) -> None:
        self.handed[errand.order] += 1
        if self.at_once is not None:
            self.at_once(errand, tell)
        else:
            self.errands.append((errand, tell))

    def answer(self, result: str, *, output: dict[str, Any] | None = None, detail: str = "") -> Errand:
        """Tell what became of the oldest errand."""
        errand, tell = self.errands.pop(0)
        tell(errand.order, Outcome(result=Result(result), output=output, detail=detail))
        return errand


class World:
    """Opened on a folder; `reopen` is what follows a kill: nothing of the memory is left."""

    def __init__(
        self, folder: Path, *, control: str = "", deduplicates: bool = False, clock: Clock | None = None
    ) -> None:
        self.folder, self.clock = folder, clock or SteppedClock()
        self.device = Device()
        self._open()
        text = PLANT % {
            "control": f"control: {control}" if control else "",
            "deduplicates": str(deduplicates).lower(),
        }
        self.apply(text)
        self.begin()

    def _open(self) -> None:
        self.database = Database(f"sqlite:///{self.folder / 'gemel.sqlite'}")
        self.database.migrate()
        self.registry = Registry(self.database, self.clock)
        self.journal = SqlJournal(self.database)
        self.state = State(self.registry.directory, self.clock)
        for spec in self.registry.connectors():
            self.state.bind(spec)
        for block in self.journal.blocks():
            self.state.fold(block)
        self.intake = Intake(
            self.journal, self.registry, self.clock, after_commit=[self.state.fold, self._follow], sources=self.state
        )
        self.commander = Commander(self.database, self.intake, self.registry, self.state, self.clock)

    def _follow(self, block: Block) -> None:
        self.commander.follow(block)

    def begin(self) -> None:
        self.commander.dispatcher.begin(self.device)

    def apply(self, document: str) -> None:
        plan = self.registry.plan(parse_plant(document))
        self.intake.transact(lambda tx: (None, self.registry.apply(tx, plan))).result()

    def close(self) -> None:
        self.commander.effects.close()
        self.intake.close()
        self.state.close()
        self.journal.close()
        self.database.close()

    def reopen(self) -> None:
        self.close()
        trouble, self.device = self.device.trouble, Device()
        self.device.trouble = trouble
        self._open()
        self.begin()

    def turn(self, times: int = 2) -> None:
        for _ in range(times):
            self.commander.dispatcher.turn()

    # what people and devices do

    def command(self, name: str, given: dict[str, Any] | None = None, *, twin: str = "pump-1", **how: Any) -> Order:
        actor = how.pop("actor", "user-a")
        ask = Ask(twin=twin, name=name, kind=OrderKind.COMMAND, input=given, **how)
        return self.commander.ask(ask, actor=actor).result()

    def set(self, name: str, value: Any, *, twin: str = "pump-1", **how: Any) -> Order:
        actor = how.pop("actor", "user-a")
        ask = Ask(twin=twin, name=name, kind=OrderKind.PROPERTY, input=value, **how)
        return self.commander.ask(ask, actor=actor).result()

    def together(self, *members: dict[str, Any], actor: str = "user-a", **how: Any) -> Transaction:
        """Ask for several things at once; each {"twin": …, "speed": 3} or {"twin": …, "command": …}."""
        told = [_member(one) for one in members]
        asked = together(told, **how)
        entries = [self.commander.entry(wish.ask.twin) for wish in asked.wishes]
        return self.commander.transactions.ask(asked, entries, actor=actor).result()

    def transaction(self, id: str) -> Transaction:
        return self.commander.transactions.get(id)

    def member(self, id: str, place: int) -> Order:
        return self.order(self.transaction(id).members[place].order)

    def wanted(self, *twins: str, name: str = "speed") -> list[Any]:
        """What is desired of a property of each, all read at one moment."""
        with self.database.read() as connection:
            found = [desired_of(connection, twin).get(name) for twin in twins]
        return [None if one is None else one.value for one in found]

    def report(self, name: str, value: Any, *, twin: str = "pump-1", quality: str = "GOOD") -> None:
        reading = Reported(twin=twin, property=name, value=value, quality=Quality[quality])
        self.intake.submit("wire", [Message(readings=[reading])]).result()

    def step(self, seconds: float) -> None:
        assert isinstance(self.clock, SteppedClock)
        self.clock.step(seconds)

    def order(self, id: str) -> Order:
        return self.commander.order(id)

    def changes(self, order: str) -> list[Change]:
        """What was journaled of an order."""
        return [c for block in self.journal.blocks() for c in block.changes if c.body.get("order") == order]


def _member(told: dict[str, Any]) -> dict[str, Any]:
    """{"twin": "pump-1", "speed": 3} as {"twin": "pump-1", "property": "speed", "value": 3}."""
    if "command" in told or "property" in told:
        return told
    name = next(name for name in ("speed", "valve") if name in told)
    return {**{key: value for key, value in told.items() if key != name}, "property": name, "value": told[name]}


def append_durably(path: Path, text: str) -> None:
    """As a device does that has carried something out."""
    with path.open("a") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())

"""Upkeep by itself: events of machines and finished work become operations on their configuration.

A translation says which event becomes which operation, with the event's fields in its places. What cannot be carried
out goes to a list, with the reason; it can be tried again or discarded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, get_args

import msgspec
import structlog
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gemel.clock import Clock
from gemel.configuration.operations import Operation
from gemel.configuration.upkeep.tables import followed, refusal
from gemel.configuration.upkeep.tables import translation as translations_table
from gemel.configuration.upkeep.translation import WORK, Heard, Refusal, Translation, operation_of, told_by
from gemel.configuration.values import Basis
from gemel.database import Database
from gemel.errors import GemelError, InvalidInput, NotFound, Overloaded, StorageFailed, StorageFull
from gemel.twin import Block, Change, Page, Position, check_id

__all__ = ["Translations", "Translator"]

_log = structlog.get_logger("gemel.configuration")
LONGEST = 16_384
_NAME = "events"
_WAIT_S = 0.5
_REMEMBER_EVERY_S = 30.0


class Doer(Protocol):
    """A configuration; see `Configuration.do`."""

    def do(self, operation: Operation, *, basis: Basis = ...) -> object: ...


class Log(Protocol):
    """The journal."""

    def blocks(self, after: Position = 0, until: Position | None = None) -> Iterator[Block]: ...

    def head(self) -> Any: ...

    def wait(self, position: Position, timeout_s: float) -> bool: ...


class Translations:
    """The translations of one configuration, and what they could not do."""

    def __init__(
        self, database: Database, clock: Clock, run: Callable[..., object], do: Doer, *, actor: str = ""
    ) -> None:
        """`do`: the configuration."""
        self._database, self._run, self._do, self._actor = database, run, do, actor
        self.clock = clock

    def declare(self, translation: Translation) -> None:
        """Translate what is journaled from now on; declared again, it is changed. Raises InvalidInput for an operation
        that there is not."""
        check_id(translation.id)
        if not translation.event:
            raise InvalidInput("say of which event")
        known = sorted(str(cls.__struct_config__.tag) for cls in get_args(Operation))
        if translation.operation.get("do") not in known:
            told = translation.operation.get("do")
            raise InvalidInput(f"there is no operation {told!r:.60}; do is one of {', '.join(known)}")
        if len(msgspec.json.encode(translation)) > LONGEST:
            raise InvalidInput(f"a translation has at most {LONGEST} characters as JSON")
        c = translations_table.c
        begun = {one.id: one.since for one in self.all()}.get(translation.id, self.clock.now())
        translation = msgspec.structs.replace(translation, since=begun)

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(delete(translations_table).where(c.id == translation.id))
            body = msgspec.json.encode(translation).decode()
            tx.execute(insert(translations_table).values(id=translation.id, body=body, actor=self._actor))
            told = msgspec.to_builtins(translation)
            return [self._change("configuration.translation_declared", translation.id, told)]

        self._run(work, actor=self._actor)

    def remove(self, id: str) -> None:
        """Raises NotFound."""
        if id not in {one.id for one in self.all()}:
            raise NotFound(f"there is no translation {id!r:.160}")

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(delete(translations_table).where(translations_table.c.id == id))
            return [self._change("configuration.translation_removed", id, {})]

        self._run(work, actor=self._actor)

    def all(self) -> list[Translation]:
        with self._database.read() as tx:
            return _all(tx)

    def refusals(self, *, state: str = "open", twin: str = "", limit: int = 100, after: int = 0) -> Page[Refusal]:
        """What could not be translated, the oldest first; `twin`: only of its events."""
        c = refusal.c
        asked = select(refusal).where(c.state == state, c.number > after).order_by(c.number).limit(limit + 1)
        with self._database.read() as tx:
            rows = tx.execute(asked.where(c.twin == twin) if twin else asked).all()
        items = [_refusal(row) for row in rows[:limit]]
        return Page(items, str(items[-1].number) if len(rows) > limit else None)

    def refused(self, twin: str) -> int:
        """How many events of a twin wait for somebody."""
        c = refusal.c
        with self._database.read() as tx:
            asked = select(func.count()).select_from(refusal).where(c.state == "open", c.twin == twin)
            return int(tx.scalar(asked) or 0)

    def retry(self, number: int) -> Refusal:
        """Try it again, with the translation as it is now. Raises NotFound; what the operation raises."""
        with self._database.read() as tx:
            one = self._refused(tx, number)
            rules = {rule.id: rule for rule in _all(tx)}
        if one.translation not in rules:
            raise NotFound(f"the translation {one.translation} was removed; declare it, or discard this")
        heard = Heard(position=one.position, twin=one.twin, time=one.time, fields=one.fields)
        self.carry_out(rules[one.translation], heard)
        return self._end(number, "done")

    def discard(self, number: int) -> Refusal:
        """It is not to become an operation. Raises NotFound."""
        return self._end(number, "discarded")

    def operations(self, translation: Translation, twin: str, fields: Mapping[str, Any]) -> list[Operation]:
        """What an event of a twin would become, if it happened now; nothing is written. Raises NotFound,
        InvalidInput."""
        heard = Heard(position=0, twin=twin, time=self.clock.now(), fields=dict(fields))
        with self._database.read() as tx:
            made, operation = operation_of(tx, translation, heard)
        return [*made, operation]

    def carry_out(self, rule: Translation, heard: Heard) -> None:
        """Do what an event becomes. It was so: what breaks a rule is a nonconformance.

        Raises GemelError with what stands against it.
        """
        with self._database.read() as tx:
            made, operation = operation_of(tx, rule, heard)
        for at, one in enumerate((*made, operation)):
            key = f"{rule.id}@{heard.position}" + (f".{at}" if one is not operation else "")
            work_order = str(heard.fields.get("order") or "") if rule.kind == WORK else ""
            told = Basis(
                source=f"event:{heard.twin}",
                work_order=work_order,
                evidence=f"position {heard.position}",
                key=key,
                seen=True,
            )
            self._do.do(one, basis=told)

    def put_off(self, rule: Translation, heard: Heard, reason: str) -> None:
        """Note what could not be done."""
        row = {
            "translation": rule.id,
            "position": heard.position,
            "twin": heard.twin,
            "time": heard.time,
            "fields": msgspec.json.encode(heard.fields).decode(),
            "reason": reason,
            "state": "open",
        }

        def work(tx: Connection) -> Sequence[Change]:
            c = refusal.c
            if tx.execute(select(c.number).where(c.translation == rule.id, c.position == heard.position)).first():
                return []
            tx.execute(insert(refusal).values(**row))
            body = {"translation": rule.id, "position": heard.position, "reason": reason}
            return [self._change("configuration.event_refused", heard.twin, body)]

        self._run(work, actor=self._actor)

    def reached(self) -> Position | None:
        """Up to where the journal was translated."""
        with self._database.read() as tx:
            return tx.scalar(select(followed.c.position).where(followed.c.name == _NAME))

    def remember(self, position: Position) -> None:
        """Everything up to a position is done."""

        def work(tx: Connection) -> Sequence[Change]:
            done = tx.execute(update(followed).where(followed.c.name == _NAME).values(position=position))
            if not done.rowcount:
                tx.execute(insert(followed).values(name=_NAME, position=position))
            return []

        self._run(work)

    def _refused(self, tx: Connection, number: int) -> Refusal:
        row = tx.execute(select(refusal).where(refusal.c.number == number, refusal.c.state == "open")).first()
        if row is None:
            raise NotFound(f"nothing open has the number {number}")
        return _refusal(row)

    def _end(self, number: int, state: str) -> Refusal:
        with self._database.read() as tx:
            one = self._refused(tx, number)

        def work(tx: Connection) -> Sequence[Change]:
            self._refused(tx, number)  # somebody else may have ended it since
            tx.execute(update(refusal).where(refusal.c.number == number).values(state=state))
            return [self._change(f"configuration.refusal_{state}", one.twin, {"position": one.position})]

        self._run(work, actor=self._actor)
        return msgspec.structs.replace(one, state=state)

    def _change(self, kind: str, subject: str, body: dict[str, Any]) -> Change:
        return Change(kind=kind, subject=subject, time=self.clock.now(), actor=self._actor, body=body)


class Translator:
    """Follows the journal and translates, on a thread of its own. An event has one effect, also after a crash."""

    def __init__(
        self, database: Database, log: Log, translations: Translations, types: Callable[[str], Collection[str]]
    ) -> None:
        """`types`: those of a twin."""
        self._database, self._log, self._translations, self._types = database, log, translations, types
        self._moved = threading.Condition()
        self._reached: Position = 0
        self._remembered_s = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="gemel-translator", daemon=True)

    def start(self) -> None:
        self._reached = self._translations.reached() or self._log.head().position
        self._thread.start()

    def wait(self, position: Position, timeout_s: float) -> bool:
        """Until all up to a position is translated, or refused."""
        with self._moved:
            return self._moved.wait_for(lambda: self._reached >= position, timeout_s)

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._closing.is_set():
            if not self._log.wait(self._reached + 1, _WAIT_S):
                continue
            try:
                self._catch_up()
            except Exception as error:  # the writer is full or closing: what was not done is done again
                _log.warning("events were not translated", error=getattr(error, "detail", repr(error)))
                self._closing.wait(_WAIT_S)

    def _catch_up(self) -> None:
        rules = [rule for rule in self._translations.all() if rule.enabled]
        if not rules:
            self._move(self._log.head().position)
            return
        for block in self._log.blocks(self._reached):
            told = list(self._heard(block, rules))
            for rule, heard in told:
                self._translate(rule, heard)
            if self._closing.is_set():
                return
            self._move(block.last)
            now_s = self._translations.clock.monotonic()
            if told or now_s - self._remembered_s > _REMEMBER_EVERY_S:
                self._remembered_s = now_s
                self._translations.remember(block.last)

    def _move(self, position: Position) -> None:
        with self._moved:
            self._reached = position
            self._moved.notify_all()

    def _heard(self, block: Block, rules: Sequence[Translation]) -> Iterator[tuple[Translation, Heard]]:
        for change in block.changes:
            position = block.first + change.ordinal
            if position <= self._reached:
                continue
            named = change.body.get("event") or change.body.get("command") or change.body.get("job")
            for rule in rules:
                if rule.kind != change.kind or rule.event != named or block.recorded < rule.since:
                    continue
                if rule.types and not set(rule.types) & set(self._types(change.subject)):
                    continue
                heard = Heard(position=position, twin=change.subject, time=change.time, fields=told_by(change))
                yield rule, heard

    def _translate(self, rule: Translation, heard: Heard) -> None:
        try:
            self._translations.carry_out(rule, heard)
        except (StorageFull, StorageFailed, Overloaded):
            raise
        except GemelError as error:
            self._translations.put_off(rule, heard, error.detail)
        except Exception as error:  # one event that nobody thought of must not stop all that come after it
            _log.exception("an event could not be translated", translation=rule.id, position=heard.position)
            self._translations.put_off(rule, heard, f"{type(error).__name__}: {str(error).partition(chr(10))[0]:.200}")


def _all(tx: Connection) -> list[Translation]:
    bodies = tx.scalars(select(translations_table.c.body).order_by(translations_table.c.id))
    return [msgspec.json.decode(body, type=Translation) for body in bodies]


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(**{**row._mapping, "fields": msgspec.json.decode(row.fields)})

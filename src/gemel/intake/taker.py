"""Takes submissions one after the other into the block being built: checks, converts, tells repeats, refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from gemel.clock import to_rfc3339
from gemel.entanglement import ENTERED
from gemel.intake.base import Happened, Message, Quarantined, Refusal, Reported, SourceRule
from gemel.intake.builder import BlockBuilder, Mark
from gemel.intake.identity import Identities, Key, Watermarks, digest_of, key_of
from gemel.intake.outcome import MAX_PROBLEMS, Outcome
from gemel.intake.plans import Plans
from gemel.intake.quarantine import Held
from gemel.intake.queue import Item
from gemel.intake.refusal import Refused, error_of, not_granted
from gemel.intake.steady import SteadyClock
from gemel.intake.tail import Repeats, Tails, event_key, reading_key
from gemel.intake.times import Window
from gemel.intake.validate import INTEGERS, MAX_INTEGER, MAX_TEXT_BYTES, NUMBERS, TEXTS, check_text, event_fields
from gemel.twin import MANUAL, Change, Form, Kind, Quality

__all__ = ["Taker"]

GOOD, UNAVAILABLE = Quality.GOOD, Quality.UNAVAILABLE
TOLD_AGAIN = 500
"""So many numbers of an epoch one after the other that came before: it may be that the source counts from 0 again."""


class Taker:
    """Fills a builder from items. Used by the writer thread alone."""

    def __init__(
        self, plans: Plans, identities: Identities, watermarks: Watermarks, tails: Tails, clock: SteadyClock
    ) -> None:
        self.plans = plans
        self.identities = identities
        self.watermarks = watermarks
        self.tails = tails
        self.rules: dict[str, SourceRule] = {}
        self._clock = clock
        self._default = SourceRule()
        self._source = ""
        self._through = ""
        """Who hands in: what it says may be another's (see Message.sender)."""
        self._actor = ""
        self._scope: Callable[[str], bool] | None = None
        self._window = Window(0, 0, 0)
        self._windows: dict[str, Window] = {}
        self._seen_events: list[int] = []
        self._told: Happened | None = None
        self.now = 0
        self.builder = BlockBuilder()
        self._adders = _adders(self.builder)

    def begin(self, items: Sequence[Item], extra: Iterable[Key] = ()) -> None:
        """A new block, of these items; `extra`: other ids that it may hold."""
        self.builder = BlockBuilder()
        self._adders = _adders(self.builder)
        self.now = self._clock.now()
        if (step := self._clock.stepped()) is not None:
            body = {"from": to_rfc3339(step[0]), "to": to_rfc3339(step[1])}
            self.builder.change(Change(kind="clock.stepped_back", subject="", time=self.now, body=body))
        self._windows.clear()
        self.plans.refresh()
        self.tails.begin()
        keys = (key for item in items for message in item.messages for key in _keys(item.source, message))
        self.identities.begin(chain(keys, extra))

    def window(self, source: str) -> Window:
        """Which times are believed of a source now."""
        window = self._windows.get(source)
        if window is None:
            window = self._windows[source] = Window.of(self.rules.get(source, self._default), self.now)
        return window

    def take(self, item: Item) -> Outcome:
        """Take one item of messages. Raises the error of the first refusal if the item is strict."""
        self._source = self._through = item.source
        self._actor, self._scope = item.actor, item.scope
        self._window = self.window(item.source)
        builder = self.builder
        outcome = Outcome(builder.count)
        if item.strict:
            mark, ids = builder.mark(), self.identities.mark()
            self.watermarks.mark()
        repeats = self.tails.repeats(item.source, builder) if item.resumed else None
        runs: list[tuple[int, int]] = []  # of what has no identity: only that is told from its repeats by the tail
        begun = -1
        for message in item.messages:
            if message.id or message.sequence is not None:
                if begun >= 0:
                    runs.append((begun, builder.count))
                    begun = -1
            elif begun < 0:
                begun = builder.count
            self._source = message.sender or item.source
            try:
                self._message(message, outcome, repeats)
            except Refused as refused:
                self._refuse(outcome, refused, message)
        outcome.end = builder.count
        if begun >= 0:
            runs.append((begun, outcome.end))
        if item.strict and outcome.quarantined:
            self.back_to(mark)
            self.identities.back_to(ids)
            self.watermarks.back()
            self._seen_events.clear()
            raise error_of(outcome.problems[0])
        for start, end in runs:
            if end > start:
                self.tails.took(item.source, start, end)
        for seen in self._seen_events:
            self.tails.took_event(item.source, seen)
        self._seen_events.clear()
        return outcome

    def _message(self, message: Message, outcome: Outcome, repeats: Repeats | None) -> None:
        if message.id:
            check_text("the id of a message", message.id)
        if message.sequence is not None:
            if not isinstance(message.sequence, int) or message.sequence < 0 or message.sequence >= 2**63:
                raise Refused("malformed", "the sequence number of a message must be from 0 to 2^63 - 1")
            epoch = check_text("the epoch of a message", message.epoch)
            if not self.number(epoch, message.sequence, sparse=message.sparse):
                outcome.repeated += len(message.readings) + len(message.events)
                return
            repeats = None
        elif message.id:
            key, digest = key_of(self._source, message.id), digest_of(message)
            if self._came_before(key, digest, f"message {message.id!r:.80}"):
                outcome.repeated += len(message.readings) + len(message.events)
                return
            repeats = None
            self.identities.add(key, digest, self.builder.count)
        if message.readings and self._through == MANUAL:
            self._by_hand(message.readings, outcome)
        elif message.readings:
            self.readings(message.readings, outcome, repeats)
        for event in message.events:
            try:
                self._event(event, message, outcome, repeats)
            except Refused as refused:
                self._refuse(outcome, refused, event)
            except Exception as error:  # as with readings
                self._refuse(outcome, Refused("malformed", f"the event cannot be read: {error!s:.200}"), event)

    def number(self, epoch: str, number: int, *, sparse: bool) -> bool:
        """Whether a number of the source is new. What it shows to be missing, or brings late, is journaled."""
        marks, source = self.watermarks, self._source
        skipped, late = marks.skipped(source, epoch, number), marks.is_late(source, epoch, number)
        if not marks.take(source, epoch, number):
            again, reached = marks.again(source, epoch)
            if again == TOLD_AGAIN:
                body = {"epoch": epoch, "number": number, "reached": reached, "repeated": again}
                self.builder.change(
                    Change(kind="source.told_again", subject=source, time=self.now, source=source, body=body)
                )
            return False
        if not sparse and (skipped is not None or late):
            first, last = skipped or (number, number)
            kind = "source.missed" if skipped else "source.came_late"
            body = {"epoch": epoch, "first": first, "last": last}
            self.builder.change(Change(kind=kind, subject=source, time=self.now, source=source, body=body))
        return True

    def _came_before(self, key: tuple[str, str], digest: bytes, what: str) -> bool:
        before = self.identities.seen(key)
        if before is None:
            return False
        if before != digest:
            raise Refused(
                "conflict", f"{what} of {self._source!r:.80} came before with other content; give new content a new id"
            )
        return True

    def readings(self, readings: Sequence[Reported], outcome: Outcome, repeats: Repeats | None) -> None:
        """The hot path: a usual value in its own unit costs two look-ups, two comparisons and five appends."""
        if self._scope is not None:
            readings = self._within(self._scope, readings, outcome)
        plans, builder, now = self.plans.of, self.builder, self.now
        earliest, latest = self._window.earliest, self._window.latest
        adders = self._adders
        good, count, accepted = GOOD, builder.count, 0
        for reading in readings:
            try:
                plan = plans[reading.twin][reading.property]
                value = reading.value
                kind = type(value)
                if reading.quality is not good or reading.unit or repeats is not None:
                    usual = False
                elif plan.way == NUMBERS:
                    usual = (kind is float or kind is int) and plan.low <= value <= plan.high
                elif plan.way == INTEGERS:
                    usual = kind is int and plan.low <= value <= plan.high and -MAX_INTEGER <= value <= MAX_INTEGER
                elif plan.way == TEXTS:
                    usual = kind is str and value.isascii() and len(value) <= MAX_TEXT_BYTES
                    usual = usual and (plan.values is None or value in plan.values)
                else:
                    usual = False
                if usual:
                    time = reading.time
                    if time is None:
                        time = now
                    elif not earliest <= time <= latest:
                        raise self._window.refusal(plan, time)
                    add_time, add_value, add_series, add_quality, add_ordinal = adders[plan.slot]
                    add_time(time)
                    add_value(value)
                    add_series(plan.series)
                    add_quality(0)
                    add_ordinal(count)
                    count += 1
                    accepted += 1
                    continue
            except Refused as refused:
                self._refuse(outcome, refused, reading)
                continue
            except Exception:
                pass  # not resolved yet, or not what it should be: the careful way finds out
            builder.count = count
            try:
                if self._reading(reading, repeats):
                    accepted += 1
                    count += 1
                else:
                    outcome.repeated += 1
            except Refused as refused:
                self._refuse(outcome, refused, reading)
            except Exception as error:  # objects of a caller may raise anything; the stream goes on
                for columns in builder.columns:
                    columns.cut(len(columns))
                self._refuse(outcome, Refused("malformed", f"the reading cannot be read: {error!s:.200}"), reading)
        builder.count = count
        outcome.accepted += accepted

    def _by_hand(self, readings: Sequence[Reported], outcome: Outcome) -> None:
        """What a person tells: each reading, and right after it the change that says who told it."""
        for reading in readings:
            try:
                self._reading(reading, None)
            except Refused as refused:
                self._refuse(outcome, refused, reading)
                continue
            self.builder.count += 1
            outcome.accepted += 1
            plan = self.plans.resolve(reading.twin, reading.property)
            body = {"property": plan.property.name, "value": reading.value, "unit": reading.unit or plan.unit}
            time = self._window.time(plan, reading.time)
            change = Change(kind=ENTERED, subject=plan.twin, time=time, actor=self._actor, body=body)
            self.builder.change(change)

    def _within(
        self, scope: Callable[[str], bool], readings: Sequence[Reported], outcome: Outcome
    ) -> Sequence[Reported]:
        """Those of twins that the source may speak of; the others are refused."""
        kept = []
        for reading in readings:
            if scope(reading.twin):
                kept.append(reading)
            else:
                self._refuse(outcome, not_granted(self._source, reading.twin), reading)
        return kept

    def back_to(self, mark: Mark) -> None:
        """Forget what the block got since `mark`."""
        self.builder.back_to(mark)
        self._adders = _adders(self.builder)

    def close_columns(self) -> None:
        """Columns that came as a whole follow: those being filled end here."""
        self.tails.flush(self.builder)
        self.builder.close()
        self.tails.closed()
        self._adders = _adders(self.builder)

    def _reading(self, reading: Reported, repeats: Repeats | None) -> bool:
        """Any reading, the careful way. False if it is a repeat. Raises Refused."""
        plan = self.plans.resolve_for(self._through, reading.twin, reading.property)
        time = self._window.time(plan, reading.time)
        quality = Quality(reading.quality)
        value = None
        if reading.value is not None and (quality is not UNAVAILABLE or plan.kind is Kind.CONDITION):
            value = plan.value(reading.value, reading.unit)
            if plan.kind is Kind.CONDITION and '"level":"unavailable"' in value:
                quality = UNAVAILABLE
        else:
            quality = UNAVAILABLE
        if repeats is not None and reading_key(plan.series, time, value) in repeats:
            return False
        columns = self.builder.columns[plan.slot]
        row = len(columns)
        columns.time.append(time)
        if value is None:
            columns.nulls.append(row)
            columns.value.append(None if plan.form in (Form.TEXT, Form.ARRAY) else 0)
        else:
            columns.value.append(value)
        columns.series.append(plan.series)
        columns.quality.append(int(quality))
        columns.ordinal.append(self.builder.count)
        return True

    def _event(self, event: Happened, message: Message, outcome: Outcome, repeats: Repeats | None) -> None:
        if self._scope is not None and not self._scope(event.twin):
            raise not_granted(self._source, event.twin)
        entry, type_ = self.plans.event(event.twin, event.event)
        if event.id:
            check_text("the id of an event", event.id)
        time = self._window.time(f"{entry.id}.{event.event}", event.time)
        fields = event_fields(f"{entry.id}.{event.event}", type_.fields, event.fields)
        if event.id:
            key, digest = key_of(self._source, event.id, event=True), digest_of(self._told or event)
            if self._came_before(key, digest, f"event {event.id!r:.80}"):
                outcome.repeated += 1
                return
            self.identities.add(key, digest, self.builder.count)
        else:
            seen = event_key(entry.id, type_.name, time, fields)
            if repeats is not None and seen in repeats:
                outcome.repeated += 1
                return
            if not message.id and message.sequence is None:
                self._seen_events.append(seen)
        self.builder.change(
            Change(
                kind="event.happened",
                subject=entry.id,
                time=time,
                actor=self._actor,
                source=self._source,
                id=event.id or message.id or "",
                body={"event": type_.name, "severity": type_.severity, "fields": fields},
            )
        )
        outcome.accepted += 1

    def _refuse(self, outcome: Outcome, refused: Refused, thing: Reported | Happened | Message) -> None:
        twin, name = "", ""
        if isinstance(thing, Reported):
            twin, name = thing.twin, thing.property
        elif isinstance(thing, Happened):
            twin, name = thing.twin, thing.event
        refusal = Refusal(code=refused.code, detail=refused.detail, twin=str(twin), property=str(name))
        outcome.refuse(Held(self._source, self.now, refusal, thing, self._actor))

    def judge(self, item: Item, reading: Reported) -> Refused | None:
        """Why a reading of an item that came as columns cannot be taken; None if it can."""
        self._through, self._source, self._actor = item.source, item.source, item.actor
        self._window = self.window(item.source)
        try:
            if item.scope is not None and not item.scope(reading.twin):
                raise not_granted(self._source, reading.twin)
            plan = self.plans.resolve_for(item.source, reading.twin, reading.property)
            self._window.time(plan, reading.time)
            if reading.value is not None and Quality(reading.quality) is not UNAVAILABLE:
                plan.value(reading.value, reading.unit)
        except Refused as refused:
            return refused
        return None

    def carefully(self, item: Item, readings: Sequence[Reported], outcome: Outcome) -> None:
        """Take readings of an item that came as columns, one by one."""
        self._through, self._source, self._actor = item.source, item.source, item.actor
        self._window = self.window(item.source)
        self._scope = item.scope
        self.readings(readings, outcome, None)

    def again(self, row: Quarantined, message: Message, outcome: Outcome) -> Outcome:
        """Take what was quarantined; what became of it, which is also added to `outcome`."""
        self._through, self._source, self._actor = row.source, row.source, ""
        self._window = self.window(row.source)
        self._scope = None  # whoever replays it has looked at it
        trial = Outcome(self.builder.count)
        self._told = row.payload  # its identity is that of what came, not of what was mended
        self._message(message, trial, None)
        self._told = None
        self._seen_events.clear()
        outcome.accepted += trial.accepted
        outcome.repeated += trial.repeated
        outcome.quarantined += trial.quarantined
        outcome.problems = [*outcome.problems, *trial.problems][:MAX_PROBLEMS]
        return trial


def _adders(builder: BlockBuilder) -> list[tuple[Callable[[Any], None], ...]]:
    return [
        (c.time.append, c.value.append, c.series.append, c.quality.append, c.ordinal.append) for c in builder.columns
    ]


def _keys(source: str, message: Message) -> list[Key]:
    source = message.sender or source
    keys = [key_of(source, message.id)] if isinstance(message.id, str) and message.id else []
    keys.extend(
        key_of(source, event.id, event=True) for event in message.events if isinstance(event.id, str) and event.id
    )
    return keys

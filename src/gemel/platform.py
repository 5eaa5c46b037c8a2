"""A running platform: composes the rooms over one folder, and offers their verbs.

`gemel.open("plant/")` is `Platform.open`. The verbs here, of the client, of the HTTP API and of the CLI are the same.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import msgspec
import pyarrow as pa

from gemel.access import Gate
from gemel.clock import Clock, Moment, WallClock, moment
from gemel.connectors import Supervisor
from gemel.database import Database
from gemel.errors import FolderInUse, InvalidInput, UnknownTwin
from gemel.history import History, Range
from gemel.intake import Intake, Message, Quarantined, Receipt, Reported
from gemel.journal import SqlJournal, Verification
from gemel.registry import Page, Plan, Plant, Registry, TwinQuery, TwinSpec, load_plant
from gemel.state import Now, Selection, State, Subscription
from gemel.twin import Change, Position, Quality, Reading, Twin, TwinType

__all__ = ["Platform", "Settings"]

SWEEP_EVERY_S = 1.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gemel.yaml` in the folder: what the operator of a platform may choose. All of it has a default."""

    name: str = "Gemel"
    time_zone: str = "UTC"
    database: str = ""
    """SQLAlchemy URL of registry and journal; empty: SQLite in the folder."""
    catalogue: str = ""
    """DuckLake catalogue of the history (`postgres:…`); empty: SQLite in the folder."""


class Platform:
    """One folder, open. Every verb may be called from any thread."""

    def __init__(self, folder: Path, settings: Settings, clock: Clock, lock: filelock.FileLock) -> None:
        """Use `Platform.open`."""
        self.folder = folder
        self.settings = settings
        self.clock = clock
        self._lock = lock
        self._stopping = threading.Event()
        self.database = Database(settings.database or f"sqlite:///{folder / 'gemel.sqlite'}")
        self.database.migrate()
        self.registry = Registry(self.database, clock)
        self.journal = SqlJournal(self.database)
        self.state = State(self.registry.directory, clock)
        self.history = History(
            folder / "history", self.journal, self.registry.directory, clock, catalogue_url=settings.catalogue or None
        )
        self._restore()
        self.intake = Intake(self.journal, self.registry, clock, after_commit=[self.state.fold])
        self.gate = Gate(self.database, self.intake, clock)
        self.supervisor = Supervisor(self.intake, clock)
        self.supervisor.apply(self.registry.connectors())
        self._sweeper = threading.Thread(target=self._sweep, name="gemel-freshness", daemon=True)
        self._sweeper.start()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, clock: Clock | None = None) -> Self:
        """Open the folder, making it if it is new. Raises FolderInUse with the owner's process id."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        lock, owner = filelock.FileLock(folder / "gemel.lock"), folder / "gemel.owner"
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            who = owner.read_text() if owner.exists() else "another process"
            raise FolderInUse(
                f"{folder} is open in {who}; connect to it with gemel.connect(url), or stop it first"
            ) from None
        try:
            owner.write_text(f"process {os.getpid()}")
            return cls(folder, _settings(folder), clock or WallClock(), lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Stop taking in, make everything durable, let the folder go."""
        self._stopping.set()
        self.supervisor.close()
        self.gate.close()
        self.intake.close()
        self.history.close()
        self._sweeper.join()
        self.database.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # what is known

    @property
    def position(self) -> Position:
        """The position that the live state has reached."""
        return self.state.position

    def types(self) -> list[TwinType]:
        return self.registry.types()

    def type(self, id: str, version: int | None = None) -> TwinType:
        return self.registry.type(id, version)

    def put_type(self, type: TwinType) -> Position:
        """Create the type or evolve it; twins, history and readers go on."""
        return self._change(lambda tx: self.registry.put_type(tx, type))

    def twins(self, query: TwinQuery | None = None) -> Page[Twin]:
        return self.registry.search(query or TwinQuery())

    def twin(self, id: str) -> Twin:
        return self.registry.twin(id)

    def put_twin(self, spec: TwinSpec, *, if_revision: int | None = None) -> Position:
        return self._change(lambda tx: self.registry.put_twin(tx, spec, if_revision=if_revision))

    def plan(self, document: Plant | str | Path | Mapping[str, Any]) -> Plan:
        """What `apply` would do."""
        return self.registry.plan(load_plant(document))

    def apply(self, document: Plant | str | Path | Mapping[str, Any], *, dry_run: bool = False) -> Plan:
        """Make the platform as the plant document says, in one step; returns the difference it made."""
        plan = self.plan(document)
        if not dry_run and not plan.is_empty:
            self._change(lambda tx: self.registry.apply(tx, plan))
            self.supervisor.apply(self.registry.connectors())
        return plan

    # the now

    def now(self, twin: str) -> dict[str, Now]:
        """All values of the twin as they are now."""
        return self.state.twin(self._entry(twin))

    def write(
        self, twin: str, property: str, value: Any, *, time: Moment | None = None, unit: str = "", quality: Quality = Quality.GOOD
    ) -> Position:
        """Report one value; returns its position once it is on stable storage. Raises InvalidValue and the like."""
        reported = Reported(
            twin=twin, property=property, value=value, time=None if time is None else moment(time), unit=unit, quality=quality
        )
        return self.intake.submit("library", [Message(readings=[reported])], strict=True).result().last

    def ingest(self, messages: Sequence[Message], *, source: str = "library") -> Receipt:
        """Hand in messages; returns after they are on stable storage, with what was refused and why."""
        return self.intake.submit(source, messages).result()

    def subscribe(self, selection: Selection, *, after: Position | None = None, rate_hz: float | None = None) -> Subscription:
        return self.state.subscribe(selection, after=after, rate_hz=rate_hz)

    def query(self, sql: str, *, limit: int = 100_000) -> pa.Table:
        """A SELECT over live.<type>, history.*, twins and links. Raises InvalidQuery."""
        return self.state.sql(sql, self.history.sql_relations() | self.registry.sql_relations(), limit=limit)

    # the past

    def at(self, twin: str, time: Moment) -> dict[str, Reading]:
        """The whole twin as it was at an instant."""
        return self.history.twin(twin, moment(time))

    def range(
        self, twin: str, property: str, start: Moment, end: Moment, *, points: int | None = None, method: str = "minmax", unit: str | None = None
    ) -> Range:
        return self.history.range(twin, property, moment(start), moment(end), points=points, method=method, unit=unit)

    # health and proof

    def quarantined(self, **query: Any) -> Page[Quarantined]:
        return self.intake.quarantined(**query)

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Recompute every hash of the journal."""
        return self.journal.verify(progress=progress)

    # inside

    def _change(self, work: Callable[[Any], Iterable[Change]]) -> Position:
        def run(tx: Any) -> tuple[None, Sequence[Change]]:
            return None, list(work(tx))

        future: Future[tuple[None, Position]] = self.intake.transact(run)
        return future.result()[1]

    def _entry(self, twin: str) -> Any:
        entry = self.registry.directory.twin(twin)
        if entry is None:
            raise UnknownTwin(f"there is no twin {twin!r:.100}; look for it with twins(), or create it with apply()")
        return entry

    def _restore(self) -> None:
        """Bring the state to the journal's head: from the history's latest keyframe, then the blocks after it."""
        for block in self.journal.blocks():
            self.state.fold(block)

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_EVERY_S):
            self.state.sweep(self.clock.now())


def _settings(folder: Path) -> Settings:
    path = folder / "gemel.json"
    if not path.exists():
        return Settings()
    try:
        return msgspec.convert(json.loads(path.read_text()), Settings)
    except (ValueError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{path}: {error}") from error

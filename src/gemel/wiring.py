"""All rooms over one folder, opened in their order, joined, and closed the other way round.

No verbs of people here: those are `gemel.platform`, which is this and offers them.
"""

from __future__ import annotations

import collections.abc
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import Connection

from gemel.access import Devices, Gate, Principal, Role, Rooms, View
from gemel.backup import Keeper, adopt, prepare, written
from gemel.clock import Clock, WallClock
from gemel.commands import (
    Commander,
)
from gemel.computation import Computation
from gemel.configuration import (
    Configuration,
    Linking,
    Live,
    Metering,
    SoftwareBook,
    SoftwareReports,
    Translator,
)
from gemel.connectors.reach import Reach
from gemel.connectors.supervisor import Supervisor
from gemel.database import Database
from gemel.diagnosis import Health
from gemel.edge import Edge
from gemel.entanglement import Entanglement
from gemel.erasure import Erasures
from gemel.errors import GemelError
from gemel.folder import DATABASE, Folder
from gemel.health.lifetimes import Lifetimes
from gemel.history import History, Pace
from gemel.history import Settings as HistorySettings
from gemel.housekeeping import House
from gemel.intake import Intake
from gemel.journal import SqlJournal
from gemel.registry import Composition, Registry, relations
from gemel.services import Service
from gemel.services.campaigns import Aim, Artifacts, Campaigns, Rights
from gemel.services.capabilities import Capabilities
from gemel.services.effectiveness import Effectiveness, Whole
from gemel.services.forms import Forms
from gemel.services.offers import Offers
from gemel.services.prospects import Base, Prospects
from gemel.services.work import Work
from gemel.state import Relation, Saved, State
from gemel.storage import Holds, Keeping
from gemel.thread import Store, Thread
from gemel.thread.importing import Imports
from gemel.twin import (
    Block,
    Change,
    Position,
)
from gemel.units import warm_up
from gemel.witness import Rooms as WitnessRooms
from gemel.witness import Witness

__all__ = ["Wired"]

_log = structlog.get_logger("gemel.wiring")


class Wired:
    """One folder, open: its rooms, each an attribute of its name."""

    def __init__(self, folder: Folder, clock: Clock, *, run_connectors: bool = True) -> None:
        """Use `Platform.open`."""
        self.folder = folder
        self.clock = clock
        self.at_work = run_connectors
        """Whether this is the plant itself, not a copy that somebody looks at with its connectors still."""
        self._opened = ExitStack()
        with ExitStack() as opened:
            opened.callback(folder.release)
            settings = folder.settings()
            self.database = Database(settings.database or f"sqlite:///{folder.path / DATABASE}")
            opened.callback(self.database.close)
            prepare(folder.path, self.database, clock.now())
            self.database.migrate()
            written(folder.path, self.database)
            self.registry = Registry(self.database, clock)
            self.journal = SqlJournal(self.database)
            opened.callback(self.journal.close)
            self.state = State(
                self.registry.directory, clock, blocks=self.journal.blocks, composition=Composition(self.registry)
            )
            for spec in self.registry.connectors():
                self.state.bind(spec)
            opened.callback(self.state.close)
            saved = Saved(folder.path / "state", self.state, self.journal)
            saved.restore()
            opened.callback(saved.write)
            self.history = History(
                folder.path / "history",
                self.journal,
                self.registry.directory,
                clock,
                catalogue_url=settings.catalogue or None,
                settings=HistorySettings(pace=Pace(commit_s=settings.history_every_s)),
            )
            opened.callback(self.history.close)
            self.entanglement = Entanglement(self.registry, self.state, self.history, clock)
            self._house = House(self, saved, keyframe_every_s=settings.keyframe_every_s, rewire=self._rewire)
            self._services: list[Service] = []
            followers = [self.state.fold, self._follow]
            self.intake = Intake(
                self.journal,
                self.registry,
                clock,
                after_commit=followers,
                sources=self.state,
                guard=self.entanglement,
            )
            opened.callback(self.intake.close)
            self.computation = Computation(
                self.state, self.registry, self.history, self.intake, plugins=settings.plugins
            )
            opened.callback(self.computation.close)
            self.commander = Commander(self.database, self.intake, self.registry, self.state, clock)
            self.commander.effects.call = self.computation.call
            opened.callback(self.commander.close)
            devices = Devices(
                self.database, self.intake, clock, registry=self.registry, secrets=folder.path / "secrets"
            )
            self.gate = Gate(
                self.database,
                self.intake,
                clock,
                position=lambda: self.state.position,
                devices=devices,
                registry=self.registry,
            )
            self.gate.pace.per_second = settings.party_requests_per_s
            opened.callback(self.gate.close)
            self._seen = Rooms(self.gate, self.registry, self.state, self.history, self._tables, self.entanglement)
            self.holds = Holds(self.database, self.registry, clock, lambda work, actor: self.change(work, actor=actor))
            rooms = (self.journal, self.history, self.registry.directory)
            self.storage = Keeping(
                folder.path, rooms, self.holds, clock, settings=settings, run=self.change, refuse=self.intake.refuse
            )
            self.erasures = Erasures(
                folder.path,
                self.database,
                (self.registry, self.journal, self.history, self.gate),
                clock,
                held=self.holds.covered,
                run=self.change,
                forget=saved.forget,
            )
            self.erasures.resume()
            self.supervisor = Supervisor(
                self.intake,
                clock,
                self.registry,
                reach=Reach.of(folder.path, networks=settings.webhook_networks, plugins=settings.plugins),
                gate=self.gate,
                state=self.state,
                journal=self.journal,
                history=self.history,
            )
            opened.callback(self.supervisor.close)
            self.configuration = Configuration(self.database, clock, Linking(self.change, self.registry, clock))
            """Which item was in which slot, from–to, as known when."""
            self.commander.ask_before_risk(self.configuration.hazards)
            self.commander.ask_what_is_assumed(self.configuration.assume)
            opened.callback(self.configuration.shared.close)
            self.metering = Metering(self.configuration, self.database, self.registry, clock, rules=settings.usage)
            """Of what machines tell of their use, as acts."""
            self.configuration.shared.engines.reach = self.supervisor.reach
            self.lifetimes = Lifetimes(
                self.database,
                self.change,
                clock,
                of=(self.configuration, self.history, self.registry),
                position=lambda: self.state.position,
            )
            """How long items live: their lives as a table, models learnt from it, what is expected of each."""
            self.translator = Translator(
                self.database, self.journal, self.configuration.as_("gemel").translations, self._types_of
            )
            opened.callback(self.translator.close)
            directory = self.registry.directory
            self.software = SoftwareBook(
                self.database,
                clock,
                self.change,
                directory=directory,
                live=Live(directory, self.state, clock),
                parts=self.configuration.parts,
            )
            """What software there is, where it is required, and what machines run."""
            self.configuration.shared.software = self.software.all
            self.configuration.shared.judged = self.software.judged
            self.artifacts = Artifacts(folder.path / "documents", self.database, clock, self.change)
            self.software_reports = SoftwareReports(
                self.software, self.configuration, directory, clock, state=self.state, history=self.history
            )
            self.campaigns = Campaigns(
                self.database,
                self.change,
                clock,
                aim=Aim(self.software, self.artifacts, self.commander, self.configuration),
                objects=Rights(self.gate).objection,
            )
            self.registry.unbuilt = self.configuration.unbuilt
            self.capabilities = Capabilities(
                self.database,
                clock,
                self.change,
                book=self.software,
                commander=self.commander,
                objects=Rights(self.gate).objection,
            )
            """What is unlocked on machines, by licences."""
            self.offers = Offers(
                self.database,
                clock,
                self.change,
                configuration=self.configuration,
                registry=self.registry,
                parties=self.gate.parties.get,
                licence=self.capabilities.sold,
            )
            """Machines that are configured, ordered, built and delivered."""
            self.prospects = Prospects(
                self.database,
                clock,
                self.change,
                rooms=Base(
                    configuration=self.configuration,
                    book=self.software,
                    capabilities=self.capabilities,
                    entanglement=self.entanglement,
                    state=self.state,
                    directory=directory,
                    past=lambda: self.history,
                ),
                registry=self.registry,
                campaigns=self.campaigns,
                parties=lambda: {one.id: one.name for one in self.gate.parties.all()},
            )
            """Which machines and customers fit a service, and where upgrades are worth while."""
            store = Store(folder.path / "documents")
            self.thread = Thread(self.database, clock, self.change, self.configuration, store)
            """Documents and records of all phases, linked to parts, items, twins and times of them."""
            self.work = Work(
                folder.path,
                (self.database, clock, self.change),
                registry=self.registry,
                thread=self.thread,
                reach=self.supervisor.reach,
            )
            """Work orders, unplanned stops, what they cost, and exchanges with the systems that plan work."""
            self.effectiveness = Effectiveness(
                self.database,
                self.registry,
                self.configuration,
                clock,
                whole=Whole(
                    lambda: View(self._seen, Principal(id="library", kind="User", role=Role.VIEWER)),
                    lambda: self.work.prices.book(),
                ),
            )
            """OEE and the other key figures, read from the history when somebody asks."""
            self.forms = Forms(
                (self.database, clock, self.change),
                registry=self.registry,
                thread=self.thread,
                orders=self.work.orders,
                submit=self.intake.submit,
                guard=self.entanglement,
                believed=self.intake.believed_since,
            )
            """Checklists that people declare, and fill in beside the machine."""
            self._services += [self.software_reports, self.campaigns, self.capabilities, self.work, self.forms]
            for service in self._services:
                opened.callback(service.close)
            self.epoch = adopt(folder.path, clock.now(), self.change)
            """Which life of the plant this is; empty for the first. Another one may give positions another meaning."""
            self.edge = Edge(self, settings.edge) if settings.edge.url else None
            """Hands on what is journaled, where this is an edge node."""
            if self.edge is not None:
                opened.callback(self.edge.close)
            self.witness = Witness(
                folder.path,
                WitnessRooms(
                    journal=self.journal,
                    audit=self.gate.audit,
                    database=self.database,
                    directory=self.registry.directory,
                    clock=clock,
                    run=self.change,
                    reach=self.supervisor.reach,
                    epoch=self.epoch,
                ),
                settings.witness,
            )
            opened.callback(self.witness.close)
            self.backups = Keeper(self, settings.backup, self.change, partial(type(self).open, run_connectors=False))
            opened.callback(self.backups.close)
            threading.Thread(target=warm_up, name="gemel-units", daemon=True).start()
            self.imports = Imports(
                self.thread, self.registry, self.history, self.change, clock=clock, plugins=settings.plugins
            )
            """Of product structures, inspections, logs and other files into the thread."""
            self.history.on_damage(lambda change: self.tell([change]))
            self.health = Health(self)
            self._rewire()
            if run_connectors:  # a copy that is only looked at keeps still
                self.backups.start()
                self.computation.start()
                self.commander.start(self.supervisor)
                if self.edge is not None:
                    self.edge.start()
                self.witness.start()
                for service in self._services:
                    service.start()
                self.translator.start()
            opened.callback(self._house.close)
            self._house.start()
            self._opened = opened.pop_all()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, clock: Clock | None = None, run_connectors: bool = True) -> Self:
        """Open the folder, making it if it is new. Without `run_connectors`, declared connectors stay still.

        Raises FolderInUse with the process that has it.
        """
        return cls(Folder.take(path), clock or WallClock(), run_connectors=run_connectors)

    def close(self) -> None:
        """Stop taking in, make everything durable, let the folder go. Safe to call again."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # what joins them

    def change(self, work: Callable[[Connection], Sequence[Change]], *, actor: str = "") -> Position:
        """Do `work` (a mutator of the registry) in the writer's transaction; returns the position after it."""
        return self.intake.transact(lambda tx: (None, work(tx)), actor=actor).result()[1]

    def tell(self, changes: Sequence[Change]) -> None:
        """Journal what was noticed, if the writer takes anything; does not wait."""
        try:
            self.intake.transact(partial(_journaled, changes))
        except GemelError as error:
            _log.warning("changes could not be journaled", count=len(changes), error=error.detail)

    def _tables(self) -> collections.abc.Mapping[str, Relation]:
        """What SQL knows besides live.<type> and history.*"""
        return {**relations(self.database), "entanglement": self.entanglement.table}

    def _follow(self, block: Block) -> None:
        self.entanglement.follow(block)
        self.commander.follow(block)
        self.gate.follow(block)
        self.computation.follow(block)
        for service in self._services:
            service.follow(block)
        if any(change.kind.startswith("connector.") for change in block.changes):
            self._house.rewired()

    def _types_of(self, twin: str) -> tuple[str, ...]:
        entry = self.registry.directory.twin(twin)
        return () if entry is None else tuple(entry.types)

    def _rewire(self) -> None:
        if self.at_work:
            self.supervisor.apply(self.registry.connectors())


def _journaled(changes: Sequence[Change], _tx: Connection) -> tuple[None, Sequence[Change]]:
    return None, changes

"""What is known: types, twins, links, connectors. The verbs; the rules are in the files beside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from gemel.clock import Clock
from gemel.database import Database
from gemel.errors import Conflict, InvalidDocument, UnknownType
from gemel.registry import connectors, links, tables, twins, types
from gemel.registry.applying import Staging, Work, apply
from gemel.registry.assembly import Assemblies, Assembly, load_assemblies, load_assembly
from gemel.registry.computing import computing_problems
from gemel.registry.directory import Directory
from gemel.registry.following import follow, load
from gemel.registry.plan import Plan
from gemel.registry.planning import make_plan
from gemel.registry.query import TwinQuery
from gemel.registry.search import search
from gemel.twin import Change, ConnectorSpec, LifeStage, Link, Page, Plant, Site, Twin, TwinSpec, TwinType

__all__ = ["Registry"]

AT_ONCE = 10_000
"""Numbers in one question: databases limit its parameters."""
_NOT_REAL = frozenset({LifeStage.PLANNED, LifeStage.RETIRED, LifeStage.RECYCLED})


def _nothing(_tx: Connection, _twins: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {}


class Registry:
    """Types, twins, links and connectors of one database.

    Mutators take the writer's transaction, check, write rows, and return what changed (nothing for what is so
    already). They may be rolled back: `directory` follows only when `committed` is told of the changes.
    Readers are thread-safe.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.directory = Directory()
        with database.read() as tx:
            self.directory._replace(load(tx))
            pending = select(exists().where(tables.batch.c.live.is_(False)))
            self._staging = Staging(left_over=bool(tx.scalar(pending)))
        self.unbuilt: Callable[[Connection, Sequence[str]], Mapping[str, Sequence[str]]] = _nothing
        """(tx, twins) → those that may not be called more than design models, and what has to be recorded before; the
        configuration knows."""
        self._links_revision = 0
        self._assembly: tuple[int, Assembly] | None = None

    def put_type(self, tx: Connection, type: TwinType, *, if_version: int | None = None) -> list[Change]:
        """Create or evolve a type. Raises InvalidDocument, RevisionConflict."""
        changes = types.put_type(tx, type, now=self._clock.now(), if_version=if_version)
        problems = computing_problems({**self.directory.types, type.id: type}, {type.id: ""}) if changes else []
        if problems:
            raise InvalidDocument(f"twin type {type.id}", problems)
        return changes

    def put_twin(self, tx: Connection, spec: TwinSpec, *, if_revision: int | None = None) -> list[Change]:
        """Create or change a twin, and put the links it declares; others stay as they are.

        Raises InvalidDocument, UnknownType, UnknownTwin (a link's target), Conflict (an id or alias that is taken; a
        design model that would be more), RevisionConflict.
        """
        now = self._clock.now()
        changes = twins.put_twin(tx, spec, now=now, if_revision=if_revision)
        for kind, target, slot in spec.declared_links():
            changes += links.put_link(tx, kind, spec.id, target, slot=slot, since=now, now=now)
        return self._embodied(tx, changes)

    def remove_twin(self, tx: Connection, id: str, *, if_revision: int | None = None) -> list[Change]:
        """Retire a twin and end its links: its history stays, its id is never used again.

        Raises UnknownTwin, RevisionConflict.
        """
        now = self._clock.now()
        row = twins.twin_row(tx, id)
        return twins.retire_twin(tx, id, now=now, if_revision=if_revision) + links.end_all(tx, row.number, now=now)

    def empty_twin(self, tx: Connection, id: str) -> list[Change]:
        """Leave a tombstone of a twin: its id and number, without types, names, links or facts. Raises UnknownTwin."""
        now = self._clock.now()
        row = twins.twin_row(tx, id)
        return links.end_all(tx, row.number, now=now) + twins.empty_twin(tx, id, now=now)

    def set_stage(self, tx: Connection, id: str, stage: LifeStage, *, if_revision: int | None = None) -> list[Change]:
        """Raises UnknownTwin, RevisionConflict, InvalidValue (a step of life that is not allowed), Conflict (a design
        model whose as-built configuration is not recorded)."""
        return self._embodied(tx, twins.set_stage(tx, id, stage, now=self._clock.now(), if_revision=if_revision))

    def _embodied(self, tx: Connection, changes: list[Change]) -> list[Change]:
        """Raises Conflict where a design model would be called a twin of a real machine."""
        real: dict[str, str] = {}
        for change in changes:
            changed = change.kind == "twin.changed" and change.body.get("before") == LifeStage.PLANNED
            if changed or change.kind == "twin.created":
                stage = change.body["twin"]["stage"]
                if stage not in _NOT_REAL:
                    real[change.subject] = stage
        for twin, missing in (self.unbuilt(tx, list(real)) if real else {}).items():
            raise Conflict(f"{twin} is a design model still and cannot be {real[twin]}; record {'; '.join(missing)}")
        return changes

    def put_link(
        self, tx: Connection, kind: str, source: str, target: str, *, slot: str = "", since: int | None = None
    ) -> list[Change]:
        """Raises UnknownTwin, Conflict (a cycle, a full slot), NotFound (no such slot), InvalidValue."""
        now = self._clock.now()
        return links.put_link(tx, kind, source, target, slot=slot, since=now if since is None else since, now=now)

    def end_link(
        self, tx: Connection, kind: str, source: str, target: str, *, until: int | None = None, slot: str | None = None
    ) -> list[Change]:
        """Raises UnknownTwin, NotFound (there never was such a link), InvalidTime."""
        return links.end_link(tx, kind, source, target, until=until, now=self._clock.now(), slot=slot)

    def put_connector(self, tx: Connection, spec: ConnectorSpec) -> list[Change]:
        """Raises InvalidDocument."""
        return connectors.put_connector(tx, spec, now=self._clock.now())

    def remove_connector(self, tx: Connection, id: str) -> list[Change]:
        """Raises UnknownConnector."""
        return connectors.remove_connector(tx, id, now=self._clock.now())

    def put_cursor(self, tx: Connection, id: str, position: int) -> None:
        """Remember how far a sink has come; no change of what is declared."""
        connectors.put_cursor(tx, id, position)

    def put_site(self, tx: Connection, site: Site) -> list[Change]:
        return connectors.put_site(tx, site, now=self._clock.now())

    def plan(self, document: Plant, *, prune: bool = False, name: str = "plant") -> Plan:
        """What would have to change to make everything as declared. With `prune`, what a former apply declared and
        this document does not is retired.

        Raises InvalidDocument with everything that stands against it, with line and column.
        """
        with self._database.read() as tx:
            return make_plan(tx, self.directory, document, prune=prune, name=name)

    def stages(self, plan: Plan) -> Iterator[Work]:
        """Pieces of work to run before `apply`, each in a transaction of its own; none for a plan of usual size.

        They bring in many new twins unseen, so that `apply` only has to switch them on.
        """
        return self._staging.stages(plan, self._clock.now)

    def apply(self, tx: Connection, plan: Plan) -> list[Change]:
        """Do what a plan says, all of it or nothing. Raises RevisionConflict: changed since the plan was made."""
        return self._embodied(tx, apply(tx, plan, now=self._clock.now()))

    def committed(self, changes: Iterable[Change]) -> None:
        """To be called with what was committed, in order, before anyone is told of it."""
        changes = list(changes)
        follow(self.directory, changes)
        if any(change.kind.startswith(("link.", "plant.", "twin.")) for change in changes):
            self._links_revision += 1

    def assembly(self) -> Assembly:
        """What is part of what, as columns; kept until a link changes."""
        revision, kept = self._links_revision, self._assembly
        if kept is None or kept[0] != revision:
            with self._database.read() as tx:
                kept = self._assembly = revision, load_assembly(tx)
        return kept[1]

    def assemblies(self) -> Assemblies:
        """What ever was part of what."""
        with self._database.read() as tx:
            return load_assemblies(tx)

    def type(self, id: str, version: int | None = None) -> TwinType:
        """Raises UnknownType."""
        if version is not None:
            with self._database.read() as tx:
                return types.type_version(tx, id, version)
        found = self.directory.type(id)
        if found is None:
            raise UnknownType(f"there is no twin type {id!r:.160}", type=id)
        return found

    def types(self) -> list[TwinType]:
        return sorted(self.directory.types.values(), key=lambda t: t.id)

    def type_versions(self, id: str) -> list[TwinType]:
        """The first one first. Raises UnknownType."""
        with self._database.read() as tx:
            return types.type_versions(tx, id)

    def twin(self, id_or_alias: str) -> Twin:
        """Raises UnknownTwin."""
        with self._database.read() as tx:
            return twins.twin_by_id(tx, id_or_alias)

    def links(self, id: str, *, kind: str | None = None, direction: str = "both", at: int | None = None) -> list[Link]:
        """Links that hold now, or held at a moment. direction: out, in or both. Raises UnknownTwin."""
        with self._database.read() as tx:
            return links.links_of(tx, id, kind=kind, direction=direction, at=at)

    def links_in(self, tx: Connection, id: str, *, kind: str, ended: bool = False) -> list[Link]:
        """As a transaction sees them: links from a twin without an end, or those that have ended."""
        return links.links_from(tx, id, kind=kind, ended=ended)

    def stood_in(self, whole: str, slot: str) -> list[Link]:
        """What ever was part of a twin in one of its slots, in order of time. Raises UnknownTwin."""
        with self._database.read() as tx:
            return links.stood_in(tx, whole, slot)

    def parts(self, id: str, *, depth: int | None = None, at: int | None = None) -> list[tuple[Link, Twin]]:
        """What is part of a twin, nearest first, with the link that says so. Raises UnknownTwin."""
        with self._database.read() as tx:
            return _parts(tx, links.parts_of(tx, [twins.twin_row(tx, id).number], depth=depth, at=at))

    def links_of_all(self, ids: Iterable[str]) -> list[Link]:
        """Links that hold now from or to any of these twins, each once: one question for a whole overview."""
        with self._database.read() as tx:
            return links.links_of_all(tx, self._numbers(ids))

    def parts_of_all(self, ids: Iterable[str]) -> list[tuple[Link, Twin]]:
        """What is part of any of these twins, at any depth, nearest first: one question for a whole overview."""
        with self._database.read() as tx:
            return _parts(tx, links.parts_of(tx, self._numbers(ids)))

    def part_ids(self, ids: Iterable[str], *, depth: int | None = None) -> set[str]:
        """Ids of what is part of any of these twins, however many they are: a question for each ten thousand."""
        numbers = self._numbers(ids)
        with self._database.read() as tx:
            return {
                row.source_id
                for at in range(0, len(numbers), AT_ONCE)
                for row in links.parts_of(tx, numbers[at : at + AT_ONCE], depth=depth)
            }

    def _numbers(self, ids: Iterable[str]) -> list[int]:
        return [entry.number for id in ids if (entry := self.directory.twin(id)) is not None]

    def search(self, query: TwinQuery, *, only: Collection[int] | None = None) -> Page[Twin]:
        """Twins by anything that is known of them, by id, in pages; with `only`, of those (some thousand) numbers.

        Raises InvalidQuery.
        """
        with self._database.read() as tx:
            return search(tx, query, self.directory, only)

    def cursor(self, id: str) -> int | None:
        """How far the sink `id` has come; None for a new one."""
        with self._database.read() as tx:
            return connectors.cursor_of(tx, id)

    def connectors(self) -> list[ConnectorSpec]:
        with self._database.read() as tx:
            return connectors.connector_specs(tx)

    def site(self) -> Site:
        with self._database.read() as tx:
            return connectors.site_of(tx)


def _parts(tx: Connection, rows: Sequence[Row[Any]]) -> list[tuple[Link, Twin]]:
    known = twins.twins_by_number(tx, [row.source for row in rows])
    return [(links.link_of(row), known[row.source]) for row in rows]

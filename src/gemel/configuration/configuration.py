"""The configuration of all machines: which item was where, from–to, as known when.

Every verb is one act in one transaction: it is checked against what is believed, believed from then on, and journaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration import operations as ops
from gemel.configuration.acts import checking, inspecting, observing
from gemel.configuration.acts.desk import Desk
from gemel.configuration.acts.doing import Wish
from gemel.configuration.acts.expecting import expect
from gemel.configuration.acts.inspecting import Inspection
from gemel.configuration.acts.nonconformances import nonconforming
from gemel.configuration.acts.plans import Plans, planned
from gemel.configuration.hashing import configuration_hash
from gemel.configuration.operations import Observe, Operation
from gemel.configuration.parts import safety
from gemel.configuration.parts.book import Run
from gemel.configuration.questions import asking, counting, finding
from gemel.configuration.questions.asking import Difference, Stay
from gemel.configuration.questions.counting import Count
from gemel.configuration.questions.fleet import Order
from gemel.configuration.questions.threats import Telling, Threat, threats
from gemel.configuration.questions.verbs import Questions, Shared
from gemel.configuration.questions.within import Within, within
from gemel.configuration.values import (
    FOREVER,
    Act,
    Basis,
    Concession,
    Expected,
    Finding,
    Item,
    ItemSpec,
    Node,
    Nonconformance,
    Observation,
    Outcome,
    Placement,
    Span,
)
from gemel.database import Database
from gemel.errors import ConfigurationDiffers, GemelError
from gemel.twin import Change

__all__ = ["Configuration"]

_NO_BASIS = Basis()
_NO_SPECS: Mapping[str, ItemSpec] = {}


class Configuration(Questions):
    """Items, where they are and were. Every verb may be called from any thread."""

    def __init__(
        self, database: Database, clock: Clock, run: Run, *, actor: str = "", shared: Shared | None = None
    ) -> None:
        """`actor`: on whose behalf; see `as_`."""
        super().__init__(database, clock, run, actor=actor, shared=shared or Shared(database))
        self._at_desk()
        self._at_desk()

    def as_(self, actor: str) -> Configuration:
        """The same, on behalf of somebody."""
        other = Configuration(self._database, self._clock, self._run, actor=actor, shared=self.shared)
        other.parts = self.parts.as_(actor)
        other._at_desk()
        return other

    def _at_desk(self) -> None:
        self._desk = Desk(self._database, self._clock, self._run, self.parts, actor=self._actor)
        self.plans = Plans(self._database, self._clock, self._desk, actor=self._actor)

    # what is said

    def do(
        self,
        operation: Operation,
        *,
        basis: Basis = _NO_BASIS,
        concession: Concession | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Do one operation, or with `dry_run` only say what would become of it.

        Said before with the same key of the same source, it is not done again. Raises NotFound, InvalidInput,
        InvalidTime, Conflict (it contradicts what is known), RuleBroken, ConfigurationDiffers.
        """
        wish = Wish(operation=operation, basis=basis, concession=concession)
        (done,) = self._desk.each([wish], dry_run=dry_run)
        if isinstance(done, GemelError):
            raise done
        return done

    def do_all(
        self, operations: Sequence[tuple[Operation, Basis] | Wish], *, dry_run: bool = False
    ) -> list[Outcome | GemelError]:
        """One after another, each by itself: what cannot be done is told in its place, and the others go on.

        With `dry_run` each is tried upon what those before it would have done.
        """
        wishes = [o if isinstance(o, Wish) else Wish(operation=o[0], basis=o[1]) for o in operations]
        return self._desk.each(wishes, dry_run=dry_run)

    def together(
        self,
        wishes: Sequence[Wish] | Callable[[Connection], Sequence[Wish]],
        also: Callable[[Connection, Sequence[Outcome]], Sequence[Change]],
    ) -> list[Outcome]:
        """All of them or none, in one transaction, with what `also` does there; `wishes` may be what says them there.
        Raises what the first refused one raises, and what these two raise."""
        return self._desk.together(wishes, also)

    def adopt(
        self, root: str, seen: Sequence[Observe], *, basis: Basis, specs: Mapping[str, ItemSpec] = _NO_SPECS
    ) -> tuple[Inspection, list[Outcome | GemelError]]:
        """Note what was seen, and bring the record to it; what cannot be is told in its place. Raises NotFound.

        `specs`: by id, all that is known of items that were seen and are not known yet. The outcomes are those of the
        inspection's operations, then those of the observations.
        """
        found = self.inspect(root, seen)
        whole = tuple(
            msgspec.structs.replace(one, spec=specs.get(one.spec.id, one.spec)) if isinstance(one, ops.Create) else one
            for one in found.operations
        )
        found = msgspec.structs.replace(found, operations=whole)
        said = [*found.operations, *seen]
        keys = [basis.key and f"{basis.key}-{sha256(msgspec.json.encode(one)).hexdigest()[:16]}" for one in said]
        told = [
            msgspec.structs.replace(basis, seen=True, key=key, expects=() if i else basis.expects)
            for i, key in enumerate(keys)
        ]
        return found, self.do_all(list(zip(said, told, strict=True)))

    # the same as verbs; each returns the number of its act

    def create(self, spec: ItemSpec, at: int, basis: Basis = _NO_BASIS) -> int:
        """Know an item from a moment on."""
        return self.do(ops.Create(spec=spec, at=at), basis=basis).act

    def install(
        self, child: str, parent: str, slot: str, at: int, *, until: int = FOREVER, basis: Basis = _NO_BASIS
    ) -> int:
        """An item came into a slot of another."""
        return self.do(ops.Install(child=child, parent=parent, slot=slot, at=at, until=until), basis=basis).act

    def remove(self, child: str, at: int, *, to: tuple[str, str] | None = None, basis: Basis = _NO_BASIS) -> int:
        """An item was taken out, to another place if it is told."""
        return self.do(ops.Remove(child=child, at=at, to=to), basis=basis).act

    def swap(
        self,
        parent: str,
        slot: str,
        new: str,
        at: int,
        *,
        to: tuple[str, str] | None = None,
        basis: Basis = _NO_BASIS,
    ) -> int:
        """What a slot holds was taken out, to another place if it is told, and another item put in, at one moment."""
        return self.do(ops.Swap(parent=parent, slot=slot, new=new, at=at, to=to), basis=basis).act

    def modify(self, child: str, name: str, value: str, at: int, *, basis: Basis = _NO_BASIS) -> int:
        """A trait of an item, its revision say, has another value from a moment on."""
        return self.do(ops.Modify(child=child, name=name, value=value, at=at), basis=basis).act

    def retire(self, child: str, at: int, *, basis: Basis = _NO_BASIS) -> int:
        """The item exists no more."""
        return self.do(ops.Retire(child=child, at=at), basis=basis).act

    def use(self, item: str, kind: str, start: int, end: int, amount: float, *, basis: Basis = _NO_BASIS) -> int:
        """An item, and all that was in it, was used so much in a time."""
        return self.do(ops.Use(item=item, kind=kind, start=start, end=end, amount=amount), basis=basis).act

    def adjust(self, item: str, kind: str, amount: float, at: int, *, basis: Basis) -> int:
        """An item alone has so much more or less than was counted: what its records say, or a correction."""
        return self.do(ops.Adjust(item=item, kind=kind, amount=amount, at=at), basis=basis).act

    def correct(self, act: int, at: int, *, basis: Basis) -> int:
        """An earlier act was at another moment."""
        return self.do(ops.Correct(act=act, at=at), basis=basis).act

    def withdraw(self, act: int, *, basis: Basis) -> int:
        """An earlier act was not so."""
        return self.do(ops.Withdraw(act=act), basis=basis).act

    # what is asked; `known` defaults to now

    def tree(self, root: str, at: int | None = None, *, known: int | None = None, plans: bool = False) -> Node:
        """An item with all that it consists of; with `plans`, marked with what is planned of it. Raises NotFound."""
        at, _known = self._times(at, known)
        with self._database.read() as tx:
            found = asking.tree(tx, root, at, _known)
        found = self.shared.judged(found, at, _known)
        if not plans:
            return found
        with self._database.read() as tx:
            return planned(tx, found, at, known)

    def hash(self, root: str, at: int | None = None, *, known: int | None = None) -> str:
        """One short text for a whole configuration, to be expected later (`Expected`). Raises NotFound."""
        return configuration_hash(self.tree(root, at, known=known))

    def inspect(self, root: str, seen: Sequence[Observe]) -> Inspection:
        """What was seen beside what is recorded; nothing is written. Raises NotFound."""
        with self._database.read() as tx:
            return inspecting.inspect(tx, self.parts.read(tx), root, seen)

    def observations(self, item: str, at: int | None = None, *, known: int | None = None) -> list[Observation]:
        """What was seen in the slots of an item up to a moment, the last first. Raises NotFound."""
        with self._database.read() as tx:
            return observing.observed(tx, item, *self._times(at, known))

    def findings(self, root: str, at: int | None = None, *, known: int | None = None) -> list[Finding]:
        """The rules of the parts book that a configuration does not keep. Raises NotFound."""
        with self._database.read() as tx:
            book = self.parts.read(tx, known)
            return checking.findings(tx, book, root, *self._times(at, known))

    def unsafe(self, root: str, at: int | None = None, *, known: int | None = None) -> list[Finding]:
        """What is missing, unknown, worn out or amiss in slots that matter for safety. Raises NotFound."""
        with self._database.read() as tx:
            return safety.unsafe(tx, self.parts.read(tx, known), root, *self._times(at, known))

    def threats(
        self, root: str, at: int | None = None, *, known: int | None = None, usage: bool = True
    ) -> list[Threat]:
        """Which gaps threaten its operation, the gravest first. `usage`: with life limits. Raises NotFound."""
        with self._database.read() as tx:
            return threats(tx, self.parts.read(tx, known), root, *self._times(at, known), Telling(usage=usage))

    def hazards(self, twin: str) -> list[str]:
        """Why it is not safe now to have the object of a twin do something risky: what `unsafe` says of its item.

        An item that nobody knows is not safe.
        """
        item = self.item_of(twin)
        if not item:
            return [f"what {twin} consists of is not known; create an item whose twin it is"]
        return [one.text for one in self.unsafe(item)]

    def assume(self, expected: Sequence[Expected], twin: str) -> None:
        """Raises ConfigurationDiffers where something is not as it is assumed now, NotFound; a root that is left out is
        the item of the twin."""
        order = self.order()
        with self._database.read() as tx:
            self.assumed(tx, expected, finding.item_of_twin(tx, twin), order)

    def assumed(self, tx: Connection, expected: Sequence[Expected], item: str, order: Order | None = None) -> None:
        """The same in a transaction, a root that is left out being an item."""
        if any(not one.root for one in expected) and not item:
            raise ConfigurationDiffers("what it consists of is not known; create an item whose twin it is")
        told = [msgspec.structs.replace(one, root=one.root or item) for one in expected]
        expect(tx, told, self._clock.now(), order or self.order())

    def endangered(self, tx: Connection, item: str) -> list[Finding]:
        """`unsafe` in a transaction, now. Raises NotFound."""
        return safety.unsafe(tx, self.parts.read(tx), item, *self._times(None, None))

    def nonconformances(self, root: str, at: int | None = None, *, known: int | None = None) -> list[Nonconformance]:
        """How it stands with those of an item and all that is in it. Raises NotFound."""
        with self._database.read() as tx:
            return nonconforming(tx, root, *self._times(at, known))

    def _times(self, at: int | None, known: int | None) -> tuple[int, int]:
        return self._clock.now() if at is None else at, FOREVER - 1 if known is None else known

    def history(self, item: str, *, known: int | None = None) -> list[Placement]:
        """Where an item has been. Raises NotFound."""
        with self._database.read() as tx:
            return asking.history(tx, item, FOREVER - 1 if known is None else known)

    def stays(self, item: str, start: int, end: int, *, known: int | None = None) -> list[Stay]:
        """In which machines and stores an item has been in [start, end), through all parents. Raises NotFound."""
        with self._database.read() as tx:
            return asking.stays(tx, item, Span(start, end), FOREVER - 1 if known is None else known)

    def within(self, root: str, start: int, end: int, *, known: int | None = None) -> list[Within]:
        """What it consisted of in [start, end), at any depth, from when to when, and what ran on it. Raises
        NotFound."""
        with self._database.read() as tx:
            return within(tx, root, Span(start, end), FOREVER - 1 if known is None else known)

    def count(self, item: str, kind: str, at: int | None = None, *, known: int | None = None) -> Count:
        """How much an item was used up to a moment, in whatever it was. Raises NotFound."""
        now = self._clock.now()
        with self._database.read() as tx:
            return counting.count(tx, item, kind, now if at is None else at, FOREVER - 1 if known is None else known)

    def metered(self, tx: Connection, item: str, kind: str, meter: float, *, at: int) -> Operation | None:
        """In a transaction: what makes the count of an item at a moment what its meter says then. Raises NotFound."""
        return counting.metered(tx, item, kind, meter, at=at)

    def difference(self, before: tuple[str, int, int], after: tuple[str, int, int]) -> list[Difference]:
        """What differs between two (root, at, known): two machines, two moments, or two beliefs. Raises NotFound."""
        with self._database.read() as tx:
            return asking.difference(asking.tree(tx, *before), asking.tree(tx, *after))

    def acts(self, item: str, *, known: int | None = None) -> list[Act]:
        """Who asserted what of an item, in the order of its becoming known. Raises NotFound."""
        with self._database.read() as tx:
            return asking.acts(tx, item, FOREVER - 1 if known is None else known)

    def acts_under(self, work_order: str) -> list[tuple[Act, Operation | None]]:
        """What was done under a work order, in the order of its becoming known; None: what was loaded in bulk."""
        with self._database.read() as tx:
            told = asking.acts_under(tx, work_order)
        return [(act, msgspec.json.decode(said, type=Operation) if said else None) for act, said in told]

    def twin_of(self, item: str, at: int | None = None) -> str:
        """The twin of an item, else of the nearest that it is in; empty: of none. Raises NotFound."""
        with self._database.read() as tx:
            return finding.twin_of(tx, item, *self._times(at, None))

    def item_of(self, twin: str) -> str:
        """The item whose live face a twin is; empty: of none."""
        with self._database.read() as tx:
            return finding.item_of_twin(tx, twin)

    def called(self, code: str) -> list[Item]:
        """What is called so now: by id, serial number or any other name."""
        with self._database.read() as tx:
            return finding.called(tx, code, *self._times(None, None))

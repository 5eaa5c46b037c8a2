"""Capabilities of a platform: declared, sold as licences, unlocked by command, told by the machine.

Every verb may be called from any thread; each is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.commands import Commander
from gemel.configuration import Machine, Module, SoftwareBook
from gemel.database import Database
from gemel.errors import (
    Conflict,
    GemelError,
    InvalidInput,
    KeyReused,
    NotFound,
    Overloaded,
    RuleBroken,
    StorageFailed,
    StorageFull,
)
from gemel.services.base import Run
from gemel.services.capabilities.engine import Engine, Objects
from gemel.services.capabilities.rows import REVOKED, came, change_of, find, find_by_key, listed, put
from gemel.services.capabilities.values import Capability, CapabilityStanding, Grant, Licence, LicenceState
from gemel.services.declared import Declarations, faults_of, refuse_long
from gemel.services.money import check_price
from gemel.twin import Block, Change, Page, check_id

__all__ = ["Capabilities"]

S = LicenceState
LONGEST = 200
Step = Callable[[Connection, Licence, int], tuple[Licence, list[Change]]]
_OF_TWINS, _OF_ITEMS = ("command.", "twin.", "licence."), ("item.",)
_OF_ALL = ("software.", "capability.", "backup.")


class Capabilities:
    """`platform.capabilities`: a service."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        run: Run,
        *,
        book: SoftwareBook,
        commander: Commander,
        objects: Objects,
    ) -> None:
        rooms = (database, clock, run)
        self._database, self._clock, self._run, self._book = database, clock, run, book
        self.declared: Declarations[Capability] = Declarations(rooms, "capability", Capability, problems=_problems)
        """What can be unlocked, by id."""
        self.engine = Engine(rooms, book=book, commander=commander, known=self._known, objects=objects)

    def _known(self, id: str) -> Capability | None:
        return self.declared.all().get(id)

    # a service

    def follow(self, block: Block) -> None:
        """What may bring a licence on: an order's step, a report, another configuration."""
        twins, items, everything = set[str](), set[str](), False
        for change in block.changes:
            if change.kind.startswith(_OF_TWINS):
                twins.add(change.subject)
            elif change.kind.startswith(_OF_ITEMS):
                items |= {change.subject, *change.body.get("items", ())}
            else:
                everything |= change.kind.startswith(_OF_ALL)
        if twins or items or everything:
            self.engine.wake(twins, items, everything=everything)

    def start(self) -> None:
        self.engine.start()

    def close(self) -> None:
        self.engine.close()

    # asking

    def get(self, id: str) -> Licence:
        """Raises NotFound."""
        with self._database.read() as tx:
            return find(tx, id)

    def licences(
        self,
        *,
        twins: Sequence[str] | None = None,
        capability: str = "",
        states: Sequence[LicenceState | str] = (),
        limit: int = 100,
        before: int = 0,
    ) -> Page[Licence]:
        """The newest first. `twins`: of these twins, or machines (by item), alone."""
        if unknown := {str(one) for one in states} - set(LicenceState):
            raise InvalidInput(f"{', '.join(sorted(unknown)):.80} is no state; use {', '.join(LicenceState)}")
        wanted = [LicenceState(one) for one in states]
        with self._database.read() as tx:
            found = listed(tx, twins=twins, capability=capability, states=wanted, limit=limit + 1, before=before)
        more = str(found[limit - 1].number) if len(found) > limit else None
        return Page(found[:limit], more)

    def of(self, twin: str, *, only: Collection[str] | None = None) -> list[CapabilityStanding]:
        """Every capability that the machine of a twin has a place for; nothing of a twin that is no item's.

        `only`: of these twins alone.
        """
        machine = self._book.machines([twin]).get(twin)
        if machine is None:
            return []
        with self._database.read() as tx:
            twins = sorted({one.twin for one in machine.modules if one.twin})
            licences = listed(tx, twins=twins, limit=1000) if twins else []
        found = []
        for capability in self.declared.all().values():
            for module in machine.modules:
                if module.part == capability.part and module.twin and (only is None or module.twin in only):
                    mine = [
                        one
                        for one in licences
                        if (one.capability, one.twin, one.slot) == (capability.id, module.twin, module.slot)
                    ]
                    found.append(self._standing(capability, machine, module, mine))
        return found

    def _standing(
        self, capability: Capability, machine: Machine, module: Module, licences: Sequence[Licence]
    ) -> CapabilityStanding:
        now = self._clock.now()
        holding = next((one for one in licences if one.holds(now)), None)
        unlocked = {capability.unlocked: True, capability.locked: False}.get(module.version)
        objections = self._book.judge().objections(machine, module, capability.unlocked)
        return CapabilityStanding(
            capability=capability.id,
            title=capability.title or capability.id,
            twin=module.twin,
            slot=module.slot,
            reported=module.version,
            unlocked=unlocked,
            since=module.since,
            licence=holding or next(iter(licences), None),
            unlicensed=unlocked is True and holding is None,
            objections=tuple(one.text for one in objections),
            prices=capability.prices,
        )

    def grant(self, grant: Grant, *, actor: str = "library", dry_run: bool = False) -> Licence:
        """License a capability on one machine, from–until; it is unlocked when that begins.

        Raises NotFound (no such capability; the machine has no place for it), InvalidInput, RuleBroken (the machine's
        configuration does not support it), KeyReused.
        """
        capability, now = self.declared.get(grant.capability), self._clock.now()
        starts = now if grant.starts is None else grant.starts
        if grant.ends is not None and grant.ends <= max(starts, now):
            raise InvalidInput("a licence ends after it begins, and not in the past")
        if max(len(grant.reference), len(grant.key)) > LONGEST or not (grant.reference + grant.key).isprintable():
            raise InvalidInput(f"a reference and a key have at most {LONGEST} printable characters")
        machine, module = self._place(capability, grant.twin)
        if objections := self._book.judge().objections(machine, module, capability.unlocked):
            told = [{"rule": one.rule, "text": one.text} for one in objections]
            raise RuleBroken(f"{grant.twin} does not support it: {objections[0].text}", findings=told)
        wanted = Licence(
            id="",
            number=0,
            capability=capability.id,
            machine=machine.item,
            twin=module.twin,
            slot=module.slot,
            starts=starts,
            ends=grant.ends,
            reference=grant.reference,
            key=grant.key,
            actor=actor,
            created=now,
            reported=module.version,
        )
        if dry_run:
            return wanted
        done: list[Licence] = []

        def work(tx: Connection) -> Sequence[Change]:
            done.clear()
            known = find_by_key(tx, actor, grant.key) if grant.key else None
            if known is not None:
                if (known.capability, known.twin, known.ends) != (wanted.capability, wanted.twin, wanted.ends):
                    raise KeyReused(f"this key was used for {known.id}; use a new one for each licence")
                done.append(known)
                return []
            made, change = put(tx, wanted)
            done.append(made)
            return [change]

        self._run(work, actor=actor)
        return done[0]

    def sold(self, machine: str, capabilities: Sequence[str], reference: str, *, actor: str) -> list[Licence]:
        """License what a machine (its twin) was sold with, from now on; what cannot be is journaled with the reason."""
        found: list[Licence] = []
        for id in capabilities:
            try:
                key = f"{reference}/{id}"
                found.append(self.grant(Grant(capability=id, twin=machine, reference=reference, key=key), actor=actor))
            except (Overloaded, StorageFull, StorageFailed):
                raise
            except GemelError as error:
                body = {"capability": id, "reference": reference, "detail": error.detail}
                now = self._clock.now()
                refused = Change(kind="licence.not_granted", subject=machine, time=now, actor=actor, body=body)
                self._run(partial(_journaled, refused), actor=actor)
        return found

    def _place(self, capability: Capability, twin: str) -> tuple[Machine, Module]:
        """Raises NotFound, Conflict (several places)."""
        machine = self._book.machines([twin]).get(twin)
        if machine is None:
            raise NotFound(f"{twin:.120} is no item's twin, so what it can be is not known; create its item first")
        fit = [one for one in machine.modules if one.part == capability.part and one.twin]
        mine = [one for one in fit if one.twin == twin] or fit
        if not mine:
            raise NotFound(f"{twin:.120} has no place for {capability.part}: none of its types has a way for it")
        if len(mine) > 1:
            raise Conflict(f"{twin:.120} has several places for it; name one of {', '.join(one.twin for one in mine)}")
        return machine, mine[0]

    def revoke(self, id: str, reason: str, *, actor: str = "library") -> Licence:
        """Take a licence back, from now on: the machine is told to lock it, on behalf of who says so.

        Raises NotFound, Conflict (it is over already), InvalidInput.
        """
        if not reason.strip():
            raise InvalidInput("say why the licence is revoked")

        def work(tx: Connection, licence: Licence, now: int) -> tuple[Licence, list[Change]]:
            if licence.over is not None and licence.over <= now:
                raise Conflict(f"{id} is over already")
            after = replace(licence, revoked=now, actor=actor)
            made, _ = came(tx, after, licence.state, now, actor=actor, reason=REVOKED, detail=reason)
            return made, [change_of(made, "licence.revoked", now, actor)]

        return self._changed(id, work, actor)

    def retry(self, id: str, *, actor: str = "library") -> Licence:
        """Tell the machine again, on behalf of who says so. Raises NotFound, Conflict (nothing went wrong yet)."""
        told = self.engine.order(self.get(id))
        if told is not None and not told.ended:
            raise Conflict(f"{told.id} is {told.state} still; wait for it, or cancel it first")

        def work(tx: Connection, licence: Licence, now: int) -> tuple[Licence, list[Change]]:
            if licence.state not in (S.REFUSED, S.UNKNOWN, S.ENDING):
                raise Conflict(f"{id} is {licence.state}; what was refused, is unknown or does not end is told again")
            to = S.ENDING if licence.state is S.ENDING else S.UNLOCKING
            after, change = came(tx, replace(licence, actor=actor, wanted="", order=""), to, now, actor=actor)
            return after, [change]

        return self._changed(id, work, actor)

    def _changed(self, id: str, work: Step, actor: str) -> Licence:
        done: list[Licence] = []

        def run(tx: Connection) -> Sequence[Change]:
            after, changes = work(tx, find(tx, id), self._clock.now())
            done[:] = [after]
            return changes

        self._run(run, actor=actor)
        return done[0]

    def wait(self, id: str, states: Collection[LicenceState | str], timeout_s: float) -> Licence:
        """Until a licence is in one of these states, or so long; the licence then."""
        wanted = {LicenceState(one) for one in states}
        self.engine.wake()
        self.engine.wait(lambda: self.get(id).state in wanted, timeout_s)
        return self.get(id)


def _journaled(change: Change, _tx: Connection) -> Sequence[Change]:
    return [change]


def _problems(one: Capability) -> list[tuple[str, str]]:
    found = refuse_long({"title": one.title, "unlocked": one.unlocked, "locked": one.locked}, 128)
    found += refuse_long({"description": one.description}, 2000)
    if one.unlocked == one.locked or not one.unlocked or not one.locked:
        found.append(("unlocked", "it says how it differs from locked"))
    checks = [("part", partial(check_id, one.part, "part number")), ("id", partial(check_id, one.id, "capability"))]
    return found + faults_of([*checks, *((f"prices[{i}]", partial(check_price, p)) for i, p in enumerate(one.prices))])

"""Offers of a platform: configured, ordered, built, delivered. Every verb may be called from any thread.

Ordering makes the planned twin, its item and the plan of its configuration in one transaction; nothing of the plan is
so until the machine is built. Then its as-built record takes the plan's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration import (
    FOREVER,
    Basis,
    Configuration,
    ItemSpec,
    Level,
    Outcome,
    PlanState,
    Promise,
    Wish,
    operations,
)
from gemel.database import Database
from gemel.errors import Conflict, GemelError, InvalidInput, KeyReused, NotFound, RuleBroken
from gemel.registry import Registry
from gemel.services.base import Run
from gemel.services.money import check_price
from gemel.services.offers.building import planned_of, said_of
from gemel.services.offers.looking import Looking
from gemel.services.offers.models import check_plan
from gemel.services.offers.rows import came, find, find_by_key, put
from gemel.services.offers.values import (
    Configured,
    Offer,
    OfferState,
    Record,
    Terms,
)
from gemel.twin import Change, LifeStage, TwinSpec, check_id

__all__ = ["License", "Offers"]


class License(Protocol):
    """Unlocks capabilities on a machine that was sold with them."""

    def __call__(self, machine: str, capabilities: Sequence[str], reference: str, /, *, actor: str) -> object: ...


S = OfferState
LONGEST = 200
MILESTONE = "milestone"
_NOT_IN_IDS = re.compile(r"[^a-z0-9_-]+")


class Offers(Looking):
    """`platform.offers`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        run: Run,
        *,
        configuration: Configuration,
        registry: Registry,
        parties: Callable[[str], object],
        licence: License,
    ) -> None:
        """`parties`: raises NotFound for an organisation that is not known. `licence`: unlocks capabilities."""
        super().__init__(database, clock, run, configuration=configuration)
        self._registry, self._parties, self._licence = registry, parties, licence

    # drafts

    def draft(self, terms: Terms, *, actor: str = "library") -> Offer:
        """Keep a configuration as an offer. It may break rules still; ordered it cannot be then.

        Raises NotFound, InvalidInput, KeyReused.
        """
        drafted = self._drafted(terms, actor)

        def work(tx: Connection) -> tuple[Offer, Sequence[Change]]:
            known = find_by_key(tx, actor, terms.key) if terms.key else None
            if known is not None:
                if known.terms != terms:
                    raise KeyReused(f"this key was used for {known.id}; use a new one for each offer")
                return known, []
            made, change = put(tx, drafted)
            return made, [change]

        return self._do(work, actor)

    def change(self, id: str, terms: Terms, *, actor: str = "library") -> Offer:
        """Draft it anew. Raises NotFound, Conflict (it is ordered), InvalidInput."""
        drafted = self._drafted(terms, actor)

        def work(tx: Connection) -> tuple[Offer, Sequence[Change]]:
            before = self._in(tx, id, S.DRAFT)
            named = ("title", "part", "maker", "party", "terms", "selection", "service", "prices")
            after = replace(before, **{name: getattr(drafted, name) for name in named})
            after = replace(after, terms=replace(terms, key=before.terms.key))
            made, change = came(tx, after, S.DRAFT, self._clock.now(), actor=actor, detail="changed")
            return made, [change]

        return self._do(work, actor)

    def _drafted(self, terms: Terms, actor: str) -> Offer:
        told = self.configure(terms.asked)
        model = self.model(terms.asked.part, terms.asked.maker)
        if len(terms.title) > LONGEST or len(terms.key) > LONGEST or not terms.key.isprintable():
            raise InvalidInput(f"a title and a key have at most {LONGEST} printable characters")
        if terms.party:
            self._parties(terms.party)
        if terms.service is not None:
            check_plan(terms.service)
        for price in terms.prices:
            check_price(price)
        if unknown := set(terms.capabilities) - set(model.capabilities):
            listed = ", ".join(model.capabilities) or "none"
            raise InvalidInput(f"{model.part} is not sold with {', '.join(sorted(unknown)):.80}; it is with {listed}")
        plan = next((one for one in model.plans if one.id == terms.asked.plan), None)
        service = terms.service or plan
        fees = terms.service.prices if terms.service is not None else ()
        now = self._clock.now()
        return Offer(
            id="",
            number=0,
            state=S.DRAFT,
            title=terms.title or told.name or told.part,
            part=told.part,
            maker=told.maker,
            party=terms.party,
            terms=terms,
            selection=told.selection,
            service=service,
            prices=(*told.prices, *fees, *terms.prices),
            actor=actor,
            created=now,
            changed=now,
        )

    # its life

    def order(self, id: str, *, machine: str = "", concede: str = "", actor: str = "library") -> Offer:
        """Order a drafted machine: its planned twin, its item and the plan of its configuration are there from now on.

        `machine`: the id that twin and item get. `concede`: why a rule that asks for a concession is not kept.
        Raises NotFound, Conflict, InvalidInput, RuleBroken (what was chosen breaks a rule, by the book as it is now).
        """
        offer = self.get(id)
        if offer.state is not S.DRAFT:
            raise Conflict(f"{id} is {offer.state} already")
        told = self._orderable(offer, concede)
        name = machine or f"{_NOT_IN_IDS.sub('-', offer.part.lower()).strip('-')}-{offer.number}"
        check_id(name, "machine")
        model = self.model(offer.part, offer.maker)
        if not model.types:
            raise InvalidInput(
                f"it is not said of which type the twin of a {offer.part} is; declare a model with `types`"
            )
        now, asked = self._clock.now(), offer.terms.asked
        due = max(now, asked.at or now)
        revision = asked.revision or self._revision(offer)
        ordered = replace(offer, item=name, selection=told.selection, conceded=concede.strip())
        configuration = self._configuration.as_(actor)
        root = ItemSpec(id=name, part=offer.part, maker=offer.maker, revision=revision, serial=asked.serial, twin=name)
        spec = TwinSpec(
            id=name,
            types=model.types,
            name=offer.title,
            serial=asked.serial,
            stage=LifeStage.PLANNED,
            attributes={"offer": offer.id, **({"owner": offer.party} if offer.party else {})},
        )
        made: list[Offer] = []

        def also(tx: Connection, _done: Sequence[Outcome]) -> Sequence[Change]:
            self._as_it_was(self._in(tx, id, S.DRAFT), offer)
            if self._registry.directory.twin(name) is not None:
                raise Conflict(f"there is a twin {name} already; name the machine otherwise")
            changes = self._registry.put_twin(tx, spec, if_revision=0)
            plan = 0
            if meant := planned_of(ordered, due, {one.path: one.kind for one in told.slots}):
                title = f"{offer.title}: as ordered"
                plan, more = configuration.plans.put(tx, meant, at=due, title=title, work_order=offer.id)
                changes += more
            after, change = came(tx, replace(ordered, plan=plan), S.ORDERED, now, actor=actor, detail=concede[:500])
            made[:] = [after]
            return [*changes, change]

        basis = Basis(source="offer", work_order=offer.id, reason=concede[:200])
        configuration.together([Wish(operation=operations.Create(spec=root, at=now), basis=basis)], also)
        return made[0]

    def _orderable(self, offer: Offer, concede: str) -> Configured:
        """What it is by the rules of now. Raises Conflict, RuleBroken."""
        told = self.configure(replace(offer.terms.asked, selection=offer.selection, plan="", fill=False))
        if told.missing:
            paths = ", ".join(" / ".join(path) for path in told.missing[:5])
            raise Conflict(f"nothing is chosen yet for {paths}; choose, or let the rest be filled in")
        wrong = [one for one in told.findings if one.level is Level.BLOCK]
        if told.level is Level.CONCESSION and not concede.strip():
            wrong = [one for one in told.findings if one.level is Level.CONCESSION]
        if wrong:
            more = "choose otherwise" if told.level is Level.BLOCK else "say why it is conceded, or choose otherwise"
            raise RuleBroken(f"{wrong[0].text}; {more}", findings=msgspec.to_builtins(told.findings))
        return told

    def _revision(self, offer: Offer) -> str:
        try:
            known = self._configuration.parts.part(offer.part, offer.maker)
        except NotFound:
            return ""
        return known.revisions[-1].revision if known.revisions else ""

    def cancel(self, id: str, reason: str, *, actor: str = "library") -> Offer:
        """It will not be built. Its twin retires, and stays known; its serial number is free again.

        Raises NotFound, Conflict (also while parts are recorded in it), InvalidInput.
        """
        if not reason.strip():
            raise InvalidInput("say why the offer is cancelled")
        offer = self.get(id)
        standing = bool(offer.plan) and self._configuration.plans.get(offer.plan).state is PlanState.PLANNED
        configuration = self._configuration.as_(actor)
        made: list[Offer] = []

        def also(tx: Connection, _done: Sequence[Outcome]) -> Sequence[Change]:
            known = self._in(tx, id, S.DRAFT, S.ORDERED)
            self._as_it_was(known, offer)
            now, changes = self._clock.now(), list[Change]()
            if known.item:
                changes += self._registry.remove_twin(tx, known.item)
            if standing:
                changes += configuration.plans.dropped(tx, known.plan, reason)
            after, change = came(tx, known, S.CANCELLED, now, actor=actor, detail=reason)
            made[:] = [after]
            return [*changes, change]

        basis = Basis(source="offer", work_order=offer.id, reason=reason[:200])
        wishes = [Wish(operation=one, basis=basis) for one in self._undone(offer)]
        configuration.together(wishes, also)
        return made[0]

    def _undone(self, offer: Offer) -> list[operations.Operation]:
        """The machine of an order was never made; one of which more was recorded than the order is retired.
        Nothing where somebody did so already."""
        if offer.state is not S.ORDERED:
            return []
        known = self._configuration.tree(offer.item).item
        if known.born == FOREVER or known.retired is not None:
            return []
        acts = self._configuration.acts(offer.item)
        if len(acts) == 1:
            return [operations.Withdraw(act=acts[0].number)]
        return [operations.Retire(child=offer.item, at=self._clock.now())]

    def build(self, id: str, record: Record, *, actor: str = "library") -> Offer:
        """The machine was built, and of what: recorded with it, as seen, or before. From then on its twin is one of a
        real machine. What differs from the order is recorded and told by `compared`, never refused.

        Raises NotFound, Conflict (not ordered; no as-built configuration is recorded), InvalidInput.
        """
        offer = self.get(id)
        if offer.state is not S.ORDERED:
            raise Conflict(f"{id} is {offer.state}; what is ordered is built")
        now = self._clock.now()
        at = now if record.at is None else record.at
        if at > now:
            raise InvalidInput("a machine is built when it was built; the moment lies in the future")
        configuration = self._configuration.as_(actor)
        known = configuration.tree(offer.item).item
        serial = record.serial or known.serial
        said = said_of(known, record, at, find=self._item)
        basis = Basis(source="as-built", work_order=offer.id, evidence=record.evidence, seen=True)
        made: list[Offer] = []

        def also(tx: Connection, done: Sequence[Outcome]) -> Sequence[Change]:
            offer = self._in(tx, id, S.ORDERED)
            if missing := configuration.missing(tx, offer.item, at):
                raise Conflict(f"{offer.item} is a design model still; record {'; '.join(missing)}")
            twin = self._registry.twin(offer.item)
            spec = TwinSpec(
                id=twin.id,
                types=twin.types,
                name=twin.name,
                description=twin.description,
                serial=serial,
                stage=LifeStage.BUILT,
                aliases=twin.aliases,
                attributes=twin.attributes,
            )
            changes = self._registry.put_twin(tx, spec)
            if offer.plan:
                changes += configuration.plans.done(tx, offer.plan, [one.act for one in done], at=at)
            after, change = came(tx, replace(offer, built=at), S.BUILT, now, actor=actor, detail=record.evidence)
            made[:] = [after]
            return [*changes, change]

        wishes = [Wish(operation=operation, basis=basis) for operation in said]
        configuration.together(wishes, also)
        return made[0]

    def deliver(self, id: str, *, at: int | None = None, actor: str = "library") -> Offer:
        """It was delivered: its promises begin. Raises NotFound, Conflict (it is not built), InvalidInput."""
        offer = self.get(id)
        if offer.state is not S.BUILT or offer.built is None:
            raise Conflict(f"{id} is {offer.state}; what is built is delivered")
        now = self._clock.now()
        when = now if at is None else at
        if not offer.built <= when <= now:
            raise InvalidInput("a machine is delivered after it was built, and not in the future")
        when = max(when, offer.built + 1)  # one trait has one value at a moment
        configuration = self._configuration.as_(actor)
        made: list[Offer] = []

        def also(tx: Connection, _done: Sequence[Outcome]) -> Sequence[Change]:
            known = self._in(tx, id, S.BUILT)
            after, change = came(tx, replace(known, delivered=when), S.DELIVERED, now, actor=actor)
            made[:] = [after]
            return [change]

        said = operations.Modify(child=offer.item, name=MILESTONE, value="delivered", at=when)
        self._begin(offer, actor)  # before, and again after a stop in between: each of it has no second effect
        configuration.together([Wish(operation=said, basis=Basis(source="offer", work_order=offer.id))], also)
        return made[0]

    def _begin(self, offer: Offer, actor: str) -> None:
        plan = offer.service
        if plan is not None and (plan.confirmed_days or plan.snapshots):
            promise = Promise(root=offer.item, within_days=plan.confirmed_days, every=plan.snapshots)
            self._configuration.as_(actor).upkeep.promise(promise)
        if offer.terms.capabilities:
            self._licence(offer.item, offer.terms.capabilities, offer.id, actor=actor)

    # inside

    def _item(self, id: str) -> bool:
        try:
            self._configuration.tree(id)
        except GemelError:
            return False
        return True

    def _in(self, tx: Connection, id: str, *states: OfferState) -> Offer:
        """Raises NotFound, Conflict."""
        offer = find(tx, id)
        if offer.state not in states:
            raise Conflict(f"{id} is {offer.state}, not {' or '.join(states)}; look at it again")
        return offer

    def _as_it_was(self, known: Offer, read: Offer) -> None:
        """Raises Conflict if somebody changed an offer since it was read."""
        if known != read:
            raise Conflict(f"{known.id} was changed meanwhile; look at it again")

    def _do(self, work: Callable[[Connection], tuple[Offer, Sequence[Change]]], actor: str) -> Offer:
        done: list[Offer] = []

        def run(tx: Connection) -> Sequence[Change]:
            offer, changes = work(tx)
            done[:] = [offer]
            return changes

        self._run(run, actor=actor)
        return done[0]

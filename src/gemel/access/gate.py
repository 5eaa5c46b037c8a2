"""The one gate: who are you, and may you do this to that? Decided by Cedar policies, remembered, audited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gemel.access.accounts import Accounts
from gemel.access.audit import Audit
from gemel.access.devices import KIND as DEVICE
from gemel.access.devices import Devices
from gemel.access.federated import Federated
from gemel.access.grants import OF_ITEMS, Grant, Grants, Terms
from gemel.access.item_view import ItemColumn, ItemsSeen, ItemView
from gemel.access.links import Links
from gemel.access.pace import Pace
from gemel.access.parties import Parties
from gemel.access.policy import Decision, Policies
from gemel.access.principal import AUDITED, Action, Principal, Resource, ResourceKind
from gemel.access.projection import Projection, Seen
from gemel.access.second_factor import SecondFactors
from gemel.access.selector import Covers, Selector
from gemel.access.sessions import Sessions
from gemel.access.store import Store, Writer
from gemel.access.tokens import Tokens
from gemel.access.usage import Usage
from gemel.clock import MAX_TIME, MIN_TIME, SECOND, Clock
from gemel.database import Database
from gemel.errors import Denied, NotFound
from gemel.registry import Registry
from gemel.twin import Block, PropertyGroup

__all__ = ["Gate"]

CACHED_DECISIONS = 50_000
CACHED_PROJECTIONS = 1_000
SWEEP_S = 10
_SCOPED = frozenset({ResourceKind.TWIN, ResourceKind.ITEM})
ROLLS = 10 * SECOND
"""A bound of so many seconds of the past moves on this often."""


class Gate:
    """Identities, decisions and the audit log of one platform.

    `writer` (the intake) runs a piece of SQL in its transaction; without one nobody can be added, and what would be
    audited is refused (a read-only folder). `position` tells the journal position for the audit log.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer | None,
        clock: Clock,
        *,
        position: Callable[[], int] = lambda: 0,
        devices: Devices | None = None,
        registry: Registry | None = None,
    ) -> None:
        store = Store(database, clock, writer)
        self._store = store
        self._clock = clock
        self._registry = registry
        self._policies = Policies.shipped()
        self._cache: dict[tuple[Any, ...], tuple[Decision, int]] = {}
        self._projections: dict[tuple[Any, ...], Projection | None] = {}
        self._version = -1
        self._placed: tuple[tuple[int, int], dict[tuple[Terms | None, str, int], tuple[str, ...]]] = (-1, -1), {}
        self._swept = clock.now()
        self.audit = Audit(store, position)
        self.usage = Usage(store)
        self.parties = Parties(store)
        self.grants = Grants(store, self._policies)
        self.accounts = Accounts(store, self.parties)
        self.tokens = Tokens(store, self.accounts)
        self.sessions = Sessions(store, self.accounts)
        self.links = Links(store, self.accounts)
        self.second_factors = SecondFactors(store)
        self.federated = Federated(store, self.accounts)
        self.pace = Pace(clock)
        self.devices = devices or Devices(database, writer, clock)
        self.covers = Covers(registry)
        self.devices.on_revoked.append(lambda _id: store.touch())

    def now(self) -> int:
        """The moment that rights are held against."""
        return self._clock.now()

    # what has changed

    @property
    def touched(self) -> int:
        """Rises whenever somebody's rights may have changed."""
        return self._store.touched

    def on_touch(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after that, on any thread; returns what ends it."""
        self._store.on_touch.append(listener)
        return lambda: self._store.on_touch.remove(listener)

    def follow(self, block: Block) -> None:
        """Twins and links may have changed with this block (called by the writer)."""
        self.devices.follow(block)
        self.covers.follow(block)

    def current(self, principal: Principal, session: str = "") -> Principal:
        """The principal as it is now, for what outlives a request; `session`: the id of a person's session.

        Raises Unauthenticated when it is none any more.
        """
        if principal.kind == "Token":
            return self.tokens.alive(principal.id)
        if principal.kind == "User":
            return self.sessions.alive(session)
        if principal.kind == DEVICE:
            return self.devices.alive(principal)
        return principal

    # granting

    def grant(self, to: str, actions: Sequence[Action | str], selector: Selector, **terms: Any) -> Grant:
        """Grant to a party, user or role that there is; see `Grants.add`. Raises NotFound, InvalidInput."""
        kind, _, name = to.partition(":")
        if kind == "party":
            self.parties.get(name)
        elif kind == "user":
            to = f"user:{self.accounts.get(name).id}"
        return self.grants.add(to, actions, selector, **terms)

    # deciding

    def decide(self, principal: Principal, action: str, resource: Resource) -> Decision:
        """May `principal` do `action` to such a thing? Never raises, writes nothing.

        One evaluation (~100 µs) per principal, action, kind of thing, group of properties, and the grants that are for
        this twin, until the credentials or a grant begin or end; then a look-up.
        """
        own, scopes = False, tuple[str, ...]()
        terms = self.grants.terms(principal)
        if resource.kind is ResourceKind.TWIN:
            own = principal.kind == DEVICE and resource.id in self.devices.twins(principal)
            if terms is not None or principal.selector is not None:
                scopes = self._scopes(principal, terms, self.covers.number(resource.id))
        return self._decide(principal, action, resource, terms, (own, scopes))

    def _scopes(self, principal: Principal, terms: Terms | None, number: int) -> tuple[str, ...]:
        """Of the grants, and of the token itself, those whose selectors mean this twin; remembered while they do."""
        as_of = self.grants.version, self.covers.topology
        if self._placed[0] != as_of or len(self._placed[1]) >= CACHED_DECISIONS:
            self._placed = as_of, {}
        places = self._placed[1]
        key = terms, principal.id if principal.selector is not None else "", number
        if (known := places.get(key)) is None:
            known = places[key] = self._scopes_now(principal, terms, number)
        return known

    def _scopes_now(self, principal: Principal, terms: Terms | None, number: int) -> tuple[str, ...]:
        held = [one for one in (terms.grants.values() if terms else ()) if self.covers.covers(one.selector, number)]
        found = [one.id for one in held]
        if principal.selector is not None and self.covers.covers(principal.selector, number):
            found.append(principal.id)
        return tuple(found)

    def _decide(
        self,
        principal: Principal,
        action: str,
        resource: Resource,
        terms: Terms | None,
        placed: tuple[bool, tuple[str, ...]],
    ) -> Decision:
        now, (own, scopes) = self._clock.now(), placed
        policies = self._policies
        if terms is not None:
            policies = terms.about(scopes) if resource.kind in _SCOPED else terms.policies
        if principal.expires is not None and principal.expires <= now:
            return policies.decide(principal, action, resource, now, own=own, scopes=scopes)
        if self._version != self.grants.version:
            self._cache, self._version = {}, self.grants.version
        key = (principal, action, resource.kind, resource.group, own, scopes)
        cache = self._cache
        found = cache.get(key)
        if found is None or found[1] <= now:
            made = policies.decide(principal, action, resource, now, own=own, scopes=scopes)
            found = made, MAX_TIME if terms is None else terms.until(now)
            if len(cache) >= CACHED_DECISIONS:
                cache.clear()
            cache[key] = found
        return found[0]

    def allows(self, principal: Principal, action: str, resource: Resource) -> bool:
        """`decide(…).allowed`, for filtering lists."""
        return self.decide(principal, action, resource).allowed

    def require(
        self,
        principal: Principal,
        action: str,
        resource: Resource,
        *,
        missing: NotFound | None = None,
        detail: str = "",
        looks: bool = False,
    ) -> Decision:
        """Return the decision if it is yes; audit it where the action, or a refusal, is audited. What only `looks`,
        as screens do every few seconds, is in the log once an hour.

        Raises Denied; or `missing`, when given and the principal may not even read such a thing, so that a refusal
        does not tell that it exists. Raises Overloaded when the audit log cannot take the entry: no audit, no action.
        """
        decision = self.decide(principal, action, resource)
        if not decision.allowed or (action in AUDITED and not (looks and self.audit.knows(principal, action, detail))):
            self.audit.record(principal, action, resource, decision=decision, detail=detail)
        if decision.allowed:
            return decision
        if missing is not None and not self.allows(principal, Action.READ, resource):
            raise missing
        raise Denied(
            f"{action} on {resource.kind.lower()} {resource.id or '(any)'} is not granted to "
            f"{principal.id if principal.role is None else f'the role {principal.role}'} ({decision.policy}); "
            "ask an administrator",
            action=str(action),
            policy=decision.policy,
        )

    # what may be seen

    def projection(self, principal: Principal, action: str = Action.READ) -> Projection | None:
        """What it may read (subscribe to, query, export); None: everything. The same object while nothing changed."""
        now, registry = self._clock.now(), self._registry
        terms = self.grants.terms(principal)
        plain = terms is None and principal.role is not None and principal.selector is None
        if plain and self.allows(principal, action, Resource(ResourceKind.TWIN)):
            return None
        own = self.devices.twins(principal)
        key = (principal, action, own, self.covers.topology, self.grants.version)
        cache = self._projections
        if key in cache and ((found := cache[key]) is None or now < found.until):
            return found
        made = None if registry is None else self._projected(principal, action, terms, own)
        if len(cache) >= CACHED_PROJECTIONS:
            cache.clear()
        cache[key] = made
        return made

    def _projected(
        self, principal: Principal, action: str, terms: Terms | None, own: frozenset[str]
    ) -> Projection | None:
        assert self._registry is not None
        now, covers = self._clock.now(), self.covers
        granted = list(terms.grants.values()) if terms else []
        selectors = {one.id: one.selector for one in granted if one.items is None}
        if principal.selector is not None:
            selectors[principal.id] = principal.selector
        without = self._seen(principal, action, terms, (False, ()))
        if without.whole and all(since == MIN_TIME for since in without.groups.values()):
            return None
        base = covers.numbers(Selector(everything=True)) if without.groups else covers.numbers_of(own)
        listed = [base, *(covers.numbers(one) for one in selectors.values())]
        numbers = np.unique(np.concatenate(listed))
        inside = [np.isin(numbers, covers.numbers_of(own)), *(np.isin(numbers, one) for one in listed[1:])]
        ways, kinds = np.unique(np.stack(inside, axis=1), axis=0, return_inverse=True)
        ids = list(selectors)
        seen = tuple(
            self._seen(
                principal,
                action,
                terms,
                (bool(way[0]), tuple(id for id, held in zip(ids, way[1:], strict=True) if held)),
            )
            for way in ways
        )
        visible = np.array([bool(one.groups) for one in seen], np.bool_)
        kept = visible[kinds.ravel()] if len(numbers) else np.zeros(0, np.bool_)
        until = MAX_TIME if terms is None else terms.until(now)
        rolling = terms is not None and any(one.history_s is not None for one in terms.grants.values())
        return Projection(
            self._registry.directory,
            numbers[kept],
            kinds.ravel()[kept].astype(np.int64),
            seen,
            until=min(until, now + ROLLS) if rolling else until,
            items=self._items_seen(principal, action, terms),
        )

    def _items_seen(self, principal: Principal, action: str, terms: Terms | None) -> tuple[ItemsSeen, ...]:
        """The views of the configuration that are granted to it, those that tell most first."""
        found = []
        for one in terms.grants.values() if terms else ():
            if one.items is None or action not in OF_ITEMS:
                continue
            scopes = (one.id,) if principal.selector is None else (one.id, principal.id)
            told = [
                column
                for column in ("", *ItemColumn)
                if self._decide(
                    principal, action, Resource(ResourceKind.ITEM, group=column), terms, (False, scopes)
                ).allowed
            ]
            if told:
                seen = self.items_of(one.id, one.selector, one.items, groups=one.groups, since=one.since(self.now()))
                if principal.selector is not None:
                    mine = np.intersect1d(seen.numbers, self.covers.numbers(principal.selector), assume_unique=True)
                    seen = replace(seen, numbers=mine)
                found.append(replace(seen, columns=frozenset(told) - {""}))
        return tuple(sorted(found, key=lambda one: (-len(one.columns), one.policy)))

    def items_of(
        self, id: str, selector: Selector, view: ItemView, *, groups: Sequence[str] = (), since: int = MIN_TIME
    ) -> ItemsSeen:
        """What a grant's view would tell, if nothing forbids it."""
        return ItemsSeen(
            policy=id,
            view=view,
            numbers=self.covers.numbers(selector),
            columns=frozenset(str(column) for column in view.columns),
            since=since,
            groups=tuple(str(group) for group in groups or PropertyGroup),
            naming=self.grants.naming(id),
        )

    def _seen(
        self, principal: Principal, action: str, terms: Terms | None, placed: tuple[bool, tuple[str, ...]]
    ) -> Seen:
        """The groups that may be seen of twins that stand so, since when, and by which policies."""
        now, found, policies = self._clock.now(), dict[str, int](), set[str]()
        for group in PropertyGroup:
            decision = self._decide(principal, action, Resource(ResourceKind.TWIN, group=group), terms, placed)
            if decision.allowed:
                policies.update(decision.policies)
                given = [terms.grants.get(one) if terms is not None else None for one in decision.policies]
                found[str(group)] = min(
                    (MIN_TIME if one is None else one.since(now) for one in given), default=MIN_TIME
                )
        return Seen(found, tuple(sorted(policies)))

    def sweep(self, now: int) -> None:
        """Every second or so, by the platform's housekeeping: write down who was seen, and who used what."""
        self.devices.sweep(now)
        if self.usage.is_full or now - self._swept >= SWEEP_S * SECOND:
            self._swept = now
            self.usage.flush()

    def close(self) -> None:
        """Write what the audit log still holds, who was seen last, and who used what; call before the intake closes."""
        self.usage.flush(wait=True)
        self.devices.close()
        self.audit.close()

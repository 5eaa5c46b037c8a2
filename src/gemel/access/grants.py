"""Grants: who may do what to which twins, with which groups of their properties, from when until when."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, insert, select, update

from gemel.access.item_view import ItemView, check_item_view
from gemel.access.policy import Policies
from gemel.access.principal import Action, Principal, Role
from gemel.access.selector import Selector, check_selector
from gemel.access.store import Store, new_id
from gemel.access.tables import access_grant
from gemel.clock import MAX_TIME, MIN_TIME, SECOND
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound
from gemel.twin import Change, PropertyGroup

__all__ = ["GRANTABLE", "Grant", "Grants", "Terms", "checked_groups", "grantees_of"]

GRANTABLE = (
    Action.READ,
    Action.SUBSCRIBE,
    Action.QUERY,
    Action.EXPORT,
    Action.WRITE,
    Action.COMMAND,
    Action.MAINTAIN,
    Action.CONFIGURE,
)
"""What may be granted of twins; to operate and to administer the platform come with roles alone."""
OF_ITEMS = (Action.READ, Action.QUERY, Action.EXPORT)
"""What may be granted of a view of the configuration."""
LONGEST_PURPOSE = 500
KEPT_SETS = 1_000
"""Sets of policies that one party's twins need, by which grants are for them."""
_log = structlog.get_logger("gemel.access")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One grant. Half-open in time: it holds in [starts, ends), and no longer than until it is revoked."""

    id: str
    to: str
    """party:<id>, user:<id> or role:<role>."""
    actions: tuple[Action, ...]
    selector: Selector
    groups: tuple[PropertyGroup, ...] = ()
    """Of properties; none named: all, and each twin as a whole."""
    starts: int | None = None
    ends: int | None = None
    history_from: int | None = None
    """The earliest moment of the past that may be read."""
    history_s: int | None = None
    """So many seconds of the past may be read; 0: only what is now."""
    purpose: str = ""
    created: int
    actor: str = ""
    revoked: int | None = None
    items: ItemView | None = None
    """Then it is of the configuration of these twins alone, as this view tells it; `groups` are those of the readings
    that go with the items."""

    def state(self, now: int) -> str:
        """revoked, ended, waiting (it begins later) or holds."""
        if self.revoked is not None:
            return "revoked"
        if self.ends is not None and self.ends <= now:
            return "ended"
        return "waiting" if self.starts is not None and self.starts > now else "holds"

    def since(self, now: int) -> int:
        """The earliest moment of the past that may be read now."""
        limits = [MIN_TIME]
        if self.history_from is not None:
            limits.append(self.history_from)
        if self.history_s is not None:
            limits.append(now - self.history_s * SECOND)
        return max(limits)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """All grants that concern some principal, as policies; those of nobody else are looked at."""

    grants: dict[str, Grant]
    shipped: Policies
    policies: Policies
    """The shipped ones, and all grants."""
    moments: tuple[int, ...]
    """When one of them begins or ends."""
    _of: dict[tuple[str, ...], Policies] = field(default_factory=dict)

    def about(self, scopes: tuple[str, ...]) -> Policies:
        """The shipped ones, and of the grants those that are for some twin: the others cannot permit anything of it."""
        held = tuple(scope for scope in scopes if scope in self.grants)
        if not held:
            return self.shipped
        if (found := self._of.get(held)) is None:
            if len(self._of) >= KEPT_SETS:
                self._of.clear()
            found = self._of[held] = self.shipped.with_more("\n".join(text_of(self.grants[one]) for one in held))
        return found

    def until(self, now: int) -> int:
        """The next moment at which another decision may come."""
        at = bisect_right(self.moments, now)
        return self.moments[at] if at < len(self.moments) else MAX_TIME


def grantees_of(principal: Principal) -> tuple[str, ...]:
    """As whom grants may concern it."""
    if principal.kind not in {"User", "Token"}:
        return ()
    user = principal.owner if principal.kind == "Token" else principal.id
    found = [f"party:{principal.party}"] if principal.party else []
    found += [f"user:{user}"] if user else []
    found += [f"role:{role}" for role in principal.role.includes()] if principal.role is not None else []
    return tuple(found)


class Grants:
    """All grants, in memory by whom they are for; every change is durable before it counts."""

    def __init__(self, store: Store, policies: Policies) -> None:
        self._store = store
        self._shipped = policies
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._by_grantee: dict[str, tuple[Grant, ...]] = {}
        self._terms: dict[tuple[str, ...], Terms | None] = {}
        self._naming: dict[str, bytes] = {}
        self.version = 0
        """Rises with every change."""
        self.reload()

    def reload(self) -> None:
        """Read the table again."""
        with self._store.database.read() as tx:
            rows = tx.execute(select(access_grant)).all()
        found = {row.id: one for row in rows if (one := _read(row)) is not None}
        by_grantee: dict[str, list[Grant]] = {}
        now = self._store.clock.now()
        for one in found.values():
            if one.state(now) in {"holds", "waiting"}:
                by_grantee.setdefault(one.to, []).append(one)
        with self._lock:
            self._grants = found
            self._naming = {row.id: row.naming for row in rows if row.naming is not None}
            self._by_grantee = {to: tuple(listed) for to, listed in by_grantee.items()}
            self._terms = {}
            self.version += 1
        self._store.touch()

    def all(self) -> list[Grant]:
        """Every grant ever, the newest first."""
        return sorted(self._grants.values(), key=lambda one: (-one.created, one.id))

    def get(self, id: str) -> Grant:
        """Raises NotFound."""
        found = self._grants.get(id)
        if found is None:
            raise NotFound(f"there is no grant {id!r:.80}; GET /grants lists them")
        return found

    def naming(self, id: str) -> bytes:
        """The key of the names that a grant's view makes up; the same for all that one grantee gets."""
        return self._naming.get(id) or bytes(16)

    def terms(self, principal: Principal) -> Terms | None:
        """What was granted to it; None where nothing was."""
        if not self._by_grantee:
            return None
        grantees = grantees_of(principal)
        terms = self._terms
        if grantees not in terms:
            terms[grantees] = self._made(grantees)
        return terms[grantees]

    def _made(self, grantees: Iterable[str]) -> Terms | None:
        mine = [one for grantee in grantees for one in self._by_grantee.get(grantee, ())]
        sound = [one for one in mine if self._is_sound(one)]
        if not sound:
            return None
        moments = {moment for one in sound for moment in (one.starts, one.ends) if moment is not None}
        policies = self._shipped.with_more("\n".join(text_of(one) for one in sound))
        return Terms({one.id: one for one in sound}, self._shipped, policies, tuple(sorted(moments)))

    def _is_sound(self, grant: Grant) -> bool:
        try:
            self._shipped.check(text_of(grant))
        except Corrupt as error:  # written by hand, or by another version: it grants nothing
            _log.error("a grant is not valid and grants nothing", grant=grant.id, error=error.detail)
            return False
        return True

    def add(
        self,
        to: str,
        actions: Iterable[Action | str],
        selector: Selector,
        *,
        groups: Iterable[PropertyGroup | str] = (),
        starts: int | None = None,
        ends: int | None = None,
        history_from: int | None = None,
        history_s: int | None = None,
        purpose: str = "",
        items: ItemView | None = None,
        actor: str = "",
    ) -> Grant:
        """Grant, from now on or from `starts` on. Raises InvalidInput with what does not fit, and the way out.

        Whether there is such a party or user is for `Gate.grant`.
        """
        now = self._store.clock.now()
        made = Grant(
            id=new_id("grant"),
            to=_checked_grantee(to),
            actions=_checked_actions(actions),
            selector=check_selector(selector),
            groups=checked_groups(groups),
            starts=starts,
            ends=ends,
            history_from=history_from,
            history_s=history_s,
            purpose=purpose.strip(),
            created=now,
            actor=actor,
            items=None if items is None else check_item_view(items),
        )
        if items is not None and (wrong := [one for one in made.actions if one not in OF_ITEMS]):
            raise InvalidInput(f"a view of the configuration is for {', '.join(OF_ITEMS)}, not for {', '.join(wrong)}")
        if ends is not None and ends <= max(now, starts or now):
            raise InvalidInput("the grant would end before it begins, or has ended already; choose a later end")
        if history_s is not None and history_s < 0:
            raise InvalidInput(f"history_s {history_s} is negative; 0 means: only what is now")
        if len(made.purpose) > LONGEST_PURPOSE or not (made.purpose.isprintable() or "\n" in made.purpose):
            raise InvalidInput(f"a purpose has at most {LONGEST_PURPOSE} printable characters")
        self._shipped.check(text_of(made))

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(insert(access_grant).values(**_row(made), naming=self._named(made)))
            told = {name: value for name, value in _told(made).items() if name not in {"id", "purpose", "actor"}}
            return None, [Change(kind="access.granted", subject=made.id, time=now, actor=actor, body=told)]

        self._store.write(work, actor=actor)
        self.reload()
        return made

    def _named(self, made: Grant) -> bytes | None:
        """A grantee knows what is not named by the same names, whatever is granted when."""
        if made.items is None:
            return None
        before = (one for one in self.all() if one.to == made.to and one.id in self._naming)
        earlier = next(before, None)
        return token_bytes(16) if earlier is None else self._naming[earlier.id]

    def revoke(self, id: str, *, actor: str = "") -> Grant:
        """End it now. Raises NotFound, Conflict when it was revoked before."""
        before, now = self.get(id), self._store.clock.now()
        if before.revoked is not None:
            raise Conflict(f"grant {id} was revoked already")

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(update(access_grant).where(access_grant.c.id == id).values(revoked=now))
            body = {"to": before.to}
            return None, [Change(kind="access.revoked", subject=id, time=now, actor=actor, body=body)]

        self._store.write(work, actor=actor)
        self.reload()
        return self.get(id)


def text_of(grant: Grant) -> str:
    """The grant as Cedar policies. Ids are of the allowed form, and quoted all the same."""
    kind, _, name = grant.to.partition(":")
    who = f"Gemel::{kind.capitalize()}::{_quoted(name)}"
    starts = MIN_TIME if grant.starts is None else grant.starts
    ends = MAX_TIME if grant.ends is None else grant.ends
    held = f"context.now >= {starts} && context.now < {ends}"
    groups = ", ".join(_quoted(group) for group in grant.groups)
    only = f" && [{groups}].contains(resource.group)" if groups else ""
    what = "Twin"
    if grant.items is not None:
        columns = ", ".join(_quoted(column) for column in ("", *grant.items.columns))
        what, only = "Item", f" && [{columns}].contains(resource.column)"
    actions = ", ".join(f"Gemel::Action::{_quoted(action)}" for action in grant.actions)
    told = [
        f"@id({_quoted(grant.id)}) permit (principal in {who}, action in [{actions}], "
        f"resource is Gemel::{what} in Gemel::Scope::{_quoted(grant.id)}) when {{ {held}{only} }};"
    ]
    fleet = ", ".join(f"Gemel::Action::{_quoted(action)}" for action in grant.actions if action in _OF_FLEET)
    if fleet:  # lists and queries are open to whoever may see some twin, and show those
        told.append(
            f"@id({_quoted(grant.id)}) permit (principal in {who}, action in [{fleet}], resource is Gemel::Fleet) "
            f"when {{ {held} }};"
        )
    if Action.WRITE in grant.actions:
        told.append(
            f'@id({_quoted(grant.id)}) permit (principal in {who}, action == Gemel::Action::"write", '
            f"resource is Gemel::Intake) when {{ {held} }};"
        )
    return "\n".join(told)


_OF_FLEET = frozenset({Action.READ, Action.SUBSCRIBE, Action.QUERY, Action.EXPORT})


def _quoted(text: str) -> str:
    return msgspec.json.encode(str(text)).decode()


def _checked_grantee(to: str) -> str:
    kind, _, name = to.partition(":")
    if kind not in {"party", "user", "role"} or not name or len(to) > 80:
        raise InvalidInput(f"{to!r:.80} is nobody to grant to; write party:<id>, user:<id> or role:<role>")
    if kind == "role" and name not in set(Role):
        raise InvalidInput(f"{name!r:.40} is not a role; use {', '.join(Role)}")
    return to


def _checked_actions(actions: Iterable[Action | str]) -> tuple[Action, ...]:
    chosen = set(actions)
    unknown = chosen - set(GRANTABLE)
    if unknown or not chosen:
        raise InvalidInput(
            f"{', '.join(sorted(unknown))!r:.80} cannot be granted; use some of {', '.join(GRANTABLE)}"
            if unknown
            else f"a grant of no action grants nothing; use some of {', '.join(GRANTABLE)}"
        )
    return tuple(action for action in GRANTABLE if action in chosen)


def checked_groups(groups: Iterable[PropertyGroup | str]) -> tuple[PropertyGroup, ...]:
    chosen = set(groups)
    if unknown := chosen - set(PropertyGroup):
        raise InvalidInput(
            f"{', '.join(sorted(unknown))!r:.80} is no group of properties; use {', '.join(PropertyGroup)}"
        )
    return tuple(group for group in PropertyGroup if group in chosen)


def _told(grant: Grant) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(grant)
    return told


def _row(grant: Grant) -> dict[str, Any]:
    row = msgspec.structs.asdict(grant)
    row["grantee"] = row.pop("to")
    for name in ("actions", "selector", "groups"):
        row[name] = msgspec.json.encode(row[name]).decode()
    row["items"] = None if grant.items is None else msgspec.json.encode(grant.items).decode()
    return row


def _read(row: Any) -> Grant | None:
    """The grant of a row; None, with a word in the log, for one that nobody of us wrote: it grants nothing."""
    try:
        return _grant(row)
    except msgspec.MsgspecError as error:
        _log.error("a grant cannot be read and grants nothing", grant=row.id, error=str(error))
        return None


def _grant(row: Any) -> Grant:
    held: dict[str, Any] = {str(name): value for name, value in row._mapping.items()}
    held["to"] = held.pop("grantee")
    del held["naming"]
    for name in ("actions", "selector", "groups"):
        held[name] = msgspec.json.decode(held[name])
    held["items"] = None if held["items"] is None else msgspec.json.decode(held["items"])
    return msgspec.convert(held, Grant)

"""Who asks, for what, on which kind of thing: the three words of every decision."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gemel.access.selector import Selector

__all__ = ["AUDITED", "VIEWED", "Action", "Principal", "Resource", "ResourceKind", "Role"]


class Role(StrEnum):
    """viewer ⊂ operator ⊂ engineer ⊂ administrator."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"

    @property
    def rank(self) -> int:
        """0 for a viewer, 3 for an administrator."""
        return list(Role).index(self)

    def includes(self) -> list[str]:
        """This role and all below it, lowest first."""
        return [str(role) for role in Role if role.rank <= self.rank]


class Action(StrEnum):
    """What can be asked for."""

    READ = "read"
    SUBSCRIBE = "subscribe"
    QUERY = "query"
    EXPORT = "export"
    WITNESS = "witness"
    """Of the record only: signed heads and proofs between them, no content."""
    WRITE = "write"
    COMMAND = "command"
    MAINTAIN = "maintain"
    """To say what was done to the parts of a machine: installed, swapped, inspected, used."""
    OPERATE = "operate"
    CONFIGURE = "configure"
    ADMINISTER = "administer"


AUDITED = frozenset({Action.COMMAND, Action.MAINTAIN, Action.OPERATE, Action.CONFIGURE, Action.ADMINISTER})
"""Actions whose every use is in the audit log; of the others, only what was denied."""


VIEWED = frozenset({Action.READ, Action.SUBSCRIBE, Action.QUERY, Action.EXPORT})
"""Actions that may be granted of a part of a twin: what of it is told, a view says."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or something whose credentials were accepted."""

    id: str
    """Never a person's name: `user-…`, `token-…` (random), `device:…`; `demo` for the loopback demonstration."""
    kind: str
    """User, Token, Device or Demo: the entity type in the policies."""
    role: Role | None = None
    """In the operating organisation. None of a device, which has only its twins, and of whoever has only grants."""
    party: str = ""
    """The organisation it belongs to; empty: the operating one."""
    expires: int | None = None
    """When these credentials end; microseconds since the epoch, UTC."""
    owner: str = ""
    """The user a token belongs to."""
    actions: tuple[str, ...] = ()
    """Of a token: the only ones it is for; empty: all that its owner may do."""
    selector: Selector | None = None
    """Of a token: the only twins it is for."""
    loopback: bool = False
    """Demo only: the server is bound to this machine alone."""
    ambient: bool = False
    """The browser sends the credentials by itself (cookie, demo), so another site could make it ask: the server then
    checks where a request comes from."""


class ResourceKind(StrEnum):
    """Kinds of things, as entity types in the policies."""

    TWIN = "Twin"
    TWIN_TYPE = "TwinType"
    CONNECTOR = "Connector"
    QUARANTINE = "Quarantine"
    JOURNAL = "Journal"
    PLATFORM = "Platform"
    IDENTITY = "Identity"
    DEVICE = "Device"
    INTAKE = "Intake"
    ITEM = "Item"
    """An item of the configuration, as far as a view tells of it."""
    FLEET = "Fleet"
    """The twins as a whole, for lists, searches, queries and streams: each tells of the twins that one may see."""


class Resource(msgspec.Struct, frozen=True):
    """What an action is on. Which twin it is matters where rights are of some twins only."""

    kind: ResourceKind
    id: str = ""
    group: str = ""
    """Of a twin: a group of its properties; empty: the twin as a whole, with all of them. Of an item: a column; empty:
    that it is there."""

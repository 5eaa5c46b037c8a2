"""Parties: other organisations that see some of this plant. Who belongs to none is of the operating organisation."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from gemel.access.store import Store
from gemel.access.tables import party
from gemel.errors import Conflict, InvalidInput, NotFound, RevisionConflict
from gemel.twin import Change, check_id

__all__ = ["Parties", "Party", "check_named"]

LONGEST_ID = 64


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation: maker, service partner, lessor, insurer …"""

    id: str
    name: str
    disabled: bool = False
    """Nobody of it is let in."""
    created: int
    changed: int
    revision: int = 1


class Parties:
    """All parties, in memory; every change is durable before it counts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._parties: dict[str, Party] = {}
        self.reload()

    def reload(self) -> None:
        """Read the table again."""
        with self._store.database.read() as tx:
            found = {row.id: Party(**row._mapping) for row in tx.execute(select(party))}
        with self._lock:
            self._parties = found
        self._store.touch()

    def all(self) -> list[Party]:
        """Every party, by id."""
        return sorted(self._parties.values(), key=lambda one: one.id)

    def get(self, id: str) -> Party:
        """Raises NotFound."""
        found = self._parties.get(id)
        if found is None:
            raise NotFound(f"there is no party {id!r:.80}; GET /parties lists them")
        return found

    def lets_in(self, id: str) -> bool:
        """Whether people of this party may sign in; the operating organisation's (an empty id) always may."""
        found = self._parties.get(id)
        return not id or (found is not None and not found.disabled)

    def add(self, id: str, name: str, *, actor: str = "") -> Party:
        """Raises Conflict when there is one of that id, InvalidId, InvalidInput."""
        checked = check_id(id, "party")
        if len(checked) > LONGEST_ID:
            raise InvalidInput(f"party {checked!r:.80} is too long an id; use at most {LONGEST_ID} characters")
        now = self._store.clock.now()
        made = Party(id=checked, name=check_named(name), created=now, changed=now)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            if tx.execute(select(party.c.id).where(party.c.id == made.id)).first() is not None:
                raise Conflict(f"there is a party {made.id} already; choose another id")
            tx.execute(insert(party).values(**msgspec.structs.asdict(made)))
            return None, [Change(kind="access.party_added", subject=made.id, time=now, actor=actor)]

        self._store.write(work, actor=actor)
        self.reload()
        return made

    def change(
        self,
        id: str,
        *,
        name: str | None = None,
        disabled: bool | None = None,
        if_revision: int | None = None,
        actor: str = "",
    ) -> Party:
        """Rename it, or keep all its people and programs out, at once. Raises NotFound, RevisionConflict."""
        before, now = self.get(id), self._store.clock.now()
        values = {
            "name": before.name if name is None else check_named(name),
            "disabled": before.disabled if disabled is None else disabled,
            "changed": now,
        }

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            revision = tx.execute(select(party.c.revision).where(party.c.id == id)).scalar_one()
            if if_revision is not None and revision != if_revision:
                raise RevisionConflict(
                    f"party {id} is at revision {revision}, not {if_revision}; read it again and retry",
                    revision=revision,
                )
            tx.execute(update(party).where(party.c.id == id).values(**values, revision=revision + 1))
            body = {"disabled": values["disabled"]}
            return None, [Change(kind="access.party_changed", subject=id, time=now, actor=actor, body=body)]

        self._store.write(work, actor=actor)
        self.reload()
        return self.get(id)


def check_named(name: str) -> str:
    """A name for people. Raises InvalidInput."""
    text = name.strip()
    if not text or len(text) > 128 or not text.isprintable():
        raise InvalidInput(f"the name {name!r:.80} is not allowed; use 1 to 128 printable characters")
    return text

"""Who is who among devices, in memory: by id, and by the hash of what they show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, update

from gemel.access.credentials import Credential, Device
from gemel.access.device_rows import read
from gemel.access.store import Store
from gemel.access.tables import device_credential
from gemel.errors import GemelError, NotFound
from gemel.twin import Change

__all__ = ["Roster"]


class Roster:
    """Devices and their credentials as the tables have them; `ended` is told of a device when something of it ended
    because what replaced it was used. Reads never wait."""

    def __init__(self, store: Store, ended: Callable[[str], None]) -> None:
        self._store = store
        self._ended = ended
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._devices: dict[str, Device] = {}
        self._credentials: dict[bytes, Credential] = {}
        self.reload()

    def reload(self, ids: Sequence[str] | None = None) -> None:
        """Read the tables again, or the rows of these devices."""
        with self._loading:  # whoever reads later also swaps later: no change is undone by an older reading
            found, shown = read(self._store.database, ids)
            with self._lock:
                gone = [id for id in (list(self._devices) if ids is None else ids) if id not in found]
                before = [one for id in (*found, *gone) if (old := self._devices.get(id)) for one in old.credentials]
                self._credentials.update(shown)
                self._devices.update(found)
                for hashed in (bytes.fromhex(one.id) for one in before):
                    if hashed not in shown:
                        self._credentials.pop(hashed, None)
                for id in gone:
                    self._devices.pop(id, None)

    def find(self, id: str) -> Device | None:
        return self._devices.get(id)

    def get(self, id: str) -> Device:
        """Raises NotFound."""
        found = self._devices.get(id)
        if found is None:
            raise NotFound(f"there is no device {id!r:.80}; GET /devices lists them")
        return found

    def all(self) -> list[Device]:
        """Every device, by id."""
        with self._lock:
            return sorted(self._devices.values(), key=lambda one: one.id)

    def shown(self, hashed: bytes, *kinds: str) -> Credential | None:
        """The good credential of this hash, if it is of one of these kinds; its first use ends what it replaced."""
        found = self._credentials.get(hashed)
        if found is None or found.kind not in kinds or not found.good(self._store.clock.now()):
            return None
        if found.used is None:
            self._first_use(found)
        return found

    def _first_use(self, shown: Credential) -> None:
        now, known = self._store.clock.now(), self._devices.get(shown.device)
        used = msgspec.structs.replace(shown, used=now)
        earlier = [
            one
            for one in (known.credentials if known is not None else ())
            if one.kind == shown.kind != "pinned" and one.created < shown.created and one.good(now)
        ]
        ended = [msgspec.structs.replace(one, ends=now) for one in earlier]
        self._hold([used, *ended])

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            c = device_credential.c
            tx.execute(update(device_credential).where(c.hash == bytes.fromhex(used.id)).values(used=now))
            hashes = [bytes.fromhex(one.id) for one in ended]
            tx.execute(update(device_credential).where(c.hash.in_(hashes)).values(ends=now))
            return None, ()

        try:
            self._store.submit(work)
        except GemelError:
            self._hold([shown])  # the writer is full, or the folder is read-only: the next use tries again
        if ended:
            self._ended(shown.device)

    def _hold(self, credentials: Sequence[Credential]) -> None:
        """Keep these in place of what they were."""
        new = {one.id: one for one in credentials}
        with self._lock:
            for id in {one.device for one in credentials} & self._devices.keys():
                known = self._devices[id]
                kept = tuple(new.get(one.id, one) for one in known.credentials)
                self._devices[id] = msgspec.structs.replace(known, credentials=kept)
            for one in credentials:
                if bytes.fromhex(one.id) in self._credentials:
                    self._credentials[bytes.fromhex(one.id)] = one

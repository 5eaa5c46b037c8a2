"""Devices: who may report for which twins, and how each proves that it is the one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.credentials import SECRET_PREFIX, Credential, Device, check_device, claim_hash, new_claim
from gemel.access.principal import Principal
from gemel.access.store import Store, Writer, hash_secret, new_secret, same
from gemel.access.tables import device, device_credential, device_twin
from gemel.access.throttle import Throttle
from gemel.clock import SECOND, Clock
from gemel.database import Database
from gemel.errors import Conflict, GemelError, InvalidInput, NotFound, RevisionConflict, Unauthenticated, UnknownTwin
from gemel.registry import Registry
from gemel.twin import Block, Change

__all__ = ["KIND", "Devices"]

KIND = "Device"
"""The kind of a device's principal."""
CLAIM_S = 24 * 3600.0
LONGEST_CLAIM_S = 90 * 86_400.0
OVERLAP_S = 7 * 86_400.0
"""After a rotation the earlier credential is good for this long, or until the new one is first used."""
MOST_TWINS = 1_000


class Devices:
    """All devices, in memory by id and by what they show; every change is durable before it counts."""

    def __init__(
        self,
        database: Database,
        writer: Writer | None,
        clock: Clock,
        *,
        registry: Registry | None = None,
        secrets: Path | None = None,
    ) -> None:
        """`secrets`: the folder that the key of the plant's own authority lies in. Without a registry a device
        speaks for no twin."""
        self._store = Store(database, clock, writer)
        self._registry = registry
        self._secrets = secrets
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._devices: dict[str, Device] = {}
        self._credentials: dict[bytes, Credential] = {}
        self._scopes: dict[str, frozenset[str]] = {}
        self._links = 0  # rises when what is part of what may have changed
        self._seen: dict[str, int] = {}
        self.throttle = Throttle(clock)
        self.on_revoked: list[Callable[[str], None]] = []
        """Called with the id of a device when something it could show has ended early: close its connections, and
        let it come again with what is still good."""
        self.reload()

    def reload(self, ids: Sequence[str] | None = None) -> None:
        """Read the tables again, or the rows of these devices."""
        with self._loading:  # whoever reads later also swaps later: no change is undone by an older reading
            read, shown = _read(self._store.database, ids)
            with self._lock:
                gone = [id for id in (self._devices if ids is None else ids) if id not in read]
                before = [one for id in (*read, *gone) if (old := self._devices.get(id)) for one in old.credentials]
                self._credentials.update(shown)
                self._devices.update(read)
                for hashed in (bytes.fromhex(one.id) for one in before):
                    if hashed not in shown:
                        self._credentials.pop(hashed, None)
                for id in gone:
                    self._devices.pop(id, None)
                    self._seen.pop(id, None)
                for id in (*read, *gone):
                    self._scopes.pop(id, None)

    # who is it

    def authenticate(self, name: str, secret: str, *, address: str = "") -> Principal | None:
        """The device of this name with this secret; None when they are not right.

        What is right always passes, so that a stranger's attempts lock nobody out. Raises Overloaded for what is
        wrong after five failures from this address (of this name, without an address).
        """
        found = self._shown(hash_secret(secret), "secret")
        if found is not None and same(found.device.encode(), name.encode("utf-8", "surrogatepass")):
            return self._principal(found)
        key = f"address:{address}" if address else f"device:{name[:128]}"
        self.throttle.check(key)
        self.throttle.failed(key)
        return None

    def bearer(self, secret: str) -> Principal:
        """Whose secret this is. Raises Unauthenticated."""
        found = self._shown(hash_secret(secret), "secret")
        if found is None:
            raise Unauthenticated("this secret of a device is not known, or not any more; claim the device again")
        return self._principal(found)

    def of_certificate(self, der: bytes) -> Principal | None:
        """Whose certificate this is; None when we neither issued nor pinned it, or it was revoked, or is out of date.

        The other end must have shown that it holds the key: TLS does, `renew` does.
        """
        found = self._shown(hashlib.sha256(der).digest(), "certificate", "pinned")
        return None if found is None else self._principal(found)

    def _shown(self, hashed: bytes, *kinds: str) -> Credential | None:
        found = self._credentials.get(hashed)
        if found is None or found.kind not in kinds or not found.good(self._store.clock.now()):
            return None
        return found

    def _principal(self, shown: Credential) -> Principal:
        if shown.used is None:
            self._first_use(shown)
        return Principal(id=f"device:{shown.device}", kind=KIND, expires=shown.ends)

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

    def of(self, principal: Principal) -> Device:
        """The device that a principal is. Raises NotFound, also for principals that are none."""
        return self.get(principal.id.removeprefix("device:") if principal.kind == KIND else "")

    # whom it speaks for

    def twins(self, principal: Principal) -> frozenset[str]:
        """Ids of the twins that a device speaks for: its own, and at any depth what is part of them."""
        id = principal.id.removeprefix("device:")
        found = self._scopes.get(id)
        if found is not None:
            return found
        links, known = self._links, self._devices.get(id)
        if known is None or self._registry is None or principal.kind != KIND:
            return frozenset()
        scope = frozenset([*known.twins, *self._registry.part_ids(known.twins)])
        with self._lock:
            if links == self._links and self._devices.get(id) is known:
                self._scopes[id] = scope
        return scope

    def scope(self, principal: Principal) -> Callable[[str], bool]:
        """Whether the device speaks for a twin, by id or alias, as it is now: what `Intake.submit` takes as `scope`."""
        twins, registry = self.twins(principal), self._registry
        directory = registry.directory if registry is not None else None

        def speaks(name: str) -> bool:
            if name in twins:
                return True
            entry = directory.twin(name) if directory is not None and isinstance(name, str) else None
            return entry is not None and entry.id in twins

        return speaks

    def follow(self, block: Block) -> None:
        """Part-of links may have changed with this block (called by the writer)."""
        if any(change.kind.startswith(("link.", "twin.", "plant.")) for change in block.changes):
            with self._lock:
                self._links += 1
                self._scopes.clear()

    # when it was here

    def seen(self, principal: Principal, at: int) -> None:
        """It reported something at `at`. Costs nothing: `sweep` writes it down."""
        self._seen[principal.id.removeprefix("device:")] = at

    def last_seen(self, id: str) -> int | None:
        """When it last reported anything."""
        return self._seen.get(id) or self.get(id).seen

    # changing

    def add(
        self, id: str, twins: Iterable[str] = (), *, claim_s: float = CLAIM_S, actor: str = ""
    ) -> tuple[Device, str]:
        """Let a device in that speaks for these twins; returns it and its one-time claim code, shown this once.

        Raises Conflict when there is one of that id, UnknownTwin, InvalidId.
        """
        name, chosen, now = check_device(id), self._chosen(twins), self._store.clock.now()
        code, ends = new_claim(), now + int(_claim_s(claim_s) * SECOND)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            return None, make(tx, name, chosen, code=(claim_hash(code), ends), now=now)

        self._store.write(work, actor=actor)
        self.reload([name])
        return self.get(name), code

    def change(self, id: str, twins: Iterable[str], *, if_revision: int | None = None, actor: str = "") -> Device:
        """Say anew whom it speaks for; open connections follow at once. Raises NotFound, RevisionConflict."""
        known, chosen, now = self.get(id), self._chosen(twins), self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            revision = tx.execute(select(device.c.revision).where(device.c.id == known.id)).scalar_one()
            if if_revision is not None and revision != if_revision:
                raise RevisionConflict(
                    f"device {known.id} is at revision {revision}, not {if_revision}; read it again and retry",
                    revision=revision,
                )
            tx.execute(delete(device_twin).where(device_twin.c.device == known.id))
            if chosen:
                tx.execute(insert(device_twin), [{"device": known.id, "twin": twin} for twin in chosen])
            return None, [_changed(tx, known.id, now, "access.device_changed", twins=list(chosen))]

        self._store.write(work, actor=actor)
        self.reload([known.id])
        return self.get(known.id)

    def claim_code(self, id: str, *, claim_s: float = CLAIM_S, actor: str = "") -> tuple[Device, str]:
        """A new claim code; an earlier one is void. A revoked device is let in again once it has claimed with it."""
        known, now, code = self.get(id), self._store.clock.now(), new_claim()
        ends = now + int(_claim_s(claim_s) * SECOND)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            change = _changed(
                tx,
                known.id,
                now,
                "access.device_invited",
                also={"claim": claim_hash(code), "claim_ends": ends, "revoked": None},
                ends=ends,
            )
            return None, [change]

        self._store.write(work, actor=actor)
        self.reload([known.id])
        return self.get(known.id), code

    def claim(self, code: str, *, address: str = "") -> tuple[Device, str]:
        """Trade a claim code, once, for a secret. Raises Unauthenticated, and Overloaded after repeated failures."""
        key = f"claim:{address}"
        self.throttle.check(key)
        secret, now = new_secret(SECRET_PREFIX), self._store.clock.now()

        def work(tx: Connection) -> tuple[str, Sequence[Change]]:
            holder = select(device.c.id).where(
                device.c.claim == hashed, device.c.claim_ends > now, device.c.revoked.is_(None)
            )
            id = tx.execute(holder).scalar()
            if id is None:
                raise Unauthenticated(
                    "this claim code is not known, was used already, or has expired; ask for a new one"
                )
            replaced = _supersede(tx, id, ("secret",), now, now + int(OVERLAP_S * SECOND))
            row = {"hash": hash_secret(secret), "device": id, "kind": "secret", "serial": "", "created": now}
            tx.execute(insert(device_credential).values(**row))
            change = _changed(
                tx, id, now, "access.device_claimed", also={"claim": None, "claim_ends": None}, superseded=replaced
            )
            return id, [change]

        try:
            hashed = claim_hash(code)
            id = self._store.write(work, actor="claim")
        except Unauthenticated:
            self.throttle.failed(key)
            raise
        self.throttle.succeeded(key)
        self.reload([id])
        return self.get(id), secret

    def rotate(self, id: str, *, actor: str = "") -> str:
        """A new secret, shown this once; the earlier one is good until this one is first used, at most seven days."""
        known, now, secret = self.get(id), self._store.clock.now(), new_secret(SECRET_PREFIX)
        if known.revoked is not None:
            raise Conflict(f"device {known.id} is revoked; make a claim code to let it in again")

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            replaced = _supersede(tx, known.id, ("secret",), now, now + int(OVERLAP_S * SECOND))
            row = {"hash": hash_secret(secret), "device": known.id, "kind": "secret", "serial": "", "created": now}
            tx.execute(insert(device_credential).values(**row))
            return None, [_changed(tx, known.id, now, "access.device_rotated", superseded=replaced)]

        self._store.write(work, actor=actor)
        self.reload([known.id])
        return secret

    def revoke(self, id: str, *, credential: str = "", actor: str = "") -> Device:
        """End all that a device can show, its claim code too, at once; or only the credential of this id.

        Raises NotFound. Whoever holds its connections hears of it through `on_revoked`.
        """
        known, now = self.get(id), self._store.clock.now()
        chosen = [one for one in known.credentials if one.revoked is None and (not credential or one.id == credential)]
        if credential and not chosen:
            raise NotFound(f"device {known.id} has no credential {credential!r:.80} that is not revoked already")

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            hashes = [bytes.fromhex(one.id) for one in chosen]
            tx.execute(update(device_credential).where(device_credential.c.hash.in_(hashes)).values(revoked=now))
            also = {} if credential else {"revoked": now, "claim": None, "claim_ends": None}
            body = {"credentials": [one.id for one in chosen], "all": not credential}
            return None, [_changed(tx, known.id, now, "access.device_revoked", also=also, **body)]

        self._store.write(work, actor=actor)
        self.reload([known.id])
        self._tell_revoked(known.id)
        return self.get(known.id)

    def remove(self, id: str, *, actor: str = "") -> None:
        """Forget a device: all that it could show ends at once, and its id is free again. Raises NotFound."""
        known, now = self.get(id), self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            for table in (device_credential, device_twin):
                tx.execute(delete(table).where(table.c.device == known.id))
            tx.execute(delete(device).where(device.c.id == known.id))
            return None, [Change(kind="access.device_removed", subject=known.id, time=now)]

        self._store.write(work, actor=actor)
        self.reload([known.id])
        self._tell_revoked(known.id)

    def _tell_revoked(self, id: str) -> None:
        for listener in self.on_revoked:
            listener(id)

    def _chosen(self, twins: Iterable[str]) -> tuple[str, ...]:
        """The ids of these twins (or aliases), each once. Raises UnknownTwin."""
        chosen: dict[str, None] = {}
        for twin in twins:
            entry = self._registry.directory.twin(twin) if self._registry is not None else None
            if entry is None:
                raise UnknownTwin(
                    f"there is no twin {twin!r:.100}; create it first, or look for its id", twin=twin[:128]
                )
            chosen[entry.id] = None
        if len(chosen) > MOST_TWINS:
            raise InvalidInput(f"a device speaks for at most {MOST_TWINS} twins; name the whole that they are part of")
        return tuple(chosen)

    def _first_use(self, shown: Credential) -> None:
        """What it replaced ends now."""
        now, known = self._store.clock.now(), self._devices.get(shown.device)
        used = msgspec.structs.replace(shown, used=now)
        earlier = [
            one
            for one in (known.credentials if known is not None else ())
            if one.kind == shown.kind and one.created < shown.created and one.good(now)
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
            self._tell_revoked(shown.device)

    def _hold(self, credentials: Sequence[Credential]) -> None:
        """Keep these in memory in place of what they were."""
        new = {one.id: one for one in credentials}
        with self._lock:
            for id in {one.device for one in credentials} & self._devices.keys():
                known = self._devices[id]
                kept = tuple(new.get(one.id, one) for one in known.credentials)
                self._devices[id] = msgspec.structs.replace(known, credentials=kept)
            for one in credentials:
                if bytes.fromhex(one.id) in self._credentials:
                    self._credentials[bytes.fromhex(one.id)] = one


def make(tx: Connection, id: str, twins: Sequence[str], *, code: tuple[bytes, int] | None, now: int) -> list[Change]:
    """Write the rows of a new device; `code`: hash and end of its claim code. Raises Conflict."""
    if tx.execute(select(device.c.id).where(device.c.id == id)).scalar() is not None:
        raise Conflict(f"there is a device {id} already; make a new claim code for it, or choose another id")
    hashed, ends = code or (None, None)
    tx.execute(insert(device).values(id=id, created=now, changed=now, revision=1, claim=hashed, claim_ends=ends))
    if twins:
        tx.execute(insert(device_twin), [{"device": id, "twin": twin} for twin in twins])
    body = {"twins": list(twins), "claim_ends": ends}
    return [Change(kind="access.device_added", subject=id, time=now, body=body)]


def _changed(
    tx: Connection, id: str, now: int, kind: str, *, also: Mapping[str, object] | None = None, **body: object
) -> Change:
    """Count a change of the device, and what else changes in its row. Raises NotFound if it has gone meanwhile."""
    values = {**(also or {}), "changed": now, "revision": device.c.revision + 1}
    if not tx.execute(update(device).where(device.c.id == id).values(**values)).rowcount:
        raise NotFound(f"there is no device {id!r:.80} any more")
    return Change(kind=kind, subject=id, time=now, body=dict(body))


def _supersede(tx: Connection, id: str, kinds: Sequence[str], now: int, until: int) -> int:
    """Earlier credentials of these kinds end at `until` at the latest; how many are still good."""
    c = device_credential.c
    good = (c.device == id, c.kind.in_(kinds), c.revoked.is_(None))
    tx.execute(update(device_credential).where(*good, c.ends.is_(None) | (c.ends > until)).values(ends=until))
    rows = tx.execute(select(c.hash).where(*good, c.ends > now)).all()
    return len(rows)


def _claim_s(seconds: float) -> float:
    if not 60 <= seconds <= LONGEST_CLAIM_S:
        raise InvalidInput(f"a claim code is good for 60 s to {LONGEST_CLAIM_S / 86_400:.0f} days, not {seconds:g} s")
    return seconds


def _read(database: Database, ids: Sequence[str] | None) -> tuple[dict[str, Device], dict[bytes, Credential]]:
    """Devices by id and credentials by hash, of all devices or of these."""
    devices: dict[str, Device] = {}
    shown: dict[bytes, Credential] = {}
    parts = [None] if ids is None else [ids[at : at + 400] for at in range(0, len(ids), 400)]
    with database.read() as tx:
        for part in parts:
            rows, twins, credentials = select(device), select(device_twin), select(device_credential)
            if part is not None:
                rows = rows.where(device.c.id.in_(part))
                twins = twins.where(device_twin.c.device.in_(part))
                credentials = credentials.where(device_credential.c.device.in_(part))
            speaks: dict[str, list[str]] = {}
            for row in tx.execute(twins.order_by(device_twin.c.twin)):
                speaks.setdefault(row.device, []).append(row.twin)
            shows: dict[str, list[Credential]] = {}
            for row in tx.execute(credentials.order_by(device_credential.c.created.desc())):
                hashed = bytes(row.hash)
                fields = {name: value for name, value in row._mapping.items() if name != "hash"}
                one = shown[hashed] = Credential(id=hashed.hex(), **fields)
                shows.setdefault(row.device, []).append(one)
            for row in tx.execute(rows):
                devices[row.id] = Device(
                    id=row.id,
                    twins=tuple(speaks.get(row.id, ())),
                    created=row.created,
                    changed=row.changed,
                    revision=row.revision,
                    revoked=row.revoked,
                    seen=row.seen,
                    claim_ends=row.claim_ends,
                    credentials=tuple(shows.get(row.id, ())),
                )
    return devices, shown

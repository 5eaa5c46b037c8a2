"""Devices: who may report for which twins, and how each proves that it is the one."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
from cryptography.x509 import Certificate
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gemel.access.authority import Authority, Request
from gemel.access.certificates import LIFE_DAYS, Certificates, Issued
from gemel.access.credentials import SECRET_PREFIX, Credential, Device, check_device, claim_hash, new_claim
from gemel.access.device_rows import New, add_credential, changed, make
from gemel.access.enrolment import Enrolment, Row
from gemel.access.principal import Principal
from gemel.access.roster import Roster
from gemel.access.spoken import NOBODY, Spoken
from gemel.access.store import Store, Writer, hash_secret, new_secret, same
from gemel.access.tables import device, device_credential, device_twin
from gemel.access.throttle import Throttle
from gemel.clock import MAX_TIME, SECOND, Clock
from gemel.database import Database
from gemel.errors import GemelError, InvalidInput, NotFound, RevisionConflict, Unauthenticated
from gemel.registry import Registry
from gemel.twin import Block, Change

__all__ = ["KIND", "Claimed", "Devices"]

KIND = "Device"
"""The kind of a device's principal."""
CLAIM_S = 24 * 3600.0
LONGEST_CLAIM_S = 90 * 86_400.0
SWEEP_S = 60


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What a device has got for its claim code."""

    device: Device
    secret: str
    issued: Issued | None = None
    """Its certificate, when it sent a signing request."""


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
        self._seen: dict[str, int] = {}
        self._swept = clock.now()
        self.throttle = Throttle(clock)
        self.on_revoked: list[Callable[[str], None]] = []
        """Called with the id of a device when something it could show has ended: close its connections, and let it
        come again with what is still good. From any thread; must be quick."""
        self._roster = Roster(self._store, self._tell)
        self._spoken = Spoken(self._roster, registry)
        self._enrolment = Enrolment(self._store, registry, find=self._roster.find, reload=self._reload)
        self.certificates = Certificates(
            self._store, Authority(secrets, clock), get=self._roster.get, reload=self._reload
        )

    def _reload(self, ids: Sequence[str]) -> None:
        self._roster.reload(ids)
        self._spoken.changed()

    # who is it

    def authenticate(self, name: str, secret: str, *, address: str = "") -> Principal | None:
        """The device of this name with this secret; None when they are not right.

        What is right always passes, so that a stranger's attempts lock nobody out. Raises Overloaded for what is
        wrong after five failures from this address (of this name, without an address).
        """
        found = self._roster.shown(hash_secret(secret), "secret")
        if found is not None and same(found.device.encode(), name.encode("utf-8", "surrogatepass")):
            return self._principal(found)
        key = f"address:{address}" if address else f"device:{name[:128]}"
        self.throttle.check(key)
        self.throttle.failed(key)
        return None

    def bearer(self, secret: str) -> Principal:
        """Whose secret this is. Raises Unauthenticated."""
        found = self._roster.shown(hash_secret(secret), "secret")
        if found is None:
            raise Unauthenticated("this secret of a device is not known, or not any more; claim the device again")
        return self._principal(found)

    def of_certificate(self, der: bytes) -> Principal | None:
        """Whose certificate this is; None when we neither issued nor pinned it, or it was revoked, or is out of date.

        The other end must have shown that it holds the key: TLS does, `renew` does.
        """
        found = self._roster.shown(hashlib.sha256(der).digest(), "certificate", "pinned")
        return None if found is None else self._principal(found)

    def _principal(self, shown: Credential) -> Principal:
        return Principal(id=f"device:{shown.device}", kind=KIND, expires=shown.ends)

    def alive(self, principal: Principal) -> Principal:
        """The principal of a device, for a connection that outlives requests. Raises Unauthenticated when it ended."""
        found = self._roster.find(principal.id.removeprefix("device:"))
        now = self._store.clock.now()
        if found is None or found.revoked is not None or (principal.expires or MAX_TIME) <= now:
            raise Unauthenticated("what this device showed is not good any more; claim it again")
        return principal

    def get(self, id: str) -> Device:
        """Raises NotFound."""
        return self._roster.get(id)

    def all(self) -> list[Device]:
        """Every device, by id."""
        return self._roster.all()

    def of(self, principal: Principal) -> Device:
        """The device that a principal is. Raises NotFound, also for principals that are none."""
        return self.get(principal.id.removeprefix("device:") if principal.kind == KIND else "")

    # whom it speaks for

    def twins(self, principal: Principal) -> frozenset[str]:
        """Ids of the twins that a device speaks for: its own, and at any depth what is part of them."""
        return self._spoken.twins(principal.id.removeprefix("device:")) if principal.kind == KIND else NOBODY

    def scope(self, principal: Principal) -> Callable[[str], bool]:
        """Whether the device speaks for a twin, by id or alias, as it is now: what `Intake.submit` takes as `scope`."""
        return self._spoken.scope(self.twins(principal))

    def follow(self, block: Block) -> None:
        """Part-of links may have changed with this block (called by the writer)."""
        self._spoken.follow(block)

    # when it was here

    def seen(self, principal: Principal, at: int) -> None:
        """It reported something at `at`. Costs nothing: `sweep` writes it down."""
        self._seen[principal.id.removeprefix("device:")] = at

    def last_seen(self, id: str) -> int | None:
        """When it last reported anything."""
        return self._seen.get(id) or self._roster.get(id).seen

    def sweep(self, now: int, *, force: bool = False) -> None:
        """Once a minute: write down who was seen, warn of certificates that end soon, and have the connections closed
        of whom a credential has run out. Called by the platform's housekeeping."""
        if now - self._swept < SWEEP_S * SECOND and not force:
            return
        before, self._swept = self._swept, now
        seen, self._seen = self._seen, {}
        known = self._roster.all()
        if seen := {id: at for id, at in seen.items() if self._roster.find(id) is not None}:
            self._store.write(partial(_write_seen, seen))
            self._roster.reload(sorted(seen))
        self.certificates.warn(known)
        for one in known:
            if any(shown.ends is not None and before < shown.ends <= now for shown in one.credentials):
                self._tell(one.id)

    def close(self) -> None:
        """Write down who was seen last."""
        if self._seen and self._store.writable:
            with contextlib.suppress(GemelError):
                self.sweep(self._store.clock.now(), force=True)

    # changing

    def add(
        self, id: str, twins: Iterable[str] = (), *, claim_s: float = CLAIM_S, actor: str = ""
    ) -> tuple[Device, str]:
        """Let a device in that speaks for these twins; returns it and its one-time claim code, shown this once.

        Raises Conflict when there is one of that id, UnknownTwin, InvalidId.
        """
        name, chosen, now = check_device(id), self._spoken.chosen(twins), self._store.clock.now()
        code, ends = new_claim(), now + int(_claim_s(claim_s) * SECOND)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            return None, make(tx, [New(name, chosen, claim_hash(code), ends)], now=now)

        self._store.write(work, actor=actor)
        self._reload([name])
        return self.get(name), code

    def change(self, id: str, twins: Iterable[str], *, if_revision: int | None = None, actor: str = "") -> Device:
        """Say anew whom it speaks for; open connections follow at once. Raises NotFound, RevisionConflict."""
        known, chosen, now = self.get(id), self._spoken.chosen(twins), self._store.clock.now()

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
            return None, [changed(tx, known.id, now, "device.changed", twins=list(chosen))]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        return self.get(known.id)

    def preview(self, table: bytes) -> list[Row]:
        """What `enrol` would do with a table (CSV), row by row. Raises InvalidInput, TooLarge."""
        return self._enrolment.preview(table)

    def enrol(self, table: bytes, *, claim_s: float = CLAIM_S, leave_out: bool = False, actor: str = "") -> list[Row]:
        """Make the devices of a table in one step, each with a claim code. Raises InvalidDocument with each faulty row;
        with `leave_out` those are left out instead. See `Enrolment.enrol`."""
        return self._enrolment.enrol(table, claim_s=_claim_s(claim_s), leave_out=leave_out, actor=actor)

    def claim_code(self, id: str, *, claim_s: float = CLAIM_S, actor: str = "") -> tuple[Device, str]:
        """A new claim code; an earlier one is void. A revoked device is let in again once it has claimed with it."""
        known, now, code = self.get(id), self._store.clock.now(), new_claim()
        ends = now + int(_claim_s(claim_s) * SECOND)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            change = changed(
                tx,
                known.id,
                now,
                "device.invited",
                also={"claim": claim_hash(code), "claim_ends": ends, "revoked": None},
                ends=ends,
            )
            return None, [change]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        return self.get(known.id), code

    def claim(self, code: str, *, csr: str = "", address: str = "") -> Claimed:
        """Trade a claim code, once, for a secret; with a signing request for a certificate, too.

        Raises Unauthenticated, Overloaded after repeated failures from this address, InvalidInput (the request; the
        code is then still good).
        """
        key = f"claim:{address}"
        self.throttle.check(key)
        request = Request(csr) if csr else None
        secret, now, authority = new_secret(SECRET_PREFIX), self._store.clock.now(), self.certificates.authority
        if request is not None:
            _ = authority.certificate  # made before the code is spent, and outside the writer

        def work(tx: Connection) -> tuple[tuple[str, Certificate | None], Sequence[Change]]:
            c = device.c
            id = tx.execute(select(c.id).where(c.claim == hashed, c.claim_ends > now, c.revoked.is_(None))).scalar()
            if id is None:
                raise Unauthenticated(
                    "this claim code is not known, was used already, or has expired; ask for a new one"
                )
            spent = {"claim": None, "claim_ends": None}
            changes = [changed(tx, id, now, "device.claimed", also=spent)]
            add_credential(tx, id, hash_secret(secret), "secret", now=now)
            made = authority.issue(id, request, days=LIFE_DAYS) if request is not None else None
            if made is not None:
                changes.append(self.certificates.keep(tx, id, made, "certificate", now=now))
            return (id, made), changes

        try:
            hashed = claim_hash(code)
            id, made = self._store.write(work, actor="claim")
        except Unauthenticated:
            self.throttle.failed(key)
            raise
        self.throttle.succeeded(key)
        self._reload([id])
        issued = self.certificates.issued(made) if made is not None else None
        return Claimed(device=self.get(id), secret=secret, issued=issued)

    def rotate(self, id: str, *, actor: str = "") -> str:
        """A new secret, shown this once; the earlier one is good until this one is first used, at most seven days."""
        known, now, secret = self.get(id), self._store.clock.now(), new_secret(SECRET_PREFIX)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            add_credential(tx, known.id, hash_secret(secret), "secret", now=now)
            return None, [changed(tx, known.id, now, "device.secret_renewed")]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        return secret

    def revoke(self, id: str, *, credential: str = "", actor: str = "") -> Device:
        """End all that a device can show, its claim code too, at once; or only the credential of this id.

        Raises NotFound. Whoever holds its connections hears of it through `on_revoked`.
        """
        known, now = self.get(id), self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            c = device_credential.c
            good = [c.device == known.id, c.revoked.is_(None)]
            if credential:
                good.append(c.hash == _hash_of(credential))
            ended = [bytes(row.hash).hex() for row in tx.execute(select(c.hash).where(*good))]
            if credential and not ended:
                raise NotFound(f"device {known.id} has no credential {credential!r:.80} that is not revoked already")
            tx.execute(update(device_credential).where(*good).values(revoked=now))
            also = {} if credential else {"revoked": now, "claim": None, "claim_ends": None}
            body = {"credentials": ended, "all": not credential}
            return None, [changed(tx, known.id, now, "device.revoked", also=also, **body)]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        self._tell(known.id)
        return self.get(known.id)

    def remove(self, id: str, *, actor: str = "") -> None:
        """Forget a device: all that it could show ends at once, and its id is free again. Raises NotFound."""
        known, now = self.get(id), self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            for table in (device_credential, device_twin):
                tx.execute(delete(table).where(table.c.device == known.id))
            tx.execute(delete(device).where(device.c.id == known.id))
            return None, [Change(kind="device.removed", subject=known.id, time=now)]

        self._store.write(work, actor=actor)
        self._reload([known.id])
        self._tell(known.id)

    def _tell(self, id: str) -> None:
        for listener in self.on_revoked:
            listener(id)


def _claim_s(seconds: float) -> float:
    if not 60 <= seconds <= LONGEST_CLAIM_S:
        raise InvalidInput(f"a claim code is good for 60 s to {LONGEST_CLAIM_S / 86_400:.0f} days, not {seconds:g} s")
    return seconds


def _hash_of(credential: str) -> bytes:
    try:
        return bytes.fromhex(credential)
    except ValueError:
        return b""


def _write_seen(seen: Mapping[str, int], tx: Connection) -> tuple[None, Sequence[Change]]:
    query = update(device).where(device.c.id == bindparam("one")).values(seen=bindparam("at"))
    tx.execute(query, [{"one": id, "at": at} for id, at in seen.items()])
    return None, ()

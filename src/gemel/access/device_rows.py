"""Rows of devices: read into values, and written inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.credentials import Credential, Device
from gemel.access.tables import device, device_credential, device_twin
from gemel.clock import SECOND
from gemel.database import Database
from gemel.errors import Conflict, NotFound
from gemel.twin import Change

__all__ = ["New", "add_credential", "changed", "make", "read"]

OVERLAP_S = 7 * 86_400
"""After a rotation the earlier credential is good for this long, or until the new one is first used."""
KEPT_S = 90 * 86_400
"""What ended this long ago is forgotten."""
AT_ONCE = 500
"""Ids that one question names."""


class New(NamedTuple):
    """A device to be made: with the hash of its claim code, and when that ends."""

    id: str
    twins: Sequence[str]
    claim: bytes
    claim_ends: int


def make(tx: Connection, new: Sequence[New], *, now: int) -> list[Change]:
    """Write the rows of new devices. Raises Conflict when there is one of them already."""
    ids = [one.id for one in new]
    for first in range(0, len(ids), AT_ONCE):
        known = tx.execute(select(device.c.id).where(device.c.id.in_(ids[first : first + AT_ONCE]))).scalar()
        if known is not None:
            raise Conflict(f"there is a device {known} already; make a new claim code for it, or choose another id")
    made = {"created": now, "changed": now, "revision": 1}
    tx.execute(insert(device), [{"id": o.id, **made, "claim": o.claim, "claim_ends": o.claim_ends} for o in new])
    if twins := [{"device": one.id, "twin": twin} for one in new for twin in one.twins]:
        tx.execute(insert(device_twin), twins)
    return [
        Change(
            kind="device.added", subject=one.id, time=now, body={"twins": list(one.twins), "claim_ends": one.claim_ends}
        )
        for one in new
    ]


def changed(
    tx: Connection, id: str, now: int, kind: str, /, *, also: Mapping[str, object] | None = None, **body: object
) -> Change:
    """Count a change of the device, and what else changes in its row. Raises NotFound if it has gone meanwhile."""
    values = {**(also or {}), "changed": now, "revision": device.c.revision + 1}
    if not tx.execute(update(device).where(device.c.id == id).values(**values)).rowcount:
        raise NotFound(f"there is no device {id!r:.80} any more")
    return Change(kind=kind, subject=id, time=now, body=dict(body))


def add_credential(
    tx: Connection, id: str, hashed: bytes, kind: str, *, now: int, serial: str = "", ends: int | None = None
) -> None:
    """Something new that a device shows. Earlier ones of its kind end a week from now at the latest; pinned ones, whose
    life is ruled outside, do not. Raises Conflict when it is known already,
    or the device is revoked."""
    c = device_credential.c
    if tx.execute(select(device.c.revoked).where(device.c.id == id)).scalar() is not None:
        raise Conflict(f"device {id} is revoked; make a claim code to let it in again")
    if tx.execute(select(c.hash).where(c.hash == hashed)).first() is not None:
        raise Conflict("this certificate is known already, of this device or another; each is good for one")
    old = c.ends < now - KEPT_S * SECOND
    tx.execute(delete(device_credential).where(c.device == id, old))
    if kind != "pinned":
        until = now + OVERLAP_S * SECOND
        earlier = (c.device == id, c.kind == kind, c.revoked.is_(None), c.ends.is_(None) | (c.ends > until))
        tx.execute(update(device_credential).where(*earlier).values(ends=until))
    row = {"hash": hashed, "device": id, "kind": kind, "serial": serial, "created": now, "ends": ends}
    tx.execute(insert(device_credential).values(**row))


def read(database: Database, ids: Sequence[str] | None) -> tuple[dict[str, Device], dict[bytes, Credential]]:
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

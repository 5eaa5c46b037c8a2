"""The journal's head, and the proof that it is whole."""

from __future__ import annotations

import msgspec
from litestar import get, post

from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs
from gemel.server.http import Req
from gemel.server.options import API

__all__ = ["ROUTES"]


class HeadView(msgspec.Struct):
    """The end of the journal: `hash` stands for everything up to `position`."""

    sequence: int
    position: int
    hash: str
    recorded: str | None
    epoch: str
    """Another one after a restore or an import: positions seen before may then mean something else."""


class HistoryVerificationView(msgspec.Struct):
    """What was found when every file of the history was read and held against its hash."""

    ok: bool
    files: int
    size: int
    """Bytes."""
    unhashed: int
    """Files that have no hash."""
    damaged: dict[str, str]
    """Path → what is wrong with it."""


class AuditVerificationView(msgspec.Struct):
    """What was found when every hash of the audit log was computed again."""

    ok: bool
    entries: int
    damaged: int | None
    """The first entry that is not as it was, or is missing."""
    reason: str
    unchained: int
    """Entries from before there was a chain."""


class VerificationView(msgspec.Struct):
    """What was found when every hash was computed again; `ok`: of journal, history and audit log."""

    ok: bool
    blocks: int
    position: int
    damaged: int | None
    """Sequence of the first block that is not as it was written."""
    reason: str
    witnessed: int
    """Up to here another party's word holds it."""
    history: HistoryVerificationView
    audit: AuditVerificationView


@get(f"{API}/journal/head", opt=needs("read", "Journal"), tags=["journal"], summary="Hash and position of the end")
async def head(request: Req) -> HeadView:
    platform = call_of(request).services.platform
    found = platform.journal.head()
    recorded = rfc3339(found.recorded) if found.sequence else None
    return HeadView(found.sequence, found.position, found.hash.hex(), recorded, platform.epoch)


@post(
    f"{API}/journal/verify",
    opt=needs("operate", "Journal"),
    status_code=200,
    tags=["journal"],
    summary="Compute every hash again",
)
async def verify(request: Req) -> VerificationView:
    services = call_of(request).services
    found = await services.slow.run(services.platform.journal.verify)
    past = await services.slow.run(services.platform.history.verify)
    files = HistoryVerificationView(past.ok, past.files, past.size, past.unhashed, past.damaged)
    log = await services.slow.run(services.platform.verify_audit)
    told = AuditVerificationView(log.ok, log.entries, log.damaged, log.reason, log.unchained)
    ok = found.ok and past.ok and log.ok
    return VerificationView(ok, found.blocks, found.position, found.damaged, found.reason, found.witnessed, files, told)


ROUTES = [head, verify]

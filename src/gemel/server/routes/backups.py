"""Backups: which there are, making one, the drill; and everything written out in open formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.response import Response

from gemel.access.tokens import LOCAL
from gemel.backup import Drill, Manifest, Standing
from gemel.clock import SECOND
from gemel.errors import Denied, NotFound
from gemel.server.call import Call, call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded, json
from gemel.server.options import API
from gemel.twin import parse_duration

__all__ = ["ROUTES"]

Place = Annotated[str, msgspec.Meta(max_length=1000)]


class BackupView(msgspec.Struct):
    """One backup."""

    id: str
    made: str
    position: int
    recorded: str | None
    """The moment that it brings back."""
    gemel: str
    size: int
    """Bytes, with the files that it shares with others."""
    secrets: bool
    log: bool
    """Whether any moment after it can be restored, as far as `logged` says."""
    pause_s: float
    seconds: float


class BackupsView(msgspec.Struct):
    """How backups stand, and those in the place that is set."""

    to: str
    every: str
    next: str | None
    """When the next one is due by itself; None where nothing is scheduled, or there is none to count from."""
    running: str
    """create or drill while one is under way."""
    part: float
    last_backup: str | None
    last_position: int | None
    last_drill: str | None
    last_drill_ok: bool | None
    error: str
    logged: int | None
    items: list[BackupView]


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Where to: empty is the place that is set. Another one may be named only on the machine itself."""

    to: Place = ""
    secrets: bool | None = None


class DrillWanted(msgspec.Struct, forbid_unknown_fields=True):
    """Which backup: empty is the newest in the place that is set."""

    source: Place = ""
    id: Place = ""


class ExportWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A new folder on the machine of the plant."""

    to: Place


class ExportedView(msgspec.Struct):
    """What was written."""

    position: int
    files: int
    size: int
    rows: dict[str, int]


def view_of(made: Manifest) -> BackupView:
    recorded = rfc3339(made.recorded) if made.sequence else None
    return BackupView(
        made.id, rfc3339(made.made), made.position, recorded, made.gemel, made.size, made.secrets,
        made.log is not None, made.pause_s, made.seconds,
    )  # fmt: skip


def _place(call: Call, path: str) -> Path | None:
    """A folder that the caller names. Raises Denied: who is elsewhere must not make the server write anywhere."""
    if not path:
        return None
    if call.who.id != LOCAL:
        raise Denied("a folder may be named only on the plant's own machine; set `backup: {to: …}` in gemel.yaml there")
    return Path(path)


@get(f"{API}/backups", opt=needs("administer"), tags=["backups"], summary="Backups, and how they stand")
async def backups(request: Req) -> BackupsView:
    call = call_of(request)
    standing, items = await call.services.reads.run(_standing, call)
    return BackupsView(
        standing.to,
        standing.every,
        _due(standing, items),
        standing.running,
        standing.part,
        rfc3339(standing.last_backup) if standing.last_backup else None,
        standing.last_position,
        rfc3339(standing.last_drill) if standing.last_drill else None,
        standing.last_drill_ok,
        standing.error,
        standing.logged,
        [view_of(one) for one in items],
    )


def _standing(call: Call) -> tuple[Standing, list[Manifest]]:
    keeper = call.services.platform.backups
    standing = keeper.standing()
    try:
        found = keeper.vault().all() if standing.to else []
    except NotFound:  # none was made yet
        found = []
    return standing, found


def _due(standing: Standing, items: list[Manifest]) -> str | None:
    every_s = parse_duration(standing.every) if standing.every and items else None
    return rfc3339(items[-1].made + round(every_s * SECOND)) if every_s is not None else None


@post(
    f"{API}/backups",
    opt=needs("administer") | speaks(Wanted, BackupView),
    tags=["backups"],
    summary="Back up this moment; everything goes on meanwhile",
)
async def create(request: Req) -> Response[bytes]:
    """Answers when it is done; `GET /backups` tells how far it is."""
    call = call_of(request)
    wanted = await decoded(request, Wanted, optional=True)
    to, keeper = _place(call, wanted.to), call.services.platform.backups
    made = await call.services.exports.run(keeper.make, to, secrets=wanted.secrets, actor=call.who.id)
    return json(view_of(made), status=201)


@post(
    f"{API}/backups/drill",
    opt=needs("administer") | speaks(DrillWanted, Drill),
    tags=["backups"],
    summary="Restore a backup aside and compare its answers with those of now",
)
async def drill(request: Req) -> Response[bytes]:
    """Answers when it is done; `ok` says whether all answers are equal."""
    call = call_of(request)
    wanted = await decoded(request, DrillWanted, optional=True)
    source, keeper = _place(call, wanted.source), call.services.platform.backups
    return json(await call.services.exports.run(keeper.drill, source, id=wanted.id, actor=call.who.id))


@post(
    f"{API}/export/everything",
    opt=needs("administer") | speaks(ExportWanted, ExportedView),
    tags=["backups"],
    summary="Write the whole plant into a folder, in open formats",
)
async def everything(request: Req) -> Response[bytes]:
    call = call_of(request)
    wanted = await decoded(request, ExportWanted)
    to = _place(call, wanted.to)
    if to is None:
        raise NotFound("name the folder that everything is to be written to")
    made = await call.services.exports.run(call.services.platform.export_everything, to)
    return json(ExportedView(made.position, len(made.files), made.size, made.rows))


ROUTES = [backups, create, drill, everything]

"""Work that lasts longer than a request: how far it is, what came of it, and ending it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get
from litestar.params import FromPath, QueryParameter

from gemel.server.call import call_of
from gemel.server.encode import rfc3339
from gemel.server.guard import needs
from gemel.server.http import Req
from gemel.server.jobs import Job
from gemel.server.options import API

__all__ = ["ROUTES", "JobView", "job_view"]

CONFIGURE = needs("configure", "TwinType")


class JobView(msgspec.Struct):
    """One piece of work: waiting, running, done, failed or cancelled; `part` of it is done, 0 … 1."""

    id: str
    kind: str
    about: str
    state: str
    part: float
    actor: str
    asked: str
    ended: str | None
    error: str
    result: Any


def job_view(job: Job) -> JobView:
    ended = None if job.ended is None else rfc3339(job.ended)
    return JobView(
        job.id, job.kind, job.about, job.state, job.part, job.actor, rfc3339(job.asked), ended, job.error, job.result
    )


@get(f"{API}/jobs", opt=CONFIGURE, tags=["jobs"], summary="Work that goes on or has ended since the server started")
async def jobs(request: Req) -> list[JobView]:
    return [job_view(job) for job in call_of(request).services.jobs.all()]


@get(f"{API}/jobs/{{job:str}}", opt=CONFIGURE, tags=["jobs"], summary="How far one piece of work is")
async def job_of(
    request: Req,
    job: FromPath[str],
    wait_s: Annotated[float, QueryParameter(ge=0, le=20, description="Answer when it is over, or after this.")] = 0.0,
) -> JobView:
    services = call_of(request).services
    return job_view(await services.waiting.run(services.jobs.get, job, wait_s=wait_s))


@delete(f"{API}/jobs/{{job:str}}", opt=CONFIGURE, status_code=200, tags=["jobs"], summary="End a piece of work")
async def cancel(request: Req, job: FromPath[str]) -> JobView:
    """It ends where it next can; what it has written stays."""
    return job_view(call_of(request).services.jobs.cancel(job))


ROUTES = [jobs, job_of, cancel]

"""Work of the platform that lasts longer than a request: followed to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.errors import GemelError

__all__ = ["finished"]

Row = dict[str, Any]


def finished(at: Transport, job: Row, progress: Callable[[float], None] | None, *, what: str, left: str) -> Row:
    """The result of a job, when it is done, however long that lasts; whoever is interrupted meanwhile (Ctrl-C) ends it.

    Raises GemelError when it was not done: `what` it was, and why, or what is `left` of it.
    """
    try:
        while job["ended"] is None:
            job = at.get(Row, path_of("jobs", job["id"]), wait_s=1.0)
            if progress is not None:
                progress(job["part"])
    except BaseException:
        with contextlib.suppress(GemelError):  # it may be over just now, or the server gone
            at.send(Row, "DELETE", path_of("jobs", job["id"]))
        raise
    if job["state"] != "done":
        raise GemelError(
            f"{what} {'has' if job['state'] == 'failed' else 'was'} {job['state']}: {job['error'] or left}"
        )
    return dict(job["result"])

"""Seeds and results: `GEMEL_SEED` repeats a run, `GEMEL_RESULTS=1` writes what it found for docs/reliability.md."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["RESULTS", "as_full", "seed", "tell"]

RESULTS = Path(__file__).parents[3] / "docs" / "reliability-results.json"
_run = "short"


@contextmanager
def as_full() -> Iterator[None]:
    """What is told inside is the result of a full run (`make soak`)."""
    global _run
    _run = "full"
    try:
        yield
    finally:
        _run = "short"


def seed() -> int:
    """The seed of this run: GEMEL_SEED (`make soak` draws a new one), or the one whose results are published."""
    return int(os.environ.get("GEMEL_SEED") or 20261122)


def tell(guarantee: str, what: str, *, ok: int, lost: int = 0, unknown: int = 0, **figures: int) -> None:
    """Keep the last result of a test, if results are to be kept.

    `ok`: records that are as promised; `lost`: those that are not; `unknown`: those sent without an answer, which may
    be there or not. A test that fails tells nothing.
    """
    if not os.environ.get("GEMEL_RESULTS"):
        return
    import fcntl  # tests run in several processes; here, since results are kept on Linux only

    told = {"date": datetime.now(UTC).date().isoformat(), "seed": seed(), "ok": ok, "lost": lost, "unknown": unknown}
    RESULTS.touch()
    with RESULTS.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = json.loads(file.read() or "{}")
        kept.setdefault(guarantee, {}).setdefault(what, {})[_run] = told | figures
        file.seek(0)
        file.truncate()
        file.write(json.dumps(kept, indent=1, sort_keys=True) + "\n")

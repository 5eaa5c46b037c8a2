"""Seeds and results: `GEMEL_SEED` repeats a run, `GEMEL_RESULTS=1` writes what it found for docs/reliability.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["RESULTS", "seed", "tell"]

RESULTS = Path(__file__).parents[3] / "docs" / "reliability-results.json"


def seed() -> int:
    """The seed of this run: GEMEL_SEED (`make soak` draws a new one), or the one whose results are published."""
    return int(os.environ.get("GEMEL_SEED") or 20261122)


def tell(guarantee: str, what: str, **figures: int) -> None:
    """Keep the last result of a test, if results are to be kept."""
    if not os.environ.get("GEMEL_RESULTS"):
        return
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept.setdefault(guarantee, {})[what] = figures
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")

"""The drill: a backup is restored aside, asked, and its answers are held against the running plant's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from gemel.backup.compare import GROUPS, Answer, Asked, Since, compare, draw
from gemel.backup.create import check_same
from gemel.backup.manifest import Manifest
from gemel.backup.restore import restore
from gemel.backup.vault import Progress, Vault
from gemel.errors import GemelError
from gemel.twin import Change

__all__ = ["DRILLED_KIND", "Drill", "drill", "drilled_change"]

DRILLED_KIND = "backup.drilled"


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found."""

    backup: str
    position: int
    ok: bool
    seconds: float
    reason: str = ""
    """Why it failed before anything could be compared."""
    blocks: int = 0
    """Blocks of the journal whose hashes were computed again."""
    answers: tuple[Answer, ...] = ()


def drill(
    plant: Asked,
    vault: Vault,
    opened: Callable[[Path], AbstractContextManager[Asked]],
    *,
    id: str = "",
    scratch: Path | None = None,
    progress: Progress | None = None,
) -> Drill:
    """Restore a backup (the newest) into a folder of its own, open it with `opened`, ask both, and throw it away.

    `scratch`: where there is room for it. Raises NotFound if there is no such backup, Conflict if it is of another
    plant; that it cannot be restored is a result, not an error.
    """
    told = progress or (lambda _: None)
    began = plant.clock.monotonic()
    manifest = vault.newest(id)
    check_same(plant, manifest)
    found = Drill(backup=manifest.id, position=manifest.position, ok=False, seconds=0.0)
    with tempfile.TemporaryDirectory(prefix="gemel-drill-", dir=scratch) as aside:
        try:
            restore(vault, Path(aside) / "plant", id=manifest.id, share=True, progress=lambda part: told(0.5 * part))
            with opened(Path(aside) / "plant") as copy:
                told(0.6)
                verification = copy.journal.verify()
                told(0.7)
                found = _ask_both(plant, copy, manifest, found)
                reason = verification.reason
                found = msgspec.structs.replace(
                    found, blocks=verification.blocks, reason=reason, ok=found.ok and verification.ok
                )
        except GemelError as error:
            found = msgspec.structs.replace(found, ok=False, reason=error.detail)
    told(1.0)
    return msgspec.structs.replace(found, seconds=round(plant.clock.monotonic() - began, 3))


def _ask_both(plant: Asked, copy: Asked, manifest: Manifest, found: Drill) -> Drill:
    copy.history.wait(manifest.position)
    plant.history.wait(plant.state.position)
    questions = draw(copy, manifest.position, manifest.recorded, seed=manifest.position)
    answers = compare(plant, copy, questions, groups=GROUPS, since=Since(plant, manifest.position))
    return msgspec.structs.replace(found, ok=all(one.ok for one in answers), answers=tuple(answers))


def drilled_change(found: Drill, now: int) -> Change:
    """What the journal keeps of a drill."""
    body = msgspec.to_builtins(found)
    return Change(kind=DRILLED_KIND, subject="plant", time=now, source="backup", body=body)

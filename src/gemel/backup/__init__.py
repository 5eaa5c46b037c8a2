"""Backup while running, restore, restore to a moment, the drill that compares answers, and the way back of an upgrade.

A *vault* is the folder that backups go to. Below it: `history/`, Parquet files that all backups share, for they never
change; `backups/<id>/`, what is particular to one, with its `manifest.json`, which is written last; `log/`, what was
committed after a backup, for restores to any moment. See docs/concepts/backup.md.
"""

from gemel.backup.compare import Answer, Asked, ask, compare, draw
from gemel.backup.create import Running, create
from gemel.backup.drill import Drill, drill
from gemel.backup.keeper import Keeper, Standing
from gemel.backup.manifest import Manifest
from gemel.backup.restore import Goal, Restored, adopt, restore
from gemel.backup.upgrade import Kept, prepare, rollback, written
from gemel.backup.vault import Vault

__all__ = [
    "Answer",
    "Asked",
    "Drill",
    "Goal",
    "Keeper",
    "Kept",
    "Manifest",
    "Restored",
    "Running",
    "Standing",
    "Vault",
    "adopt",
    "ask",
    "compare",
    "create",
    "draw",
    "drill",
    "prepare",
    "restore",
    "rollback",
    "written",
]

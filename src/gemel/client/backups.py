"""Backups of the platform, each verb one request."""

from __future__ import annotations

from typing import Any

from gemel.client.transport import Transport, path_of

__all__ = ["Backups"]

Row = dict[str, Any]


class Backups:
    """`client.backups`. Making one, a drill and an export last as long as they last: no time-out."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def standing(self) -> Row:
        """How backups stand, and `items`: those in the place that is set."""
        return self._at.get(Row, path_of("backups"))

    def make(self, to: str = "", *, secrets: bool | None = None) -> Row:
        """Back up now; another folder than the one that is set may be named only on the machine itself."""
        return self._at.send(Row, "POST", path_of("backups"), {"to": to, "secrets": secrets}, timeout=None)

    def drill(self, source: str = "", *, id: str = "") -> Row:
        """Restore a backup aside and compare its answers: {ok, reason, answers: [{group, asked, equal, skipped}]}."""
        return self._at.send(Row, "POST", path_of("backups", "drill"), {"source": source, "id": id}, timeout=None)

    def export_everything(self, to: str) -> Row:
        """Write the whole plant into a new folder on its machine: {position, files, size, rows}."""
        return self._at.send(Row, "POST", path_of("export", "everything"), {"to": to}, timeout=None)

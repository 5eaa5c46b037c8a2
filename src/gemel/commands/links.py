"""Links that are lost and found, where twins have a fail-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gemel.commands.asking import controls_of
from gemel.commands.carrying import Carrier
from gemel.commands.ways import Ways
from gemel.registry import Directory
from gemel.twin import FailSafe

__all__ = ["Links"]


class Links:
    """Looked at by the dispatcher in every turn; connectors of twins without a fail-safe are not asked."""

    def __init__(self, directory: Directory, ways: Callable[[], Ways]) -> None:
        self._directory, self._ways = directory, ways
        self._stands: dict[str, bool] = {}
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._known: tuple[int, Ways | None] = -1, None
        self._safe: dict[str, dict[str, FailSafe]] = {}

    def lose(self, connector: str) -> None:
        """Its link was lost, however short; any thread."""
        with self._lock:
            self._lost.add(connector)

    def look(self, carrier: Carrier) -> tuple[dict[str, str], list[tuple[str, FailSafe]]]:
        """(twin → why its link is lost, empty if it has just come back; what is to be sent first over the links that
        have come, at the first time too)."""
        with self._lock:
            lost, self._lost = self._lost, set()
        gone: dict[str, str] = {}
        found: list[tuple[str, FailSafe]] = []
        for connector, twins in self._safe_twins().items():
            why = carrier.ready(connector)
            stood = self._stands.get(connector, False) and connector not in lost
            self._stands[connector] = not why
            if why or not stood:
                gone |= dict.fromkeys(twins, why)
            if not why and not stood:
                found += twins.items()
        return gone, found

    def _safe_twins(self) -> dict[str, dict[str, FailSafe]]:
        """Connector → the twins it carries orders to that have a fail-safe."""
        ways = self._ways()
        if self._known == (self._directory.revision, ways):
            return self._safe
        found: dict[str, dict[str, FailSafe]] = {}
        for twin in ways.twins():
            entry = self._directory.twin(twin)
            for control in controls_of(self._directory, entry) if entry is not None else ():
                fail_safe = control.fail_safe
                way = None if fail_safe is None else ways.of(twin, fail_safe.command or fail_safe.property)
                if fail_safe is not None and way is not None:
                    found.setdefault(way.connector, {})[twin] = fail_safe
        self._known, self._safe = (self._directory.revision, ways), found
        return found

"""Links that are lost and found, where twins have a fail-safe: what waits expires, the fail-safe goes out first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import structlog
from msgspec.structs import replace

from gemel.clock import Clock
from gemel.commands.asking import controls_of, draft, placed
from gemel.commands.carrying import Carrier
from gemel.commands.fate import WAITING, Move
from gemel.commands.open_orders import OpenOrders
from gemel.commands.order import PLATFORM, Ask, OrderKind, OrderState
from gemel.commands.ways import Ways
from gemel.errors import GemelError, StorageFailed
from gemel.intake import Intake
from gemel.registry import Directory
from gemel.twin import FailSafe

__all__ = ["Links"]

_log = structlog.get_logger("gemel.commands")


class Links:
    """Looked at by the dispatcher in every turn; connectors of twins without a fail-safe are not asked."""

    def __init__(
        self, directory: Directory, ways: Callable[[], Ways], clock: Clock, intake: Intake, orders: OpenOrders
    ) -> None:
        self._directory, self._ways, self._clock = directory, ways, clock
        self._intake, self._orders = intake, orders
        self._stands: dict[str, bool] = {}
        """Only of connectors whose link has stood since the start."""
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._known: tuple[int, Ways | None] = -1, None
        self._safe: dict[str, dict[str, FailSafe]] = {}

    def lose(self, connector: str) -> None:
        """Its link was lost, however short; any thread."""
        with self._lock:
            self._lost.add(connector)

    def turn(self, carrier: Carrier) -> None:
        """End what waits where a link is lost; ask for the fail-safes where one has come."""
        lost, found = self._look(carrier)
        if lost:
            moves = []
            for one in self._orders:
                if one.state is OrderState.REQUESTED and one.actor != PLATFORM and one.twin in lost:
                    why = f" ({lost[one.twin]})" if lost[one.twin] else ""
                    facts = {"reason": "link", "detail": f"the link was lost, and {one.twin} has a fail-safe{why}"}
                    moves.append(Move(one.id, WAITING, OrderState.EXPIRED, facts))
            self._orders.commit(moves)
        for twin, fail_safe in found:
            self._ask_for(twin, fail_safe)

    def _look(self, carrier: Carrier) -> tuple[dict[str, str], list[tuple[str, FailSafe]]]:
        """(twin → why its link is lost, empty if it has just come back; what is to be sent first over the links that
        have come)."""
        with self._lock:
            lost, self._lost = self._lost, set()
        gone: dict[str, str] = {}
        found: list[tuple[str, FailSafe]] = []
        for connector, twins in self._safe_twins().items():
            why = carrier.ready(connector)
            before = self._stands.get(connector)
            stood = bool(before) and connector not in lost
            if before is not None or not why:
                self._stands[connector] = not why
            first = before is None and not why
            came = {twin: safe for twin, safe in twins.items() if not stood and (not first or safe.at_start)}
            if why:
                gone |= dict.fromkeys(twins, why)
            else:
                gone |= dict.fromkeys(came, "")
                found += came.items()
        return gone, found

    def _ask_for(self, twin: str, safe: FailSafe) -> None:
        entry, now = self._directory.twin(twin), self._clock.now()
        if entry is None:
            return
        kind = OrderKind.COMMAND if safe.command else OrderKind.PROPERTY
        given = safe.input if safe.command else safe.value
        try:
            ask = Ask(twin=twin, name=safe.command or safe.property, kind=kind, input=given)
            drafted = replace(draft(ask, entry, self._directory, self._ways(), now), actor=PLATFORM, approval="")
            work = partial(placed, drafted=drafted, if_revision=None, now=now)
            orders, _ = self._intake.transact(work, actor=PLATFORM).result()
        except StorageFailed:
            raise
        except GemelError as error:
            _log.warning("a fail-safe could not be asked for", twin=twin, error=error.detail)
            return
        for order in orders:
            self._orders.keep(order)
        self._orders.announce(orders)

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

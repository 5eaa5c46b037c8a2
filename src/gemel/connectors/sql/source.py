"""The SQL connector: ask for what came since, deliver, and go on from what is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from typing import Any, ClassVar

from gemel.clock import SECOND
from gemel.connectors.base import Port
from gemel.connectors.sql.database import engine_of, rows_after
from gemel.connectors.sql.rows import CURSOR, RowReader
from gemel.connectors.sql.settings import SqlSettings
from gemel.errors import InvalidInput
from gemel.twin import Binding

__all__ = ["SqlSource"]


class SqlSource:
    """Polls a query. The highest key that is durable is kept with the rows, so a restart loses and doubles nothing."""

    Settings: ClassVar[type[Any]] = SqlSettings

    def __init__(self, settings: SqlSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._reader = RowReader(settings, bindings)
        if not bindings:
            raise InvalidInput("no bindings: say which column is which property")

    async def run(self, port: Port) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        password = port.secret(settings.password) if settings.password is not None else None
        file = port.inbox(settings.database) if settings.is_sqlite else None
        engine = engine_of(settings, password, file)
        worker = ThreadPoolExecutor(1, thread_name_prefix=f"gemel-sql-{port.spec.id}")  # drivers block
        is_connected = False
        try:
            after = await self._next(port)
            while True:
                columns, rows, more = await loop.run_in_executor(worker, rows_after, engine, settings, after)
                if not is_connected:
                    self._reader.check(columns)
                    is_connected = True
                    port.connected(settings.shown)
                port.heartbeat()
                await self._deliver(port, rows)
                if not more:
                    await asyncio.sleep(settings.every_s)
                    after = await self._next(port)
                else:
                    after = rows[-1][settings.key]
        finally:
            worker.submit(engine.dispose)
            worker.shutdown(wait=False)

    async def _next(self, port: Port) -> Any:
        """The :after to ask with: what is durable, less the overlap."""
        settings = self._settings
        reached = await port.reached((CURSOR if settings.id else "") + settings.epoch)
        if reached is None:
            first = datetime.fromisoformat(settings.start) if isinstance(settings.start, str) else settings.start
            return settings.start if settings.is_sqlite else first
        return self._reader.after(max(0, reached - round(settings.overlap * (SECOND if self._reader.is_time else 1))))

    async def _deliver(self, port: Port, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raises InvalidInput when they are out of order."""
        keys = [self._reader.key(row) for row in rows]
        if any(later < earlier for earlier, later in pairwise(keys)):
            raise InvalidInput(
                f"the rows are not in the order of {self._settings.key!r:.80}; add ORDER BY to the query"
            )
        if rows:
            await port.deliver(self._reader.messages(rows, lambda reason, row: port.reject(reason, row)))

"""What all requests share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gemel.access import Cursors
from gemel.errors import GemelError, InvalidInput, NotYet
from gemel.server.bridge import Bridge, Threads
from gemel.server.budget import Budget
from gemel.server.call import Call
from gemel.server.callers import Callers
from gemel.server.jobs import Jobs
from gemel.server.metrics import Metrics
from gemel.server.oidc import Oidc
from gemel.server.options import Options
from gemel.server.pages import Pages
from gemel.server.rights import Rights
from gemel.server.telemetry import telemetry_of
from gemel.server.under_way import UnderWay
from gemel.server.watch import RegistryWatch

if TYPE_CHECKING:
    from gemel.platform import Platform

__all__ = ["Services"]

WAIT_S = 10.0
MAX_READERS = 4_096
FOLLOW_S = 2.0
LOOK_EVERY_S = 1.0
T = TypeVar("T")


class Services:
    """The platform, and what the server adds to it. Made before the event loop; `started` is called in it."""

    def __init__(self, platform: Platform, options: Options) -> None:
        self.platform = platform
        self.options = options
        self.metrics = Metrics()
        self.since = platform.clock.now()
        self.callers = Callers()
        """What each has cost since then."""
        self.cursors = Cursors(platform.folder.path / "secrets")
        """Of pages: `next`, sealed."""
        platform.health.certificates = [options.tls_cert] if options.tls_cert else []
        self.telemetry = telemetry_of(platform)
        """None unless the environment asks for it."""
        self.slow = Threads(options.slow_at_once, limit=32 * options.slow_at_once)
        """For reads of the history and queries: few at once, so that they do not starve the rest."""
        self.exports = Threads(2, limit=8)
        """For downloads, which take as long as their reader."""
        self.reads = Threads(8, limit=1024)
        """For reads of the registry, which take a millisecond or two."""
        self.bodies = Budget(8 * options.body_bytes, "bytes of bodies")
        """Of requests that are being answered."""
        self.readers = Budget(MAX_READERS, "live sockets and streams")
        self.waiting = Threads(32, limit=128)
        """Threads that only wait: for a position, for a password's hash."""
        self.under_way = UnderWay()
        """What hands in messages, so that another caller may take its place."""
        self.pages = Pages(options.web or Path(str(resources.files("gemel.server") / "web")))
        self.jobs = Jobs(platform.clock, platform.folder.path)
        """For what lasts longer than a request."""
        self._looking = threading.Lock()
        self._looked: tuple[float, bool] | None = None
        self.bridge: Bridge
        self.stopping: asyncio.Event
        settings = platform.folder.settings().sign_in
        self.oidc = Oidc(settings, platform.supervisor.reach, platform.gate, platform.clock)
        """Another system by which people sign in, if one is set."""
        self.watch: RegistryWatch
        self.rights: Rights
        self.port = options.port
        """The one in use, once the server listens."""

    def started(self) -> None:
        """Take the running event loop."""
        self.bridge = Bridge(asyncio.get_running_loop())
        self.stopping = asyncio.Event()
        self.watch = RegistryWatch(self.platform)
        self.rights = Rights(self.platform)

    async def stopped(self) -> None:
        """The event loop is about to end."""
        self.stopping.set()
        await self.rights.close()
        await self.watch.close()

    async def wait_for(self, wanted: str) -> None:
        """Wait until the state has reached a position. Raises NotYet after ten seconds, InvalidInput."""
        if not wanted.isascii() or not wanted.isdecimal() or len(wanted) > 18:
            raise InvalidInput(
                f"at_position={wanted:.40} is not a position; use a whole number, as Gemel-Position has it"
            )
        position, platform = int(wanted), self.platform
        if platform.state.position >= position:
            return
        if not await self.waiting.run(self._reached, position):
            raise NotYet(
                f"position {position} was not reached within {WAIT_S:.0f} s; this platform is at "
                f"{platform.state.position}",
                position=platform.state.position,
                retry_after_s=1.0,
            )

    async def past(self, call: Call, work: Callable[..., T], *args: Any, **fields: Any) -> T:
        """Read the history in a thread, once it has followed to where the live state was when the request came.

        When it is behind for longer than two seconds the answer is older, and its position says so.
        """
        history = self.platform.history

        def read() -> T:
            if not history.wait(call.position, FOLLOW_S):
                call.position = history.followed
            return work(*args, **fields)

        return await self.slow.run(read)

    def _reached(self, position: int) -> bool:
        """Wait in a thread: for the journal first, then for the writer to have folded what it holds."""
        if not self.platform.journal.wait(position, WAIT_S):
            return False
        if self.platform.state.position < position:  # the writer folds in order: its next answer comes after the fold
            self.platform.intake.transact(lambda _tx: (None, ())).result(WAIT_S)
        return self.platform.state.position >= position

    def queues(self) -> list[tuple[str, int, int]]:
        """(what, how much of it is under way or waits, how much there may be)."""
        pools = {"reads": self.reads, "queries": self.slow, "exports": self.exports, "changes": self.waiting}
        rooms = {name: pool.room for name, pool in pools.items()}
        rooms |= {"streams": self.readers, "bytes of bodies": self.bodies}
        return [(name, one.held, one.most) for name, one in rooms.items()]

    def is_well(self) -> bool:
        """Whether the journal's writer takes work. Looked at once a second: it costs a transaction."""
        with self._looking:
            now = self.platform.clock.monotonic()
            if self._looked is None or now - self._looked[0] > LOOK_EVERY_S:
                try:
                    self.platform.intake.transact(lambda _tx: (None, ())).result(WAIT_S)
                    self._looked = now, True
                except (GemelError, TimeoutError):
                    self._looked = now, False
            return self._looked[1]

    def close(self) -> None:
        if self.telemetry is not None:
            self.telemetry.close()
        self.jobs.close()
        self.slow.close()
        self.reads.close()
        self.exports.close()
        self.waiting.close()

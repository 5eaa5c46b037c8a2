"""The thread that carries campaigns on: hears what devices report, begins groups, has updates sent.

It keeps nothing that is not on stable storage. That a machine is to be told is written before the order is asked for,
and each order has a key of its own; so what follows a stop in between is never a second order.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

import structlog

from gemel.clock import Clock
from gemel.database import Database
from gemel.errors import GemelError, NotFound, StorageFailed
from gemel.services.campaigns.campaign import OVER, UNDER_WAY, CampaignState, TargetState
from gemel.services.campaigns.carried import HELD, Carried, Writing
from gemel.services.campaigns.deciding import next_move, stands
from gemel.services.campaigns.going_back import GoingBack
from gemel.services.campaigns.hearing import Hearing
from gemel.services.campaigns.rows import find, open_campaigns, targets
from gemel.services.campaigns.sending import Sending

__all__ = ["Engine"]

S, T = CampaignState, TargetState
PAUSE_S = 0.5
"""How often it looks by itself."""
RETRY_S = 1.0
_log = structlog.get_logger("gemel.services.campaigns")


class Engine:
    """One for a platform."""

    def __init__(
        self, database: Database, clock: Clock, *, hearing: Hearing, sending: Sending, writing: Writing
    ) -> None:
        self._database, self._clock = database, clock
        self._hearing, self._sending, self._writing = hearing, sending, writing
        self._going_back = GoingBack(hearing, sending, writing)
        self._open: dict[str, Carried] = {}
        self._touched: set[str] = set()
        self._restored = self._woken = self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="gemel-campaigns", daemon=True)

    # from other threads

    def start(self) -> None:
        self.begin()
        self._thread.start()

    def begin(self) -> None:
        """Take up what an earlier run left; whoever steps time calls `turn` from now on."""
        with self._database.read() as tx:
            found = open_campaigns(tx)
        with self._changed:
            self._touched |= {one.id for one in found}

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def touch(self, id: str) -> None:
        """It was changed by somebody else."""
        with self._changed:
            self._touched.add(id)
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def look_again(self) -> None:
        """Twins have changed; one may have been erased, with what is held of it."""
        with self._changed:
            self._touched |= set(self._open)
            self._woken = True
            self._changed.notify_all()

    def restored(self) -> None:
        """The plant was brought back from a backup: nothing goes on by itself."""
        with self._changed:
            self._restored = True
            self._changed.notify_all()

    def waits(self, id: str) -> dict[int, str]:
        """Targets that wait for a rule for orders, and for which."""
        known = self._open.get(id)
        return {} if known is None else dict(known.waits)

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Until something is so; looked at after each turn."""
        with self._changed:
            return self._changed.wait_for(done, timeout_s)

    # the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                pause = PAUSE_S if self._open else None
                self._changed.wait_for(lambda: self._closing or self._touched or self._woken or self._restored, pause)
                if self._closing:
                    return
            try:
                self.turn()
            except StorageFailed:
                return  # nothing is written any more; the platform says so
            except (
                Exception
            ) as error:  # a full queue or disk passes; whatever else it is, campaigns must not stand still
                detail = error.detail if isinstance(error, GemelError) else traceback.format_exc()
                _log.warning("campaigns wait", error=detail)
                with self._changed:
                    self._touched |= self._open.keys()
                    self._changed.wait_for(lambda: self._closing, RETRY_S)

    def turn(self) -> None:
        """Look at everything once, and do what is due."""
        with self._changed:
            touched, self._touched = self._touched, set()
            restored, self._restored = self._restored, False
            self._woken = False
        for id in sorted(touched):
            self._reload(id)
        for one in sorted(self._open.values(), key=lambda one: one.campaign.number):
            if restored and one.campaign.state in (S.RUNNING, S.SCHEDULED, S.ROLLING_BACK):
                why = "the plant was brought back from a backup; look at the machines before you go on"
                to = S.STOPPED if one.campaign.state is S.ROLLING_BACK else S.PAUSED
                self._writing.came(one, to, reason="restored", detail=why)
            self._carry_on(one)
        with self._changed:
            self._changed.notify_all()

    def _reload(self, id: str) -> None:
        with self._database.read() as tx:
            try:
                campaign = find(tx, id)
            except NotFound:
                self._open.pop(id, None)
                return
            found = targets(tx, campaign.number)
        if campaign.state is S.DRAFT or campaign.signed is not None:
            self._open.pop(id, None)
        else:
            self._open[id] = Carried(campaign, found)

    def _carry_on(self, one: Carried) -> None:
        campaign, now = one.campaign, self._clock.now()
        if campaign.state is S.SCHEDULED and (campaign.start is None or campaign.start <= now):
            self._writing.came(one, S.RUNNING)
        waiting = self._hearing.follow(one, now)
        doubts = self._sending.doubts(one, waiting)
        self._writing.move(one, [told for told in doubts if self._hearing.take_back(one, told.target)])
        if one.campaign.state in HELD:
            self._hearing.hold(one)
        for _ in range(len(campaign.groups) + 1):
            if one.campaign.state is not S.RUNNING:
                break
            move = next_move(one.campaign, stands(one.targets.values(), len(campaign.groups)))
            if move is None:
                self._sending.send(one, now)
                break
            self._writing.came(one, move[0], **move[1])
        if one.campaign.state is S.ROLLING_BACK:
            self._going_back.bring_back(one, now)
        doubtful = any(t.state in UNDER_WAY or t.state is T.UNKNOWN for t in one.targets.values())
        if one.campaign.state in OVER and not doubtful:
            self._open.pop(one.campaign.id, None)

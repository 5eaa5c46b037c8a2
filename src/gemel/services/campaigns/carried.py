"""Campaigns that are carried on, and what is written of them: only what still stands as it did when it was decided."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.services.base import Run
from gemel.services.campaigns.campaign import UNDER_WAY, Campaign, CampaignState, Target, TargetState
from gemel.services.campaigns.deciding import Move
from gemel.services.campaigns.rows import came as brought
from gemel.services.campaigns.rows import find, keep, targets, went
from gemel.twin import Change

__all__ = ["HELD", "NO_MORE", "Carried", "Told", "Writing"]

HELD = (CampaignState.PAUSED, CampaignState.STOPPED, CampaignState.ROLLING_BACK)
NO_MORE = (CampaignState.STOPPED, CampaignState.ROLLING_BACK)
MOVED_AT_ONCE = 200
"""Targets that are written in one transaction."""


class Told(NamedTuple):
    """A move of a target, from the state that it is in."""

    target: Target
    move: Move


class Carried:
    """A campaign that is carried on."""

    def __init__(self, campaign: Campaign, found: Sequence[Target]) -> None:
        self.campaign = campaign
        self.targets = {one.ordinal: one for one in found}
        self.waits: dict[int, str] = {}
        """Of targets that wait for a rule for orders: which."""

    def under_way(self) -> list[Target]:
        return [one for one in self.targets.values() if one.state in UNDER_WAY]


class Writing:
    """Each verb is one transaction, or several for many targets."""

    def __init__(self, run: Run, clock: Clock) -> None:
        self._run, self._clock = run, clock

    def came(self, one: Carried, to: CampaignState, **facts: Any) -> None:
        """Bring a campaign on, if it still is in the state in which this was decided."""

        def work(tx: Connection) -> list[Change]:
            known = find(tx, one.campaign.id)
            if known.state is not one.campaign.state:
                one.campaign = known
                return []
            facts.setdefault("reason", "")
            facts.setdefault("detail", "")
            one.campaign, change = brought(tx, known, to, self._clock.now(), **facts)
            return [change]

        self._run(work, actor=one.campaign.actor)

    def move(
        self, one: Carried, moves: Sequence[Told], *, only: Sequence[CampaignState] = ()
    ) -> dict[int, TargetState]:
        """Bring targets on that still are in the states in which this was decided; `only`: while the campaign is in
        one of these. Returns the states of those that moved."""
        done: dict[int, TargetState] = {}

        def work(some: Sequence[Told], tx: Connection) -> list[Change]:
            known, changes = find(tx, one.campaign.id), list[Change]()
            one.campaign = known
            if only and known.state not in only:
                return []
            now = self._clock.now()
            ordinals = [target.ordinal for target, _ in some]
            stored = {target.ordinal: target for target in targets(tx, known.number, ordinals)}
            for target, move in some:
                before = stored.get(target.ordinal)
                if before is None or (before.state, before.attempt) != (target.state, target.attempt):
                    continue
                if move.to is before.state:
                    after = replace(before, **move.facts)
                    keep(tx, known, after)
                else:
                    after, change = went(tx, known, before, move.to, now, **move.facts)
                    changes.append(change)
                one.targets[target.ordinal], done[target.ordinal] = after, after.state
            return changes

        for first in range(0, len(moves), MOVED_AT_ONCE):
            self._run(partial(work, moves[first : first + MOVED_AT_ONCE]), actor=one.campaign.actor)
        return done

    def note(self, one: Carried, target: Target) -> None:
        def work(tx: Connection) -> list[Change]:
            keep(tx, one.campaign, target)
            return []

        self._run(work, actor=one.campaign.actor)
        one.targets[target.ordinal] = target

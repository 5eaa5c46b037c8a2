"""The way back: every machine that got the version is told to run the one before."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from gemel.clock import SECOND
from gemel.configuration import SoftwareJudge
from gemel.services.campaigns.aiming import Candidate, hash_of
from gemel.services.campaigns.campaign import Campaign, CampaignState, Target, TargetState
from gemel.services.campaigns.carried import Carried, Told, Writing
from gemel.services.campaigns.deciding import Move, stray
from gemel.services.campaigns.hearing import Hearing
from gemel.services.campaigns.sending import GONE, RIGHTS, Sending

__all__ = ["GoingBack"]

S, T = CampaignState, TargetState


class GoingBack:
    """Sends machines back, and ends when none is left."""

    def __init__(self, hearing: Hearing, sending: Sending, writing: Writing) -> None:
        self._aim, self._hearing, self._sending, self._writing = sending.aim, hearing, sending, writing

    def bring_back(self, one: Carried, now: int) -> None:
        campaign = one.campaign
        todo = [t for t in one.targets.values() if t.state is T.SUCCEEDED or self._strayed(campaign, t)]
        room = campaign.at_once - len(one.under_way())
        if not todo and not one.under_way():
            left = sum(t.state in (T.UNKNOWN, T.NOT_ROLLED_BACK) for t in one.targets.values())
            detail = f"{left} machines could not be brought back, or are unknown" if left else ""
            self._writing.came(one, S.ROLLED_BACK, reason="", detail=detail)
            return
        some = todo[: max(0, room)]
        machines, judge = self._aim.book.machines([target.twin for target in some]), self._aim.book.judge()
        moves, ready = list[Told](), list[tuple[Target, Candidate]]()
        deadline = now + round(campaign.deadline_s * SECOND)
        for target in some:
            candidate = self._sending.candidate(campaign, target, machines)
            why = self._no_way_back(target, candidate, judge)
            if why is None and (told := self._sending.objects(_asked_by(campaign), target.twin)):
                why = {"reason": RIGHTS, "detail": told}
            if why is not None or candidate is None:
                moves.append(Told(target, Move(to=T.NOT_ROLLED_BACK, facts=why or GONE)))
                continue
            ready.append((target, candidate))
            facts = {"attempt": target.attempt + 1, "order": "", "deadline": deadline, "proof": None, "sent_after": 0}
            moves.append(Told(target, Move(to=T.ROLLING_BACK, facts=facts)))
        done = self._writing.move(one, moves, only=(S.ROLLING_BACK,))
        for target, candidate in ready:
            if done.get(target.ordinal) is T.ROLLING_BACK:
                self._sending.ask(one, one.targets[target.ordinal], candidate.way, target.before)

    def _strayed(self, campaign: Campaign, target: Target) -> bool:
        """Whether a target that failed runs neither what it ran before, nor can be said to run nothing."""
        if target.state is not T.FAILED or not target.order:
            return False
        return stray(replace(target, proof=None), target.before, self._hearing.report(campaign, target))

    def _no_way_back(self, target: Target, candidate: Candidate | None, judge: SoftwareJudge) -> dict[str, Any] | None:
        if candidate is None:
            return GONE
        if not target.before:
            return {"reason": "before", "detail": "what it ran before was never reported"}
        if not candidate.way.keeps_previous:
            return {"reason": "by-hand", "detail": f"a {candidate.way.type} cannot go back by itself"}
        if hash_of(candidate.machine) != target.hash:
            return {"reason": "changed", "detail": "its configuration has changed since targeting"}
        if objections := self._aim.objections(candidate, target.before, judge):
            return {"reason": objections[0].rule, "detail": "; ".join(one.text for one in objections)}
        return None


def _asked_by(campaign: Campaign) -> str:
    """Who wanted to go back: it is sent on their behalf."""
    return next((one.actor for one in reversed(campaign.steps) if one.state == S.ROLLING_BACK), campaign.actor)

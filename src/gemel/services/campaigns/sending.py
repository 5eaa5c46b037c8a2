"""How a machine is told: looked at anew right before, and asked for as an order with a key of its own."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from gemel.clock import SECOND
from gemel.commands import Ask, OrderKind
from gemel.configuration import Machine, SoftwareJudge, SoftwareWay
from gemel.errors import GemelError, Overloaded, StorageFailed, StorageFull
from gemel.services.campaigns.aiming import Aim, Candidate, hash_of, inputs_of, unsafe
from gemel.services.campaigns.campaign import Campaign, CampaignState, Target, TargetState
from gemel.services.campaigns.carried import Carried, Told, Writing
from gemel.services.campaigns.deciding import Move
from gemel.services.campaigns.hazards import Hazards

__all__ = ["GONE", "RIGHTS", "Given", "Objects", "Sending", "key_of"]

S, T = CampaignState, TargetState
LOOKED_AT = 200
"""Machines that are checked in one turn, at most: those that wait for a rule are looked at again and again."""
RIGHTS = "rights"
"""Why a target is skipped: whoever began the campaign may not command it any more."""
GONE = {"reason": "changed", "detail": "its configuration has changed since targeting: it is not there any more"}
Given = Callable[[Campaign, str], dict[str, str | int]]
"""What a command may be given of a version of a campaign's software."""
Objects = Callable[[str, str], str]
"""Why nothing is sent on behalf of somebody (first) to a twin (second); empty: it may be."""


class Sending:
    """Sends what is due of a running campaign."""

    def __init__(self, aim: Aim, writing: Writing, *, given: Given, objects: Objects) -> None:
        self.aim, self._writing = aim, writing
        self._given, self.objects = given, objects

    def send(self, one: Carried, now: int) -> None:
        room = one.campaign.at_once - len(one.under_way())
        if room <= 0:
            return
        waiting = [t for t in one.targets.values() if t.state is T.PENDING and t.group <= one.campaign.group]
        waiting.sort(key=lambda t: (t.ordinal in one.waits, t.group, t.ordinal))
        judge, hazards = self.aim.book.judge(), self.aim.hazards()
        ready, moves = list[tuple[Target, Candidate]](), list[Told]()
        some = waiting[:LOOKED_AT]
        machines = self.aim.book.machines([target.twin for target in some])
        for target in some:
            if len(ready) == room:
                break
            candidate = self.candidate(one.campaign, target, machines)
            move = self._check(one.campaign, target, candidate, (judge, hazards))
            if move is not None or candidate is None:
                moves.append(Told(target, move or Move(to=T.SKIPPED, facts=GONE)))
            elif why := "; ".join(self.aim.waits(candidate)):
                one.waits[target.ordinal] = why[:500]
            else:
                ready.append((target, candidate))
        deadline = now + round(one.campaign.deadline_s * SECOND)
        for target, _ in ready:
            facts = {"attempt": target.attempt + 1, "order": "", "deadline": deadline, "proof": None, "sent_after": 0}
            moves.append(Told(target, Move(to=T.UPDATING, facts=facts)))
        done = self._writing.move(one, moves, only=(S.RUNNING,))
        for target, candidate in ready:
            one.waits.pop(target.ordinal, None)
            if done.get(target.ordinal) is T.UPDATING:
                self.ask(one, one.targets[target.ordinal], candidate.way, one.campaign.version)

    def doubts(self, one: Carried, waiting: list[Target]) -> list[Told]:
        """Of machines that were asked for and have not been told yet (a link is awaited, say): those that must not be
        told any more, by what is known now."""
        if not waiting:
            return []
        by, found = (self.aim.book.judge(), self.aim.hazards()), list[Told]()
        machines = self.aim.book.machines([target.twin for target in waiting])
        for target in waiting:
            if target.state is T.UPDATING:
                move = self._check(one.campaign, target, self.candidate(one.campaign, target, machines), by)
                found += [] if move is None else [Told(target, move)]
        return found

    def candidate(self, campaign: Campaign, target: Target, machines: dict[str, Machine]) -> Candidate | None:
        machine, way = machines.get(target.twin), self.aim.way(campaign, target)
        modules = () if machine is None else machine.modules
        module = next((m for m in modules if (m.twin, m.slot) == (target.twin, target.slot)), None)
        if machine is None or module is None or way is None:
            return None
        return Candidate(machine=machine, module=module, way=way)

    def _check(
        self, campaign: Campaign, target: Target, candidate: Candidate | None, by: tuple[SoftwareJudge, Hazards]
    ) -> Move | None:
        """Why nothing is sent to a target: looked at anew, right before."""
        judge, hazards = by
        if candidate is None:
            return Move(to=T.SKIPPED, facts=GONE)
        if candidate.module.version != target.before:
            detail = (
                f"its configuration has changed since targeting: it reports "
                f"{candidate.module.version or 'no version'}, and reported {target.before or 'none'}"
            )
            return Move(to=T.SKIPPED, facts={"reason": "changed", "detail": detail})
        if candidate.machine.item != target.machine or hash_of(candidate.machine) != target.hash:
            detail = "its configuration has changed since targeting: other items or revisions are in it"
            return Move(to=T.SKIPPED, facts={"reason": "changed", "detail": detail})
        if why := self.objects(campaign.actor, target.twin):
            return Move(to=T.SKIPPED, facts={"reason": RIGHTS, "detail": why})
        if objections := [*self.aim.objections(candidate, campaign.version, judge), *unsafe(candidate, hazards)]:
            facts = {"reason": objections[0].rule, "detail": "; ".join(one.text for one in objections)}
            return Move(to=T.SKIPPED, facts=facts)
        return None

    def ask(self, one: Carried, target: Target, way: SoftwareWay, version: str) -> None:
        ask = Ask(
            twin=target.twin,
            name=way.command,
            kind=OrderKind.COMMAND,
            input=inputs_of(way, self._given(one.campaign, version)),
            deadline_s=one.campaign.deadline_s,
            key=key_of(one.campaign, target),
        )
        back = target.state is T.ROLLING_BACK
        try:
            order = self.aim.commander.ask(ask, actor=one.campaign.actor).result()
        except StorageFailed:
            raise
        except (Overloaded, StorageFull) as error:
            to = T.SUCCEEDED if back else T.PENDING
            self._writing.move(one, [Told(target, Move(to=to, facts={"detail": f"not asked for yet: {error.detail}"}))])
        except GemelError as error:
            facts = {"reason": "order", "detail": error.detail}
            self._writing.move(one, [Told(target, Move(to=T.NOT_ROLLED_BACK if back else T.FAILED, facts=facts))])
        else:
            self._writing.note(one, replace(target, order=order.id))


def key_of(campaign: Campaign, target: Target) -> str:
    """Of the order of this attempt."""
    return f"{campaign.id}/{target.ordinal}/{target.attempt}"

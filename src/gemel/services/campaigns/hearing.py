"""What is heard of machines that were told: their orders, and what they report."""

from __future__ import annotations

from msgspec.structs import replace

from gemel.commands import Order, OrderState
from gemel.errors import Conflict, NotFound
from gemel.services.campaigns.aiming import Aim
from gemel.services.campaigns.campaign import UNDER_WAY, Campaign, CampaignState, Target, TargetState
from gemel.services.campaigns.carried import HELD, NO_MORE, Carried, Told, Writing
from gemel.services.campaigns.deciding import Move, Report, fate, later
from gemel.services.campaigns.sending import key_of
from gemel.twin import Quality

__all__ = ["Hearing"]

S, T = CampaignState, TargetState
_SETTLED = (T.SUCCEEDED, T.FAILED, T.UNKNOWN, T.NOT_ROLLED_BACK)


class Hearing:
    """Brings targets on by what became of their orders and by what their machines tell."""

    def __init__(self, aim: Aim, writing: Writing) -> None:
        self._aim, self._commander, self._writing = aim, aim.commander, writing

    def follow(self, one: Carried, now: int) -> list[Target]:
        """Bring them on; returns those that were asked for and have not left yet."""
        moves, waiting = list[Told](), list[Target]()
        for target in list(one.targets.values()):
            if target.state in UNDER_WAY:
                wanted = target.before if target.state is T.ROLLING_BACK else one.campaign.version
                order = self._order(one, target, moves)
                if order is not None and order.state is OrderState.REQUESTED:
                    waiting.append(one.targets[target.ordinal])
                report = self.report(one.campaign, target)
                move = fate(target, wanted, order, report, settle_s=one.campaign.settle_s, now=now)
            elif target.state in _SETTLED and target.order:
                move = self._later(one, target)
            else:
                continue
            if move is not None:
                if move.facts.get("reason") == "not-sent" and _was_held(one.campaign, target):
                    move = Move(to=T.PENDING, facts={"detail": "it was held before anything was sent"})
                if one.campaign.state in NO_MORE and move.to is T.PENDING:
                    move = Move(to=T.CANCELLED, facts={"reason": "stopped", "detail": "nothing was sent"})
                moves.append(Told(target, move))
        done = self._writing.move(one, moves)
        return [target for target in waiting if target.ordinal not in done]

    def take_back(self, one: Carried, target: Target) -> bool:
        """Take an order back that has not left; whether it had not."""
        try:
            self._commander.cancel(target.order, actor=one.campaign.actor).result()
        except Conflict:
            return False  # it has just left
        return True

    def _later(self, one: Carried, target: Target) -> Move | None:
        way = self._aim.way(one.campaign, target)
        if way is None:
            return None
        version, position = self._aim.book.live.version(target.twin, way)
        if not version or position <= target.sent_after:
            return None
        report = self.report(one.campaign, target)
        gone_back = one.campaign.state in (S.ROLLING_BACK, S.ROLLED_BACK)
        if gone_back and target.state is T.SUCCEEDED:
            return None
        return later(target, one.campaign.version, target.before, report)

    def _order(self, one: Carried, target: Target, moves: list[Told]) -> Order | None:
        """The order of a target under way; one that an earlier run asked for and did not note is looked for."""
        if target.order:
            try:
                return self._commander.order(target.order)
            except NotFound:  # its twin was erased
                moves.append(Told(target, Move(to=T.CANCELLED, facts={"reason": "erased"})))
                return None
        way = self._aim.way(one.campaign, target)
        key = key_of(one.campaign, target)
        listed = [] if way is None else self._commander.orders(target.twin, name=way.command, limit=100).items
        owners = {one.campaign.actor, *(step.actor for step in one.campaign.steps)}  # it may have been taken over since
        found = next((order for order in listed if order.key == key and order.actor in owners), None)
        if found is None:
            to = T.SUCCEEDED if target.state is T.ROLLING_BACK else T.PENDING
            detail = "Gemel stopped before anything was asked for; nothing was sent"
            moves.append(Told(target, Move(to=to, facts={"detail": detail})))
            return None
        noted = replace(target, order=found.id)
        self._writing.note(one, noted)
        return found

    def report(self, campaign: Campaign, target: Target) -> Report:
        """What the device tells now."""
        way = self._aim.way(campaign, target)
        live = self._aim.book.live
        now = None if way is None else live.told(target.twin, way)
        if way is None or now is None or now.quality is not Quality.GOOD or now.value is None:
            return Report()
        return Report(
            version=str(now.value)[:128],
            time=now.time,
            position=now.position,
            fresh=now.fresh,
            works=live.works(target.twin, way),
            checked=bool(way.check),
        )

    def hold(self, one: Carried) -> None:
        """Take back what was asked for and has not left."""
        held = one.under_way() if one.campaign.state is not S.ROLLING_BACK else []
        for target in held or [t for t in one.targets.values() if t.state is T.UPDATING]:
            if target.order and self._commander.order(target.order).state is OrderState.REQUESTED:
                self.take_back(one, target)
        if one.campaign.state in NO_MORE:
            facts = {"reason": "stopped", "detail": "nothing was sent"}
            waiting = [t for t in one.targets.values() if t.state is T.PENDING]
            self._writing.move(one, [Told(target, Move(to=T.CANCELLED, facts=facts)) for target in waiting])


def _was_held(campaign: Campaign, target: Target) -> bool:
    """Whether what was not sent was taken back by us, for a pause or a stop."""
    return target.state is T.UPDATING and campaign.state in HELD

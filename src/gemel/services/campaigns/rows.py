"""The rows of campaigns: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import asdict, replace
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gemel.errors import NotFound
from gemel.services.campaigns.campaign import (
    ENDED,
    OVER,
    Campaign,
    CampaignState,
    Group,
    Proof,
    Selection,
    Signed,
    Step,
    Target,
    TargetState,
)
from gemel.services.campaigns.tables import campaign_table, target_table
from gemel.twin import Change

__all__ = [
    "came",
    "campaign_of",
    "counts",
    "find",
    "find_by_key",
    "forget_targets",
    "keep",
    "open_campaigns",
    "put",
    "put_targets",
    "rewrite",
    "target_of",
    "targets",
    "went",
]

MAX_STEPS = 100
"""Of one campaign or target; what is told of it after that is in the journal alone."""
_json = msgspec.json.Encoder()
_CAMPAIGN_JSON: dict[str, Any] = {
    "selection": Selection,
    "groups": tuple[Group, ...],
    "steps": tuple[Step, ...],
    "signed": Signed | None,
}
_TARGET_JSON: dict[str, Any] = {"proof": Proof | None, "steps": tuple[Step, ...]}
_TOLD = {
    TargetState.UPDATING: "update.begun",
    TargetState.SUCCEEDED: "update.proved",
    TargetState.FAILED: "update.failed",
    TargetState.UNKNOWN: "update.doubted",
    TargetState.SKIPPED: "update.skipped",
    TargetState.CANCELLED: "update.cancelled",
    TargetState.PENDING: "update.postponed",
    TargetState.ROLLING_BACK: "update.rolling_back",
    TargetState.ROLLED_BACK: "update.rolled_back",
    TargetState.NOT_ROLLED_BACK: "update.not_rolled_back",
}


def campaign_of(row: Row[Any]) -> Campaign:
    told = dict(row._mapping) | {"state": CampaignState(row.state)}
    for name, kind in _CAMPAIGN_JSON.items():
        told[name] = msgspec.json.decode(told[name], type=kind)
    return Campaign(**told)


def target_of(row: Row[Any]) -> Target:
    told = dict(row._mapping) | {"state": TargetState(row.state)}
    del told["campaign"]
    for name, kind in _TARGET_JSON.items():
        told[name] = msgspec.json.decode(told[name], type=kind)
    return Target(**told)


def _row(one: Campaign | Target, encoded: dict[str, Any]) -> dict[str, Any]:
    told = asdict(one) | {"state": str(one.state)}
    for name in encoded:
        told[name] = _json.encode(told[name]).decode()
    return told


def find(tx: Connection, id: str) -> Campaign:
    """Raises NotFound."""
    row = tx.execute(select(campaign_table).where(campaign_table.c.id == id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no campaign {id!r:.60}; list them with campaigns()")
    return campaign_of(row)


def find_by_key(tx: Connection, actor: str, key: str) -> Campaign | None:
    """The campaign that this person asked for under this key."""
    c = campaign_table.c
    row = tx.execute(select(campaign_table).where(c.actor == actor, c.key == key)).one_or_none()
    return None if row is None else campaign_of(row)


def open_campaigns(tx: Connection) -> list[Campaign]:
    """Those that are carried on, and those that are over with targets of which something may still become known."""
    c, t = campaign_table.c, target_table.c
    watched = [*(str(one) for one in TargetState if one not in ENDED), str(TargetState.UNKNOWN)]
    doubtful = select(t.campaign).where(t.state.in_(watched))
    over, draft = [str(one) for one in OVER], str(CampaignState.DRAFT)
    going = c.state.not_in([*over, draft]) | (c.state.in_(over) & c.number.in_(doubtful) & (c.signed == "null"))
    return [campaign_of(row) for row in tx.execute(select(campaign_table).where(going).order_by(c.number))]


def targets(tx: Connection, number: int, ordinals: Sequence[int] | None = None) -> list[Target]:
    """In their order; of a campaign, or of it these."""
    t = target_table.c
    query = select(target_table).where(t.campaign == number).order_by(t.ordinal)
    if ordinals is not None:
        query = query.where(t.ordinal.in_(ordinals))
    return [target_of(row) for row in tx.execute(query)]


def counts(tx: Connection, numbers: Sequence[int]) -> dict[int, dict[int, dict[str, int]]]:
    """Campaign → group → state → how many targets."""
    t = target_table.c
    found: dict[int, dict[int, dict[str, int]]] = {number: {} for number in numbers}
    rows = tx.execute(
        select(t.campaign, t.group, t.state, func.count().label("many"))
        .where(t.campaign.in_(numbers))
        .group_by(t.campaign, t.group, t.state)
    )
    for row in rows:
        found[row.campaign].setdefault(row.group, {})[row.state] = row.many
    return found


def put(tx: Connection, campaign: Campaign) -> tuple[Campaign, Change]:
    """Write a new one; it gets its id and number."""
    step = Step(state=campaign.state, time=campaign.created, actor=campaign.actor)
    campaign = replace(campaign, id=f"campaign-{secrets.token_hex(6)}", steps=(step,))
    row = _row(campaign, _CAMPAIGN_JSON)
    del row["number"]
    number = tx.execute(insert(campaign_table).values(**row).returning(campaign_table.c.number)).scalar_one()
    campaign = replace(campaign, number=number)
    return campaign, change_of(campaign, campaign.created, campaign.actor)


def rewrite(tx: Connection, campaign: Campaign) -> None:
    c = campaign_table.c
    tx.execute(update(campaign_table).where(c.number == campaign.number).values(**_row(campaign, _CAMPAIGN_JSON)))


def came(
    tx: Connection, campaign: Campaign, state: CampaignState, now: int, *, actor: str = "", **facts: Any
) -> tuple[Campaign, Change]:
    """Bring a campaign into its next state."""
    step = Step(state=state, time=now, actor=actor, detail=str(facts.get("detail", ""))[:500])
    after = replace(campaign, state=state, steps=(*campaign.steps, step)[-MAX_STEPS:], **facts)
    rewrite(tx, after)
    return after, change_of(after, now, actor)


def change_of(campaign: Campaign, now: int, actor: str, kind: str = "") -> Change:
    """What the journal says of it."""
    body = {"part": campaign.part, "version": campaign.version, "title": campaign.title}
    body |= {name: told for name in ("reason", "detail") if (told := getattr(campaign, name))}
    named = kind or f"campaign.{_STATES.get(campaign.state, campaign.state)}"
    return Change(kind=named, subject=campaign.id, time=now, actor=actor, body=body)


_STATES = {CampaignState.DRAFT: "drafted", CampaignState.WAITING: "frozen", CampaignState.RUNNING: "run"}


def forget_targets(tx: Connection, twin: str) -> int:
    """Drop what campaigns hold of a twin that is erased; how many targets."""
    return int(tx.execute(delete(target_table).where(target_table.c.twin == twin)).rowcount)


def put_targets(tx: Connection, number: int, found: Sequence[Target]) -> None:
    rows = [_row(one, _TARGET_JSON) | {"campaign": number} for one in found]
    for first in range(0, len(rows), 500):
        tx.execute(insert(target_table), rows[first : first + 500])


def went(
    tx: Connection, campaign: Campaign, target: Target, state: TargetState, now: int, *, actor: str = "", **facts: Any
) -> tuple[Target, Change]:
    """Bring a target into its next state."""
    facts = {"reason": "", "detail": ""} | facts
    facts["reason"], facts["detail"] = str(facts["reason"])[:128], str(facts["detail"])[:1000]
    step = Step(state=state, time=now, actor=actor, detail=facts["detail"][:500])
    after = replace(target, state=state, steps=(*target.steps, step)[-MAX_STEPS:], **facts)
    keep(tx, campaign, after)
    body: dict[str, Any] = {"campaign": campaign.id, "part": campaign.part, "version": campaign.version}
    told = {"reason": after.reason, "detail": after.detail, "order": after.order, "before": after.before}
    body |= {name: value for name, value in told.items() if value}
    if after.proof is not None:
        body["proof"] = msgspec.to_builtins(after.proof)
    return after, Change(kind=_TOLD[state], subject=after.twin, time=now, actor=actor, body=body)


def keep(tx: Connection, campaign: Campaign, target: Target) -> None:
    """Write a target again, in the state that it is in."""
    t = target_table.c
    mine = (t.campaign == campaign.number) & (t.ordinal == target.ordinal)
    tx.execute(update(target_table).where(mine).values(**_row(target, _TARGET_JSON)))

"""Campaigns as they are told: with their groups, machines and proofs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import sha256

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, select

from gemel.configuration import SoftwareBook
from gemel.database import Database
from gemel.errors import InvalidInput
from gemel.services.campaigns.campaign import Campaign, CampaignState, Target, TargetState
from gemel.services.campaigns.deciding import Count, passed, tripped
from gemel.services.campaigns.rows import campaign_of, counts, find, targets
from gemel.services.campaigns.tables import campaign_table, target_table
from gemel.twin import Page

__all__ = ["GroupStanding", "Looking", "Overview", "Report", "digest_of"]

S, T = CampaignState, TargetState


class GroupStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A group and how many of its machines are in which state."""

    name: str
    success: str
    errors: str
    state: str
    """waiting, running, done, failed."""
    counts: dict[str, int]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign with its groups."""

    campaign: Campaign
    groups: tuple[GroupStanding, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a campaign: all of it, as it is signed off."""

    campaign: Campaign
    groups: tuple[GroupStanding, ...]
    targets: tuple[Target, ...]


class Looking:
    """What campaigns there are; `waits` tells of a campaign which targets wait, and for which rule for orders."""

    def __init__(self, database: Database, book: SoftwareBook, waits: Callable[[str], dict[int, str]]) -> None:
        self._database, self._book, self._waits = database, book, waits

    def get(self, id: str) -> Campaign:
        """Raises NotFound."""
        with self._database.read() as tx:
            return find(tx, id)

    def all(self, *, states: Collection[str] = (), limit: int = 100, cursor: str = "") -> Page[Overview]:
        """The newest first."""
        c = campaign_table.c
        if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
            raise InvalidInput(f"{cursor!r:.40} is not a cursor of this list; use `next` of the page before")
        conditions: Sequence[ColumnElement[bool]] = [
            *([c.state.in_(sorted(states))] if states else []),
            *([c.number < int(cursor)] if cursor else []),
        ]
        with self._database.read() as tx:
            query = select(campaign_table).where(*conditions).order_by(c.number.desc()).limit(limit + 1)
            found = [campaign_of(row) for row in tx.execute(query)]
            told = counts(tx, [one.number for one in found])
        more = str(found[limit - 1].number) if len(found) > limit else None
        return Page([_overview(one, told[one.number]) for one in found[:limit]], more)

    def overview(self, id: str) -> Overview:
        """Raises NotFound."""
        with self._database.read() as tx:
            campaign = find(tx, id)
            return _overview(campaign, counts(tx, [campaign.number])[campaign.number])

    def targets(
        self, id: str, *, states: Collection[str] = (), limit: int = 1000, after: int = -1
    ) -> tuple[Sequence[Target], int | None]:
        """In their order, with what they wait for; and after which to go on, if there are more. Raises NotFound."""
        t = target_table.c
        with self._database.read() as tx:
            campaign = find(tx, id)
            query = select(t.ordinal).where(t.campaign == campaign.number, t.ordinal > after).order_by(t.ordinal)
            if states:
                query = query.where(t.state.in_(sorted(states)))
            ordinals = list(tx.scalars(query.limit(limit + 1)))
            found = targets(tx, campaign.number, ordinals[:limit])
        waits = self._waits(id)
        told = [replace(one, detail=waits[one.ordinal]) if one.ordinal in waits else one for one in found]
        return told, ordinals[limit - 1] if len(ordinals) > limit else None

    def twins(self, id: str) -> list[str]:
        """Of all its targets. Raises NotFound."""
        with self._database.read() as tx:
            campaign = find(tx, id)
            t = target_table.c
            return sorted(set(tx.scalars(select(t.twin).where(t.campaign == campaign.number))))

    def report(self, id: str) -> Report:
        """All of it, with the proof of each machine. Raises NotFound."""
        with self._database.read() as tx:
            campaign = find(tx, id)
            found = targets(tx, campaign.number)
            groups = _overview(campaign, counts(tx, [campaign.number])[campaign.number]).groups
        return Report(campaign=campaign, groups=groups, targets=tuple(found))

    def handed_out(self, twins: Collection[str], digest: str) -> bool:
        """Whether one of these twins is to get a file just now."""
        t, c = target_table.c, campaign_table.c
        query = (
            select(c.part, c.version, t.before, t.state)
            .join(campaign_table, c.number == t.campaign)
            .where(t.twin.in_(sorted(twins)), t.state.in_([str(T.UPDATING), str(T.ROLLING_BACK)]))
        )
        with self._database.read() as tx:
            rows = tx.execute(query).all()
        software = self._book.all()
        for row in rows:
            known = software.get(row.part)
            wanted = row.before if row.state == T.ROLLING_BACK else row.version
            version = None if known is None else known.version(wanted)
            if version is not None and version.artifact == digest:
                return True
        return False


def digest_of(report: Report) -> str:
    """SHA-256 of a report as JSON with sorted keys, without the signature."""
    plain = msgspec.structs.replace(report, campaign=replace(report.campaign, signed=None))
    return sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _overview(campaign: Campaign, told: dict[int, dict[str, int]]) -> Overview:
    return Overview(
        campaign=campaign,
        groups=tuple(
            GroupStanding(
                name=group.name,
                success=group.success,
                errors=group.errors,
                state=_state(campaign, i, told.get(i, {})),
                counts=told.get(i, {}),
            )
            for i, group in enumerate(campaign.groups)
        ),
    )


def _state(campaign: Campaign, place: int, told: dict[str, int]) -> str:
    if campaign.state in (S.DRAFT, S.WAITING, S.SCHEDULED) or place > campaign.group:
        return "waiting"
    left = told.get(T.PENDING, 0) + told.get(T.UPDATING, 0)
    out = told.get(T.SKIPPED, 0) + told.get(T.CANCELLED, 0)
    count = Count(
        total=sum(told.values()) - out,
        succeeded=told.get(T.SUCCEEDED, 0),
        bad=told.get(T.FAILED, 0) + told.get(T.UNKNOWN, 0),
        left=left,
    )
    if tripped(campaign, place, count):
        return "failed"
    if left:
        return "running"
    return "done" if passed(campaign, place, count) else "failed"

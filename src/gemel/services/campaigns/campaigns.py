"""Update campaigns of a platform. Every verb may be called from any thread; each is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration import Reliance, latest_known, rely_all
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, KeyReused
from gemel.services.base import Run
from gemel.services.campaigns.aiming import Aim, Verdict, hash_of
from gemel.services.campaigns.campaign import (
    OVER,
    Campaign,
    CampaignState,
    Draft,
    Group,
    GroupSpec,
    Signed,
    TargetState,
)
from gemel.services.campaigns.carried import Writing
from gemel.services.campaigns.deciding import stands
from gemel.services.campaigns.engine import Engine
from gemel.services.campaigns.hearing import Hearing
from gemel.services.campaigns.looking import Looking, digest_of
from gemel.services.campaigns.rows import (
    came,
    change_of,
    find,
    find_by_key,
    put,
    put_targets,
    rewrite,
    targets,
    went,
)
from gemel.services.campaigns.sending import RIGHTS, Objects, Sending
from gemel.twin import Block, Change

__all__ = ["Campaigns"]

S, T = CampaignState, TargetState
NEEDED = "needed"
"""In place of who approved: nobody has yet."""
_STARTED = (S.SCHEDULED, S.RUNNING, S.PAUSED)
_ABOUT = ("command.", "event.", "item.", "software.")
LONGEST_KEY, LONGEST_TITLE = 200, 200
May = Callable[[str], bool]


class Campaigns(Looking):
    """`platform.campaigns`: a service."""

    def __init__(
        self,
        database: Database,
        run: Run,
        clock: Clock,
        *,
        aim: Aim,
        objects: Objects,
    ) -> None:
        self._run, self._clock, self.aim = run, clock, aim
        self.address = ""
        """Where devices reach this platform over HTTP, as they are told it: https://gemel.example."""
        writing = Writing(run, clock)
        sending = Sending(aim, writing, given=self._given, objects=objects)
        self.engine = Engine(database, clock, hearing=Hearing(aim, writing), sending=sending, writing=writing)
        super().__init__(database, aim.book, self.engine.waits)

    # a service

    def follow(self, block: Block) -> None:
        """What may end a wait: an order's step, a report, another configuration."""
        if any(change.kind == "backup.restored" for change in block.changes):
            self.engine.restored()
        elif any(change.kind.startswith("twin.") for change in block.changes):
            self.engine.look_again()
        elif block.frames or any(change.kind.startswith(_ABOUT) for change in block.changes):
            self.engine.wake()

    def start(self) -> None:
        self.engine.start()

    def close(self) -> None:
        self.engine.close()

    # asking

    def preview(self, draft: Draft, *, may: May | None = None) -> list[Verdict]:
        """The dry run: how each machine would fare, by the twins as they are now. Nothing is sent or kept.

        Raises NotFound, InvalidInput.
        """
        return [verdict for _, verdict in self.aim.verdicts(draft, self._clock.now(), may)]

    def create(self, draft: Draft, *, actor: str = "library") -> Campaign:
        """Keep a draft; nothing is frozen or sent yet. Raises NotFound, InvalidInput, KeyReused."""
        self.aim.check(draft)
        if len(draft.key) > LONGEST_KEY or not draft.key.isprintable() or len(draft.title) > LONGEST_TITLE:
            raise InvalidInput(f"a key and a title have at most {LONGEST_KEY} printable characters")
        made = Campaign(
            id="",
            number=0,
            title=draft.title or f"{draft.part} {draft.version}",
            part=draft.part,
            version=draft.version,
            selection=draft.selection,
            groups=tuple(
                Group(name=one.name or f"group {i}", success=one.success, errors=one.errors, share=one.share)
                for i, one in enumerate(draft.groups, 1)
            ),
            at_once=draft.at_once,
            deadline_s=draft.deadline_s,
            settle_s=draft.settle_s,
            start=draft.start,
            approval=NEEDED if draft.approval else "",
            actor=actor,
            key=draft.key,
            created=self._clock.now(),
        )

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            known = find_by_key(tx, actor, draft.key) if draft.key else None
            if known is not None:
                if (known.part, known.version, known.selection) != (made.part, made.version, made.selection):
                    raise KeyReused(f"this key was used for {known.id}; use a new one for each campaign")
                return known, []
            campaign, change = put(tx, made)
            return campaign, [change]

        return self._do(work, actor)

    def begin(self, id: str, *, actor: str = "library", may: May | None = None) -> Campaign:
        """Freeze its targets and begin: when it is approved, if it has to be, and at its start time.

        `may`: only machines whose twins the actor may command. Raises NotFound, Conflict, InvalidInput (no machine
        could get it).
        """
        known = self.get(id)
        if known.state is not S.DRAFT:
            raise Conflict(f"{id} is {known.state}; its targets are frozen already")
        now = self._clock.now()
        groups, found = self.aim.freeze(draft_of(known), now, may)

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign = find(tx, id)
            if campaign.state is not S.DRAFT:
                raise Conflict(f"{id} is {campaign.state}; its targets are frozen already")
            listed = sorted(found, key=lambda target: (target.group, bool(target.reason)))
            numbered = [replace(target, ordinal=i) for i, target in enumerate(listed)]
            put_targets(tx, campaign.number, numbered)
            on = Reliance(kind="campaign", reference=id, root="", valid=now, known=latest_known(tx, now))
            rely_all(tx, (target.machine for target in numbered if not target.reason), on, actor)
            frozen, changes = replace(campaign, groups=tuple(groups), actor=actor), list[Change]()
            for target in numbered:
                if target.reason:
                    facts = {"reason": target.reason, "detail": target.detail}
                    changes.append(went(tx, frozen, target, T.SKIPPED, now, actor=actor, **facts)[1])
            to = S.WAITING if campaign.approval == NEEDED else self._ready(campaign, now)
            detail = f"{sum(not t.reason for t in numbered)} machines in {len(groups)} groups"
            after, change = came(tx, frozen, to, now, actor=actor, detail=detail)
            return after, [change, *changes]

        return self._do(work, actor)

    def _ready(self, campaign: Campaign, now: int) -> CampaignState:
        return S.SCHEDULED if campaign.start is not None and campaign.start > now else S.RUNNING

    def approve(self, id: str, *, actor: str) -> Campaign:
        """Agree, as somebody else, to a campaign with its frozen targets. Raises NotFound, Conflict."""

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign, now = find(tx, id), self._clock.now()
            if campaign.state is not S.WAITING:
                raise Conflict(f"{id} is {campaign.state}; it does not wait for anybody")
            if campaign.actor == actor:
                raise Conflict(f"{id} is your own campaign; somebody else has to approve it")
            to = self._ready(campaign, now)
            after, change = came(tx, replace(campaign, approval=actor), to, now, actor=actor, detail="approved")
            return after, [change]

        return self._do(work, actor)

    def pause(self, id: str, *, actor: str = "library") -> Campaign:
        """Send nothing more until it is resumed; what has left goes on to its own end. Raises NotFound, Conflict."""
        return self._to(id, S.PAUSED, (S.SCHEDULED, S.RUNNING), actor, reason="person")

    def resume(self, id: str, *, actor: str = "library") -> Campaign:
        """Go on; failures so far are forgiven, a group that ended with too few successes is passed.

        Raises NotFound, Conflict.
        """

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign = find(tx, id)
            if campaign.state is not S.PAUSED:
                raise Conflict(f"{id} is {campaign.state}; only what is paused is resumed", state=campaign.state)
            told = stands(targets(tx, campaign.number), len(campaign.groups))
            groups = tuple(
                replace(group, forgiven=count.bad, passed=group.passed or (i <= campaign.group and not count.left))
                for i, (group, count) in enumerate(zip(campaign.groups, told, strict=True))
            )
            after, change = came(
                tx,
                replace(campaign, groups=groups),
                S.RUNNING,
                self._clock.now(),
                actor=actor,
                reason="",
                detail=f"in spite of: {campaign.detail}" if campaign.detail else "",
            )
            return after, [change]

        return self._do(work, actor)

    def take_over(self, id: str, *, actor: str) -> Campaign:
        """Go on with a campaign of somebody else: from now on it is sent on your behalf, by your rights.

        Machines that were skipped because its owner had no right any more are told after all. Raises NotFound,
        Conflict.
        """

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign, now = find(tx, id), self._clock.now()
            if campaign.signed is not None or campaign.state not in (*_STARTED, S.FINISHED):
                raise Conflict(f"{id} is {'signed off' if campaign.signed else campaign.state}; make another campaign")
            if campaign.actor == actor:
                raise Conflict(f"{id} is your own campaign already")
            if campaign.approval == actor:
                raise Conflict(f"you approved {id}; somebody else has to take it over")
            before, mine, changes = campaign.actor, replace(campaign, actor=actor), list[Change]()
            for one in targets(tx, campaign.number):
                if (one.state, one.reason) == (T.SKIPPED, RIGHTS):
                    detail = f"{actor} took the campaign over"
                    changes.append(went(tx, mine, one, T.PENDING, now, actor=actor, detail=detail)[1])
            on = changes and (
                campaign.state is S.FINISHED or (campaign.state, campaign.reason) == (S.PAUSED, "success")
            )
            detail = f"taken over from {before}"
            reason = "" if on else campaign.reason
            after, change = came(
                tx, mine, S.RUNNING if on else campaign.state, now, actor=actor, detail=detail, reason=reason
            )
            return after, [change, *changes]

        return self._do(work, actor)

    def stop(self, id: str, *, actor: str = "library") -> Campaign:
        """The emergency stop: nothing more is sent, for good; what has left cannot be taken back, and is heard of.

        Raises NotFound, Conflict.
        """
        states = (S.DRAFT, S.WAITING, *_STARTED, S.ROLLING_BACK)
        return self._to(id, S.STOPPED, states, actor, reason="person")

    def roll_back(self, id: str, *, actor: str = "library") -> Campaign:
        """Bring every machine that got the version back to the one before, where it can go back.

        Raises NotFound, Conflict.
        """
        return self._to(id, S.ROLLING_BACK, (S.RUNNING, S.PAUSED, S.STOPPED, S.FINISHED), actor, reason="person")

    def _to(
        self, id: str, state: CampaignState, since: Collection[CampaignState], actor: str, *, reason: str
    ) -> Campaign:
        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign = find(tx, id)
            if campaign.signed is not None:
                raise Conflict(f"{id} is signed off; make another campaign", state=campaign.state)
            if campaign.state not in since:
                raise Conflict(f"{id} is {campaign.state}; that cannot become {state}", state=campaign.state)
            after, change = came(tx, campaign, state, self._clock.now(), actor=actor, reason=reason, detail="")
            return after, [change]

        return self._do(work, actor)

    def retry(self, id: str, ordinals: Collection[int] = (), *, actor: str = "library") -> Campaign:
        """Try failed machines again (none named: all that failed), with their configuration as it is now.

        What is unknown is not tried again: settle it first. Raises NotFound, Conflict.
        """
        with self._database.read() as tx:
            campaign = find(tx, id)
            failed = [
                one
                for one in targets(tx, campaign.number, sorted(ordinals) if ordinals else None)
                if one.state is T.FAILED
            ]
        machines = self.aim.book.machines([one.twin for one in failed])

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            known, now = find(tx, id), self._clock.now()
            if known.signed is not None or known.state not in (*_STARTED, S.FINISHED):
                raise Conflict(f"{id} is {'signed off' if known.signed else known.state}; make another campaign")
            if not failed:
                raise Conflict(f"{id} has no such machine that failed; what is unknown is settled first")
            changes = []
            for one in targets(tx, known.number, [one.ordinal for one in failed]):
                machine = machines.get(one.twin)
                if one.state is not T.FAILED or machine is None:
                    continue
                installed = next((m.version for m in machine.modules if (m.twin, m.slot) == (one.twin, one.slot)), "")
                fresh = replace(one, before=installed, hash=hash_of(machine), machine=machine.item)
                detail = "to be tried again"
                changes.append(went(tx, known, fresh, T.PENDING, now, actor=actor, detail=detail)[1])
            if known.state is S.FINISHED:
                known, change = came(tx, known, S.RUNNING, now, actor=actor, detail="failed machines are tried again")
                changes.append(change)
            return known, changes

        return self._do(work, actor)

    def settle(self, id: str, ordinal: int, *, actor: str = "library", said: str = "") -> Campaign:
        """A person has looked: a machine of which nobody could tell does not have the version. Then it can be retried.

        That it has it, only the machine itself can tell. Raises NotFound, Conflict.
        """

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign = find(tx, id)
            found = targets(tx, campaign.number, [ordinal])
            if not found or found[0].state is not T.UNKNOWN:
                raise Conflict(f"target {ordinal} of {id} is not unknown; only what is unknown is settled by a person")
            detail = f"a person looked: it does not have it{f' ({said[:300]})' if said else ''}"
            now = self._clock.now()
            _, change = went(tx, campaign, found[0], T.FAILED, now, actor=actor, reason="settled", detail=detail)
            return campaign, [change]

        return self._do(work, actor)

    def sign_off(self, id: str, *, actor: str) -> Campaign:
        """Put your name under its report; its hash is journaled. Nothing of it changes any more.

        Raises NotFound, Conflict while it goes on.
        """
        told = self.report(id)
        if told.campaign.signed is not None or not told.campaign.over:
            state = "signed off already" if told.campaign.signed else told.campaign.state
            raise Conflict(f"{id} is {state}; a campaign that is over is signed off, once")
        if under_way := sum(one.state in (T.UPDATING, T.ROLLING_BACK) for one in told.targets):
            raise Conflict(f"{under_way} machines of {id} are under way; wait for them")
        digest = digest_of(told)

        def work(tx: Connection) -> tuple[Campaign, Sequence[Change]]:
            campaign, now = find(tx, id), self._clock.now()
            if campaign != told.campaign:
                raise Conflict(f"{id} has changed meanwhile; look at its report again")
            after = replace(campaign, signed=Signed(actor=actor, time=now, sha256=digest))
            rewrite(tx, after)
            change = change_of(after, now, actor, "campaign.signed_off")
            return after, [msgspec.structs.replace(change, body={**change.body, "sha256": digest})]

        return self._do(work, actor)

    def wait(self, id: str, states: Collection[str] = OVER, *, timeout_s: float) -> Campaign:
        """The campaign once it is in one of these states, or as it is after so many seconds. Raises NotFound."""
        self.engine.wait(lambda: self.get(id).state in states, timeout_s)
        return self.get(id)

    # inside

    def _do(self, work: Callable[[Connection], tuple[Campaign, Sequence[Change]]], actor: str) -> Campaign:
        done: list[Campaign] = []

        def transaction(tx: Connection) -> Sequence[Change]:
            done.clear()
            campaign, changes = work(tx)
            done.append(campaign)
            return changes

        self._run(transaction, actor=actor)
        self.engine.touch(done[0].id)
        return done[0]

    def _given(self, campaign: Campaign, version: str) -> dict[str, str | int]:
        """What a command may be given: {version}, {part}, {url}, {sha256}, {size}, {signature}."""
        declared = self.aim.book.get(campaign.part).version(version)
        given: dict[str, str | int] = {"part": campaign.part, "version": version, "url": "", "sha256": ""}
        given |= {"signature": "", "size": ""}
        if declared is not None and declared.artifact:
            file = self.aim.artifacts.get(declared.artifact)
            given |= {"sha256": file.sha256, "size": file.size, "signature": file.signature}
            given["url"] = f"{self.address}/api/v1/software/files/{file.sha256}"
        if declared is not None and declared.url:
            given["url"] = declared.url
        return given


def draft_of(campaign: Campaign) -> Draft:
    """What was asked for."""
    return Draft(
        part=campaign.part,
        version=campaign.version,
        title=campaign.title,
        selection=campaign.selection,
        groups=tuple(
            GroupSpec(name=one.name, share=one.share, success=one.success, errors=one.errors) for one in campaign.groups
        ),
        approval=bool(campaign.approval),
        start=campaign.start,
        at_once=campaign.at_once,
        deadline_s=campaign.deadline_s,
        settle_s=campaign.settle_s,
    )

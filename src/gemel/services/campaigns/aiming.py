"""Which machines a campaign means, and what would happen to each: looked at on the twins, nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256

import msgspec

from gemel.commands import Commander
from gemel.configuration import (
    Configuration,
    FleetPage,
    Machine,
    Module,
    Objection,
    Software,
    SoftwareBook,
    SoftwareJudge,
    SoftwareVersion,
    SoftwareWay,
)
from gemel.errors import GemelError, InvalidInput, NotFound
from gemel.services.campaigns.artifacts import Artifacts
from gemel.services.campaigns.campaign import Campaign, Draft, Group, GroupSpec, Selection, Target, Threshold
from gemel.services.campaigns.hazards import Hazards, concerns

__all__ = ["Aim", "Candidate", "Chances", "Verdict", "hash_of", "shared_out", "unsafe"]

_MOST_GROUPS = 50


class Chances(StrEnum):
    """What would become of a machine."""

    ELIGIBLE = "eligible"
    IN_SYNC = "in_sync"
    """It reports the version already."""
    BLOCKED = "blocked"
    """A rule keeps the version out of this machine."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One machine as it would fare."""

    machine: str
    serial: str
    item: str
    twin: str
    slot: str
    installed: str
    """Empty: never reported."""
    chances: Chances
    group: str = ""
    objections: tuple[Objection, ...] = ()
    waits: tuple[str, ...] = ()
    """Rules for orders that do not hold now: it would wait for them."""
    unsafe: tuple[str, ...] = ()
    """What is amiss in other slots of the machine that matter for safety: told, and holds nothing back."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A place for the software, in a machine that was asked for."""

    machine: Machine
    module: Module
    way: SoftwareWay


class Aim:
    """Judges targets; writes nothing."""

    def __init__(
        self, book: SoftwareBook, artifacts: Artifacts, commander: Commander, configuration: Configuration
    ) -> None:
        self.book, self.artifacts, self.commander = book, artifacts, commander
        self._configuration = configuration

    def check(self, draft: Draft) -> tuple[Software, SoftwareVersion]:
        """What is to be installed. Raises NotFound, InvalidInput for what could never be carried out."""
        software = self.book.get(draft.part)
        version = software.version(draft.version)
        if version is None:
            known = ", ".join(software.order[-10:]) or "none"
            raise NotFound(f"{draft.part} has no version {draft.version!r:.60}; declared are {known}")
        if version.withdrawn:
            raise InvalidInput(f"{draft.part} {draft.version} was withdrawn: {version.withdrawn}")
        if why := self.artifacts.objection(software, version):
            raise InvalidInput(why)
        if not 0 < len(draft.groups) <= _MOST_GROUPS:
            raise InvalidInput(f"a campaign has 1 to {_MOST_GROUPS} groups, not {len(draft.groups)}")
        for i, group in enumerate(draft.groups, 1):
            Threshold.parse(group.success, f"the success of group {i}")
            Threshold.parse(group.errors, f"the errors of group {i}")
            if group.share:
                Threshold.parse(group.share, f"the share of group {i}")
        names = [name for name, _ in shared_out(draft.groups, 0)]
        if len(set(names)) < len(names):
            raise InvalidInput(f"two groups have one name: {', '.join(names):.200}")
        if draft.groups[-1].share:
            raise InvalidInput("the last group takes all that are left; leave its share empty")
        for number, what, most in (
            (draft.at_once, "at_once", 10_000),
            (draft.deadline_s, "deadline_s", 30 * 86_400),
            (draft.settle_s + 1, "settle_s", draft.deadline_s),
        ):
            if not 1 <= number <= most:
                raise InvalidInput(f"{what} is out of bounds: {number:g} is not between 1 and {most:g}")
        return software, version

    def candidates(
        self, part: str, selection: Selection, now: int, may: Callable[[str], bool] | None = None
    ) -> list[Candidate]:
        """Every place that is asked for, in the order of machines; `may`: only twins for which it is true.

        Raises NotFound, InvalidInput.
        """
        software, judge = self.book.get(part), self.book.judge()
        wanted, asked = set(selection.twins), self._asked(selection, now)
        twins = [twin for twin in self.book.twins(part) if may is None or may(twin)]
        found: list[Candidate] = []
        for twin, machine in self.book.machines(twins).items():
            if wanted and not {twin, machine.twin, machine.item} & wanted:
                continue
            if asked is not None and machine.item not in asked:
                continue
            for module in machine.modules:
                way = self.book.way(twin, part, module.slot) if module.twin == twin else None
                if way is None or (selection.versions and not software.holds(selection.versions, module.version)):
                    continue
                if not judge.within(machine, module, selection.effectivity, now):
                    continue
                if not all(judge.has(machine, need, module.path) for need in selection.machines):
                    continue
                found.append(Candidate(machine=machine, module=module, way=way))
        return sorted(found, key=lambda one: (one.machine.item, one.module.path))

    def _asked(self, selection: Selection, now: int) -> set[str] | None:
        """The machines that answer its question to the fleet; None: it asks none."""
        if not selection.having:
            return None
        found, page = set[str](), FleetPage()
        while True:
            told = self._configuration.fleet(*selection.having, at=now, page=page).machines
            found |= {one.root for one in told}
            if len(told) < page.limit:
                return found
            page = FleetPage(after=told[-1].root, limit=page.limit)

    def way(self, campaign: Campaign, target: Target) -> SoftwareWay | None:
        """How a target takes the software, and tells it; None: not any more."""
        return self.book.way(target.twin, campaign.part, target.slot)

    def objections(self, candidate: Candidate, version: str, judge: SoftwareJudge) -> list[Objection]:
        """Why this version may not be sent to this place now; empty: it may."""
        found = judge.objections(candidate.machine, candidate.module, version)
        software = self.book.get(candidate.module.part)
        declared = software.version(version)
        if not candidate.way.command:
            found.append(Objection(rule="by-hand", text=f"{candidate.way.type} takes no {software.part} by a command"))
        if declared is not None and (why := self.artifacts.objection(software, declared)):
            found.append(Objection(rule="file", text=why))
        return found

    def hazards(self) -> Hazards:
        """Of machines as they are now."""
        return Hazards(self._configuration)

    def waits(self, candidate: Candidate) -> tuple[str, ...]:
        """Rules for orders that do not hold now."""
        try:
            standing = self.commander.standing(candidate.module.twin)
        except GemelError as error:
            return (error.detail,)
        command = candidate.way.command
        return tuple(
            one.detail or one.rule
            for one in standing
            if not one.holds and one.rule not in ("control", "pace") and (not one.of or command in one.of)
        )

    def verdicts(
        self, draft: Draft, now: int, may: Callable[[str], bool] | None = None
    ) -> list[tuple[Candidate, Verdict]]:
        """How each machine would fare, with the group that it would be in. Raises NotFound, InvalidInput."""
        self.check(draft)
        judge, hazards, told = self.book.judge(), self.hazards(), list[tuple[Candidate, Verdict]]()
        for one in self.candidates(draft.part, draft.selection, now, may):
            objections = (*self.objections(one, draft.version, judge), *unsafe(one, hazards))
            chances = Chances.BLOCKED if objections else Chances.ELIGIBLE
            if one.module.version == draft.version:
                chances, objections = Chances.IN_SYNC, ()
            verdict = Verdict(
                machine=one.machine.item,
                serial=one.machine.serial,
                item=one.module.item,
                twin=one.module.twin,
                slot=one.module.slot,
                installed=one.module.version,
                chances=chances,
                objections=objections,
                waits=self.waits(one) if chances is Chances.ELIGIBLE else (),
                unsafe=tuple(f.text for f in hazards.of(one.machine) if not concerns(f, one.module)),
            )
            told.append((one, verdict))
        groups = shared_out(draft.groups, sum(one.chances is Chances.ELIGIBLE for _, one in told))
        names = iter([name for name, size in groups for _ in range(size)])
        return [
            (one, msgspec.structs.replace(v, group=next(names)) if v.chances is Chances.ELIGIBLE else v)
            for one, v in told
        ]

    def freeze(self, draft: Draft, now: int, may: Callable[[str], bool] | None) -> tuple[list[Group], list[Target]]:
        """The groups that have targets, and the targets. Raises NotFound, InvalidInput (there is nobody)."""
        told = self.verdicts(draft, now, may)
        sizes = shared_out(draft.groups, sum(one.chances is Chances.ELIGIBLE for _, one in told))
        groups = [
            Group(name=name, success=spec.success, errors=spec.errors, share=spec.share)
            for spec, (name, size) in zip(draft.groups, sizes, strict=True)
            if size
        ]
        place = {group.name: i for i, group in enumerate(groups)}
        found = [
            Target(
                ordinal=0,
                group=place.get(verdict.group, len(groups) - 1),
                machine=verdict.machine,
                item=verdict.item,
                twin=verdict.twin,
                slot=verdict.slot,
                before=verdict.installed,
                hash=hash_of(candidate.machine),
                reason=verdict.objections[0].rule if verdict.objections else "",
                detail="; ".join(one.text for one in verdict.objections)[:1000],
            )
            for candidate, verdict in told
            if verdict.chances is not Chances.IN_SYNC
        ]
        if not groups:
            raise InvalidInput(
                f"no machine could get {draft.part} {draft.version} now: {len(told)} fit the selection, "
                f"{len(found)} of them are blocked by a rule; look at the preview"
            )
        return groups, found


def unsafe(candidate: Candidate, hazards: Hazards) -> list[Objection]:
    """What keeps any version out of this place now, because it would not be safe."""
    found = hazards.of(candidate.machine)
    return [Objection(rule="unsafe", text=one.text) for one in found if concerns(one, candidate.module)]


def shared_out(groups: Sequence[GroupSpec], many: int) -> list[tuple[str, int]]:
    """Names and sizes of the groups of so many machines; the last takes what is left."""
    told, left = [], many
    for i, spec in enumerate(groups):
        name = spec.name or f"group {i + 1}"
        if not spec.share:
            size = left
        else:
            share = Threshold.parse(spec.share, "a share")
            size = min(left, -(-share.number * many // 100) if share.percent else share.number)
        left -= size
        told.append((name, size))
    return told


def hash_of(machine: Machine) -> str:
    """Of all that is in a machine but its software: which item, of which revision, in which slot."""
    told = [(list(piece.path), piece.item, piece.part, piece.revision) for piece in machine.pieces]
    return sha256(msgspec.json.encode(sorted(told))).hexdigest()


def inputs_of(way: SoftwareWay, given: Mapping[str, str | int]) -> dict[str, str | int]:
    """What the command is given; what is not known is left out."""
    told: dict[str, str | int] = {}
    for name, template in (way.inputs or {"version": "{version}"}).items():
        key = template[1:-1]
        if template[:1] + template[-1:] == "{}" and key in given:
            value: str | int = given[key]
        else:
            value = template
            for known, one in given.items():
                value = value.replace(f"{{{known}}}", str(one))
        if value != "":
            told[name] = value
    return told

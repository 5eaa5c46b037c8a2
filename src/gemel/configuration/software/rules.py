"""Judging software: what a machine runs against what it has to run, and whether another version may go into it.

Pure: of a machine as it was looked at, and of software as it is declared. What is not known never counts as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ordering import applies
from gemel.configuration.parts.values import Effectivity
from gemel.configuration.software.values import Need, Software, SoftwareRequirement, SoftwareVersion
from gemel.configuration.software.versions import Range, Scheme
from gemel.configuration.values import SoftwareState

__all__ = ["End", "Machine", "Module", "Objection", "Piece", "SoftwareJudge", "SoftwareStanding"]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """An item in a machine."""

    path: tuple[str, ...]
    item: str
    part: str
    revision: str


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """Software in a slot of an item of a machine, as that item reported it."""

    path: tuple[str, ...]
    """Slots from the machine down to the item; the last one is the software's own."""
    item: str
    twin: str
    """The item's; it tells the version, and takes another one."""
    slot: str
    part: str
    version: str
    """Empty: never reported."""
    since: int | None = None
    """Since when it has run this version."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """An end item in a machine: the one whose serial number counts for the software in it."""

    path: tuple[str, ...]
    serial: str | None
    """None: which it is, is not known."""
    lot: str
    named: bool
    """The parts book calls it one: what software in it needs is looked for in it, else in the whole machine."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a machine at a moment: hardware and software."""

    item: str
    part: str
    serial: str
    lot: str
    twin: str
    pieces: tuple[Piece, ...]
    """Itself among them, with an empty path."""
    modules: tuple[Module, ...]
    ends: tuple[End, ...]
    """The end items that the modules are in."""

    def end(self, path: Sequence[str]) -> End:
        """The end item that something in it is in: the innermost of these around it."""
        around = [one for one in self.ends if one.path == tuple(path[: len(one.path)])]
        return max(around, key=lambda one: len(one.path), default=_UNKNOWN)

    def with_version(self, path: Sequence[str], version: str) -> Machine:
        """The same with another version in one place."""
        modules = tuple(replace(one, version=version) if one.path == tuple(path) else one for one in self.modules)
        return replace(self, modules=modules)


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """Why a version may not be in a machine, or is not known to be allowed there."""

    rule: str
    """undeclared, withdrawn, requires, excludes, required-by, excluded-by."""
    text: str


class SoftwareStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One module of a machine against what is required of it."""

    module: Module
    state: SoftwareState
    required: tuple[str, ...] = ()
    """Ranges of versions; all of them hold."""
    reasons: tuple[str, ...] = ()
    told: int | None = None
    """When the machine last told its version; None: never, or it was asked of the past."""
    fresh: bool | None = None
    """Whether that still counts."""
    works: bool | None = None
    """What its function check says; None: there is none, or what it reads is not known."""


_UNKNOWN = End(path=(), serial=None, lot="", named=False)


class SoftwareJudge:
    """Holds what is declared: software by part number, and the order of the revisions of hardware."""

    def __init__(self, software: Mapping[str, Software], parts: Book) -> None:
        self._software, self._parts = software, parts

    def required(self, machine: Machine, module: Module, at: int) -> list[SoftwareRequirement]:
        """What is required of a module at a moment, by the serial number of the end item that it is in. What
        depends on something unknown counts as required."""
        software = self._software.get(module.part)
        if software is None:
            return []
        return [
            one
            for one in software.required
            if self._applies(machine, module, one.effectivity, at) is not False
            and all(self.has(machine, need, module.path) is not False for need in one.machines)
        ]

    def within(self, machine: Machine, module: Module, effectivity: Effectivity, at: int) -> bool:
        """Whether something is known to be for the end item that a module is in, at a moment."""
        return self._applies(machine, module, effectivity, at) is True

    @staticmethod
    def _applies(machine: Machine, module: Module, effectivity: Effectivity, at: int) -> bool | None:
        end = machine.end(module.path)
        return applies(effectivity, serial=end.serial, lot=end.lot, at=at)

    def standing(self, machine: Machine, at: int) -> list[SoftwareStanding]:
        """Every module of a machine, the outermost first."""
        return [self._standing(machine, module, at) for module in machine.modules]

    def _standing(self, machine: Machine, module: Module, at: int) -> SoftwareStanding:
        software = self._software.get(module.part)
        wanted = self.required(machine, module, at)
        ranges = tuple(dict.fromkeys(one.versions for one in wanted))
        if software is None or not module.version:
            what = f"{module.part or 'this software'} is not declared" if module.version else "it never told a version"
            state = SoftwareState.UNKNOWN if wanted or not module.version else SoftwareState.FREE
            return SoftwareStanding(module=module, state=state, required=ranges, reasons=(what,))
        objections = self.objections(machine, module, module.version)
        serious = [one.text for one in objections if one.rule != "undeclared"]
        behind, unknown = list[str](), list[str]()
        for one in wanted:
            fits = software.holds(one.versions, module.version)
            why = f" ({one.why})" if one.why else ""
            if fits is False:
                behind.append(f"{module.version} is not {one.versions}, which is required{why}")
            elif fits is None:
                unknown.append(f"whether {module.version} is {one.versions} cannot be told: it is not declared{why}")
        if serious:
            state = SoftwareState.FORBIDDEN
        elif behind:
            state = SoftwareState.BEHIND
        elif unknown:
            state = SoftwareState.UNKNOWN
        else:
            state = SoftwareState.OK if wanted else SoftwareState.FREE
        return SoftwareStanding(module=module, state=state, required=ranges, reasons=(*serious, *behind, *unknown))

    def objections(self, machine: Machine, module: Module, version: str) -> list[Objection]:
        """Why a version may not run in a module's place in this machine; empty: it may.

        The whole machine (of each software, as in `has`) is looked at as it would be then: what the version needs and
        excludes, and what all other software there needs and excludes. Other software's objections that are there
        already are not told again.
        """
        software = self._software.get(module.part)
        declared = None if software is None else software.version(version)
        if declared is None:
            return [Objection(rule="undeclared", text=f"{module.part} {version} is not declared")]
        found = []
        if declared.withdrawn:
            found.append(Objection(rule="withdrawn", text=f"{version} was withdrawn: {declared.withdrawn}"))
        after = machine.with_version(module.path, version)
        found += self._broken(after, declared, f"{module.part} {version}", ("requires", "excludes"), module)
        for other in machine.modules:
            theirs = self._software.get(other.part)
            runs = None if theirs is None or other.path == module.path else theirs.version(other.version)
            if runs is None:
                continue
            told = f"{other.part} {other.version}"
            rules = ("required-by", "excluded-by")
            before = self._broken(machine, runs, told, rules, other)
            found += [one for one in self._broken(after, runs, told, rules, other) if one not in before]
        return found

    def _broken(
        self, machine: Machine, version: SoftwareVersion, told: str, rules: tuple[str, str], itself: Module
    ) -> list[Objection]:
        found = []
        for need in version.requires:
            has = self.has(machine, need, itself.path, besides=itself)
            if has is not True:
                known = self._known(machine, need, itself)
                text = f"{told} needs {need.told()}; {known if has is False else f'not known to fit: {known}'}"
                found.append(Objection(rule=rules[0], text=text))
        for need in version.excludes:
            has = self.has(machine, need, itself.path, besides=itself)
            if has is not False:
                known = self._known(machine, need, itself)
                text = f"{told} excludes {need.told()}; {known if has else f'not known to differ: {known}'}"
                found.append(Objection(rule=rules[1], text=text))
        return found

    def has(self, machine: Machine, need: Need, path: Sequence[str], *, besides: Module | None = None) -> bool | None:
        """Whether something of this part, in these versions, is in the machine, or in the end item around a place in it
        (`End.named`); None: it is not known."""
        found = [self._holds(need, version) for version in _versions(machine, need, path, besides)]
        return True if True in found else None if None in found else False

    def _holds(self, need: Need, version: str) -> bool | None:
        software, part = self._software.get(need.part), self._parts.of(need.part)
        wanted = Range.parse(need.versions)
        if software is not None:
            return wanted.holds(version, software.scheme, software.order)
        revisions = tuple(one.revision for one in part.revisions) if part is not None else ()
        return wanted.holds(version, Scheme.DECLARED, revisions)

    def _known(self, machine: Machine, need: Need, module: Module) -> str:
        there = sorted({version or "an unknown version" for version in _versions(machine, need, module.path, None)})
        return f"there is {', '.join(there)}" if there else f"there is no {need.part}"


def _versions(machine: Machine, need: Need, path: Sequence[str], besides: Module | None) -> Iterable[str]:
    """Versions and revisions of what is of this part around a place."""
    end = machine.end(path)
    within = end.path if end.named else ()
    for piece in machine.pieces:
        there = piece.part == need.part and piece.path[: len(within)] == within
        if there and (not need.slot or piece.path[-1:] == (need.slot,)):
            yield piece.revision
    for module in machine.modules:
        there = module.part == need.part and module.path[: len(within)] == within
        mine = besides is not None and module.path == besides.path
        if there and not mine and (not need.slot or module.slot == need.slot):
            yield module.version

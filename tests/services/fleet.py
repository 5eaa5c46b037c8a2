"""A fleet of drives around campaigns, without a history: real database, journal, registry, intake, state, orders and
configuration; each drive is a carrier whose every answer and report the test gives. Nothing runs by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemel.commands import Errand, Outcome, Result, Tell
from gemel.configuration import Basis, Configuration, ItemSpec, Live, SoftwareBook
from gemel.configuration.operations import Report
from gemel.errors import GemelError
from gemel.intake import Message, Reported
from gemel.services.campaigns import Aim, Artifacts, Campaign, Campaigns, Draft, GroupSpec, Target
from gemel.twin import Block
from tests.commands.world import World

__all__ = ["SOFTWARE", "Fleet", "draft"]

DRIVES = """
gemel: 1
types:
  - id: drive
    properties:
      - {name: firmware, kind: text, freshness: {mode: samples, within_s: 100000}}
      - {name: self_test, kind: enumeration, values: [passed, failed], freshness: {mode: samples, within_s: 100000}}
      - {name: moving, kind: boolean, freshness: {mode: samples, within_s: 100000}}
    commands: [{name: update, input: [{name: version, kind: text}]}]
    control:
      interlocks: [{name: standing, of: [update], require: not moving, message: stop it first}]
twins: [%s]
connectors:
  - id: wire
    kind: http
    bindings: [%s]
"""
SOFTWARE = """
software:
  - part: DRV-FW
    scheme: semver
    versions:
      - {version: 1.0.0}
      - {version: 1.1.0, requires: [{part: DRIVE, versions: "B | C"}]}
      - {version: 1.2.0, excludes: [{part: BRAKE}], withdrawn: it burns}
    ways: [{type: drive, slot: firmware, reports: firmware, command: update%s}]
"""


class Fleet(World):
    """`count` drives, drive-0 …, each the item D-0 … with firmware 1.0.0."""

    def __init__(self, folder: Path, count: int = 4, *, check: str = "", **how: Any) -> None:
        self.count = count
        self.revoked = set[str]()
        """Twins that nobody may command any more, and people who may command nothing any more."""
        super().__init__(folder, **how)
        if self.software.all():
            return  # an earlier run made them
        self.software.apply(SOFTWARE % (f", check: {check}" if check else ""))
        now = self.clock.now()
        for number in range(count):
            spec = ItemSpec(id=f"D-{number}", part="DRIVE", revision="B", serial=f"S{number}", twin=f"drive-{number}")
            self.configuration.create(spec, now)
            self.tells(number, "1.0.0")
            self.says(number, moving=False, self_test="passed")

    def _open(self) -> None:
        super()._open()
        run, directory = self.change, self.registry.directory
        self.configuration = Configuration(self.database, self.clock, run)
        live = Live(directory, self.state, self.clock)
        self.software = SoftwareBook(
            self.database, self.clock, run, directory=directory, live=live, parts=self.configuration.parts
        )
        self.artifacts = Artifacts(self.folder / "documents", self.database, self.clock, run)
        self.campaigns = Campaigns(
            self.database,
            run,
            self.clock,
            aim=Aim(self.software, self.artifacts, self.commander, self.configuration),
            objects=lambda actor, twin: f"{actor} may not command {twin}" if {actor, twin} & self.revoked else "",
        )

    def change(self, work: Any, *, actor: str = "") -> object:
        return self.intake.transact(lambda tx: (None, work(tx)), actor=actor).result()

    def _follow(self, block: Block) -> None:
        super()._follow(block)
        if hasattr(self, "campaigns"):
            self.campaigns.follow(block)

    def begin(self) -> None:
        super().begin()
        self.campaigns.engine.begin()

    def apply(self, document: str) -> None:
        twins = ", ".join(f"{{id: drive-{n}, types: [drive]}}" for n in range(self.count))
        deduplicates = "deduplicates: true" in document
        bindings = ", ".join(
            f'{{address: "http://d/{n}", twin: drive-{n}, property: update, direction: out, '
            f"deduplicates: {str(deduplicates).lower()}}}"
            for n in range(self.count)
        )
        super().apply(DRIVES % (twins, bindings))

    def turn(self, times: int = 2) -> None:
        """Orders and campaigns, one after the other."""
        for _ in range(times):
            self.campaigns.engine.turn()
            self.commander.dispatcher.turn()
        self.campaigns.engine.turn()

    # what drives do

    def tells(self, number: int, version: str) -> None:
        """A drive reports its version, and the configuration takes it in, as the platform's follower does."""
        reading = Reported(twin=f"drive-{number}", property="firmware", value=version)
        self.intake.submit("wire", [Message(readings=[reading])]).result()
        if self.software.look(f"drive-{number}").machine.modules[0].version == version:
            return
        if hasattr(self.clock, "step"):
            self.step(0.001)
        said = Report(item=f"D-{number}", slot="firmware", version=version, at=self.clock.now(), part="DRV-FW")
        self.configuration.do(said, basis=Basis(source="device"))

    def says(self, number: int, **values: Any) -> None:
        readings = [Reported(twin=f"drive-{number}", property=name, value=value) for name, value in values.items()]
        self.intake.submit("wire", [Message(readings=readings)]).result()

    def errand_of(self, number: int) -> tuple[Errand, Tell] | None:
        """What a drive was told and has not answered."""
        return next((one for one in self.device.errands if one[0].twin == f"drive-{number}"), None)

    def answers(self, number: int, result: str, detail: str = "") -> str:
        """A drive answers what it was told last; returns the version that it was told to run."""
        found = self.errand_of(number)
        assert found is not None, f"drive-{number} was told nothing"
        self.device.errands.remove(found)
        errand, tell = found
        tell(errand.order, Outcome(result=Result(result), detail=detail))
        return str((errand.input or {})["version"])

    def updates(self, number: int) -> None:
        """A drive does as it was told: it runs the version, reports it, and says so."""
        self.tells(number, self.answers(number, "done"))

    def told(self) -> set[int]:
        """The drives that were told something, and have not answered."""
        return {int(errand.twin.removeprefix("drive-")) for errand, _ in self.device.errands}

    # looking

    def begun(self, one: Draft) -> Campaign:
        return self.campaigns.begin(self.campaigns.create(one, actor="user-a").id, actor="user-a")

    def targets(self, id: str) -> dict[int, Target]:
        """By the number of the drive."""
        return {int(one.twin.removeprefix("drive-")): one for one in self.campaigns.report(id).targets}

    def states(self, id: str) -> dict[int, str]:
        return {number: str(one.state) for number, one in sorted(self.targets(id).items())}

    def journaled(self, kind: str) -> list[str]:
        """Subjects of what was journaled of a kind, in order."""
        return [c.subject for block in self.journal.blocks() for c in block.changes if c.kind == kind]


def draft(version: str = "1.1.0", groups: tuple[GroupSpec, ...] = (GroupSpec(name="all"),), **more: Any) -> Draft:
    return Draft(part="DRV-FW", version=version, groups=groups, **{"deadline_s": 100.0, **more})


def refused(work: Any) -> str:
    """The code of the error that it raises."""
    try:
        work()
    except GemelError as error:
        return error.code
    return ""

"""The conveyor drives as items with boards, what software they have to run, and a campaign that a visitor can begin."""

from __future__ import annotations

from pathlib import Path

from gemel.configuration import Basis, ItemSpec, Material, PartsDocument, PartType, Revision, SlotSpec
from gemel.configuration.operations import Create, Install
from gemel.demo.trial.drives import DRIVES
from gemel.platform import Platform
from gemel.services.campaigns import Draft, GroupSpec

__all__ = ["SOFTWARE", "declare_software"]

SOFTWARE = Path(__file__).with_name("software.yaml")
OLD_BOARD = "drive-4"
DRIVE, BOARD = "CD-100", "CD-BOARD"


def declare_software(platform: Platform) -> None:
    """Parts, items and software of the drives, and a draft; again has no further effect."""
    parts = platform.configuration.parts
    boards = PartType(
        part=BOARD,
        name="Board of the drive",
        revisions=tuple(Revision(revision=one) for one in ("A", "B", "C")),
        materials=(
            Material(material="FR-4 with components", mass=0.18, recovery="board recycling"),
            Material(material="lead in solder", mass=0.004, hazard="lead, CAS 7439-92-1", recovery="board recycling"),
        ),
    )
    drives = PartType(
        part=DRIVE,
        name="Conveyor drive",
        slots=(SlotSpec(slot="board", mandatory=True),),
        materials=(
            Material(material="aluminium EN AC-46000", mass=3.2, recycled=0.7, recovery="aluminium scrap"),
            Material(material="copper", mass=0.9, recycled=0.35, recovery="copper scrap"),
            Material(material="NdFeB magnets", mass=0.21, hazard="strongly magnetic", recovery="magnet recycling"),
        ),
    )
    plan = parts.plan(PartsDocument(parts=(drives, boards)))
    if plan:
        parts.apply(plan)
    now = platform.clock.now()
    for name in DRIVES:
        serial = f"CD-240{name[-1]}"
        revision = "A" if name == OLD_BOARD else "B"
        drive = ItemSpec(id=serial, part=DRIVE, maker="Trial Drives", serial=serial, twin=name)
        board = ItemSpec(id=f"{serial}-board", part=BOARD, revision=revision, maker="Trial Drives", serial=f"B{serial}")
        steps = (
            Create(spec=drive, at=now),
            Create(spec=board, at=now),
            Install(child=board.id, parent=drive.id, slot="board", at=now),
        )
        if platform.software.item(name):
            continue
        for operation in steps:
            platform.configuration.do(operation, basis=Basis(source="demo"))
    platform.software.apply(SOFTWARE.read_text())
    draft = Draft(
        part="CD-FW",
        version="2.1.0",
        title="Softer ramps for all conveyor drives",
        groups=(
            GroupSpec(name="trial", share="1"),
            GroupSpec(name="few", share="2"),
            GroupSpec(name="rest", success="50%", errors="2"),
        ),
        deadline_s=45.0,
        settle_s=2.0,
        key="demo",
    )
    platform.campaigns.create(draft, actor="demo")

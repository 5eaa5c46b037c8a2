"""What is amiss in the safety slots of machines that are to be updated."""

from __future__ import annotations

from functools import cached_property

from gemel.configuration import Configuration, Finding, Machine, Module

__all__ = ["Hazards", "concerns"]


class Hazards:
    """Made for one look at some machines."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._known: dict[str, list[Finding]] = {}

    @cached_property
    def _parts(self) -> frozenset[str]:
        """Parts with slots that matter for safety: only machines that have them are asked."""
        listed = self._configuration.parts.all()
        return frozenset(part.part for part in listed if any(slot.safety for slot in part.slots))

    def of(self, machine: Machine) -> list[Finding]:
        """What is missing, unknown, worn out or not as it should be in them, without what was conceded."""
        if machine.item not in self._known:
            asked = any(piece.part in self._parts for piece in machine.pieces)
            self._known[machine.item] = self._configuration.unsafe(machine.item) if asked else []
        return self._known[machine.item]


def concerns(finding: Finding, module: Module) -> bool:
    """Whether a version must not be sent to a module because of it: the item that would take it is not as it should
    be, or something in that item; but for the slot of the software itself, which the update may mend."""
    return finding.item == module.item or (finding.parent == module.item and finding.slot != module.slot)

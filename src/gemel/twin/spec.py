"""What a person declares: twins, their links, the site, and the plant document that holds them all."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.twin.binding import ConnectorSpec
from gemel.twin.types import LifeStage, TwinType

__all__ = ["PartOf", "Plant", "Site", "TwinSpec"]


class PartOf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The twin that another is part of, and the slot that it fills there."""

    twin: str
    slot: str = ""


class TwinSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A twin as declared. What it leaves out of `stage` and `links` stays as it is."""

    id: str
    types: tuple[str, ...]
    name: str = ""
    description: str = ""
    serial: str = ""
    stage: LifeStage | None = None
    """None: planned for a new twin, unchanged for an existing one."""
    aliases: tuple[str, ...] = ()
    attributes: dict[str, Any] = {}
    part_of: str | PartOf | tuple[str | PartOf, ...] = ()
    links: dict[str, str | tuple[str, ...]] = {}
    """Kind → target or targets: {located_in: hall-2, feeds: [press-8]}."""

    def declared_links(self) -> list[tuple[str, str, str]]:
        """(kind, target, slot) of every link that is declared, `part_of` first, without repeats."""
        wholes = self.part_of if isinstance(self.part_of, tuple) else (self.part_of,)
        found = [("part_of", w, "") if isinstance(w, str) else ("part_of", w.twin, w.slot) for w in wholes]
        for kind, targets in self.links.items():
            found += [(kind, target, "") for target in ((targets,) if isinstance(targets, str) else targets)]
        return list(dict.fromkeys(found))


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The place that this platform runs for."""

    name: str = ""
    time_zone: str = "UTC"
    """IANA name; people see times in it."""


class Plant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A plant document: everything that is declared at once."""

    gemel: int = 1
    """Version of the document's form."""
    site: Site | None = None
    types: tuple[TwinType, ...] = ()
    twins: tuple[TwinSpec, ...] = ()
    connectors: tuple[ConnectorSpec, ...] = ()

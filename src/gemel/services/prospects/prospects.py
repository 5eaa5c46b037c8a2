"""Prospects of a platform: profiles of services, and what of the installed base fits them. Any thread.

It reads everything of the plant: it is for the operating organisation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gemel.clock import Clock
from gemel.database import Database
from gemel.errors import GemelError
from gemel.registry import Registry
from gemel.services.base import Run
from gemel.services.campaigns import Campaigns
from gemel.services.declared import Declarations, refuse_long
from gemel.services.prospects.measuring import Base, Installed, Measuring
from gemel.services.prospects.scoring import bounds, by_party, ranked
from gemel.services.prospects.upgrading import Upgrading
from gemel.services.prospects.values import (
    NUMBERS,
    Candidates,
    Criterion,
    Measure,
    Profile,
    Ranked,
    Ranking,
    Upgrade,
)
from gemel.twin import LifeStage

__all__ = ["OWNER", "Prospects"]

OWNER = "owner"
"""The attribute of a twin that names the organisation (party) that owns its machine."""
MOST_MACHINES = 2000
_INSTALLED = (LifeStage.BUILT, LifeStage.COMMISSIONED, LifeStage.IN_SERVICE, LifeStage.DOWN)


class Prospects:
    """`platform.prospects`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        run: Run,
        *,
        rooms: Base,
        registry: Registry,
        campaigns: Campaigns,
        parties: Callable[[], Mapping[str, str]],
    ) -> None:
        """`parties`: id → name of every organisation."""
        self._clock, self._rooms, self._registry, self._parties = clock, rooms, registry, parties
        self.profiles: Declarations[Profile] = Declarations(
            (database, clock, run), "profile", Profile, problems=_problems
        )
        self._upgrading = Upgrading(rooms.configuration, rooms.book, campaigns, clock, owner=self._owner)

    def rank(self, profile: str | Profile) -> Ranking:
        """Machines of the installed base and their owners, by how they fit. Raises NotFound."""
        wanted = self.profiles.get(profile) if isinstance(profile, str) else profile
        measuring = Measuring(self._rooms, self._clock)
        bases, left_out = self._bases(wanted)
        told = [self._ranked(measuring, base, wanted.criteria) for base in bases]
        machines, unsure = ranked(told, wanted.least_known)
        names = self._parties()
        return Ranking(
            profile=wanted,
            at=measuring.now,
            machines=machines,
            unsure=unsure,
            parties=by_party(machines, unsure, names),
            left_out=left_out,
        )

    def upgrades(self, upgrade: Upgrade, *, actor: str = "library") -> Candidates:
        """Where an upgrade is worth while, each tried as the machine is now; nothing of it stays.

        Raises InvalidInput, NotFound.
        """
        return self._upgrading.of(upgrade, actor=actor)

    def _ranked(self, measuring: Measuring, base: Installed, criteria: tuple[Criterion, ...]) -> Ranked:
        told = tuple(measuring.scores(base, criteria))
        score, low, high, known = bounds(told)
        twin = self._registry.twin(base.entry.id)
        return Ranked(
            machine=base.item,
            twin=twin.id,
            name=twin.name or twin.id,
            serial=base.tree.item.serial or twin.serial,
            part=base.tree.item.part,
            party=str(twin.attributes.get(OWNER, "")),
            score=score,
            low=low,
            high=high,
            known=known,
            criteria=told,
        )

    def _bases(self, profile: Profile) -> tuple[list[Installed], int]:
        """Machines with a twin, in nothing but places, that are built and not retired."""
        configuration, directory = self._rooms.configuration, self._rooms.directory
        found: dict[str, Installed] = {}
        left_out = 0
        twins = sorted({id for type in profile.types for id in directory.ids(directory.numbers(type).tolist())})
        for i, twin in enumerate(twins):
            if len(found) == MOST_MACHINES:
                left_out = len(twins) - i
                break
            entry = directory.twin(twin)
            item = configuration.item_of(twin) if entry is not None else ""
            if entry is None or not item or self._registry.twin(twin).stage not in _INSTALLED:
                continue
            try:
                tree = configuration.tree(item)
            except GemelError:
                continue  # it exists no more
            if (profile.parts and tree.item.part not in profile.parts) or not self._whole(item, entry.id):
                continue
            found[twin] = Installed(item, entry, tree, None)
        machines = self._rooms.book.machines(list(found))
        return [Installed(one.item, one.entry, one.tree, machines.get(twin)) for twin, one in found.items()], left_out

    def _whole(self, item: str, twin: str) -> bool:
        machine = self._rooms.book.machines([twin]).get(twin)
        return machine is None or machine.item == item

    def _owner(self, machine: str) -> tuple[str, str]:
        twin = self._rooms.configuration.twin_of(machine)
        if not twin or self._rooms.directory.twin(twin) is None:
            return "", ""
        return twin, str(self._registry.twin(twin).attributes.get(OWNER, ""))


def _problems(profile: Profile) -> list[tuple[str, str]]:
    """What is wrong with a profile, each with its field."""
    found = refuse_long({"title": profile.title}) + refuse_long({"description": profile.description}, 2000)
    if not 1 <= len(profile.criteria) <= 50:
        found.append(("criteria", "a profile has 1 to 50 criteria"))
    if not profile.types:
        found.append(("types", "a profile says of which twin types the machines are that it looks at"))
    if not 0 <= profile.least_known <= 1:
        found.append(("least_known", "it is a part of all: 0 to 1"))
    names: set[str] = set()
    for i, one in enumerate(profile.criteria):
        at = f"criteria[{i}]"
        if not one.name or len(one.name) > 128 or one.name in names:
            found.append((f"{at}.name", "a criterion has a name of its own, of 1 to 128 characters"))
        names.add(one.name)
        if not 0 < one.weight <= 1000:
            found.append((f"{at}.weight", "a weight is more than 0, and 1000 at most"))
        if one.measure in NUMBERS and (one.worst is None or one.best is None or one.worst == one.best):
            found.append((f"{at}.best", "say which value scores 0 (worst) and which scores 1 (best)"))
        for measure, field in _NEEDED:
            if one.measure is measure and not getattr(one, field):
                found.append((f"{at}.{field}", f"{measure} needs {field}"))
    return found


_NEEDED = (
    (Measure.USAGE, "kind"),
    (Measure.PROPERTY, "property"),
    (Measure.HAS, "part"),
    (Measure.CAPABILITY, "capability"),
)

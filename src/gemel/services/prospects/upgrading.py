"""Where an upgrade is worth while and possible: found by configuration and use, tried on each as it is now."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gemel.clock import Clock
from gemel.configuration import Basis, Configuration, FleetPage, Having, ItemSpec, Node, SoftwareBook, Wish, operations
from gemel.errors import GemelError, InvalidInput
from gemel.services.campaigns import Campaigns, Chances, Draft
from gemel.services.prospects.values import Candidate, Candidates, Upgrade
from gemel.services.prospects.values import Way as By

__all__ = ["Upgrading"]

MOST = 500
TRIAL = "trial"


class Found(NamedTuple):
    """A place, and what was tried there."""

    machine: str
    serial: str
    item: str
    present: str
    possible: bool
    findings: tuple[str, ...]


class Upgrading:
    """`of(upgrade)`."""

    def __init__(
        self,
        configuration: Configuration,
        book: SoftwareBook,
        campaigns: Campaigns,
        clock: Clock,
        *,
        owner: Callable[[str], tuple[str, str]],
    ) -> None:
        """`owner`: machine (item) → its twin and who owns it."""
        self._configuration, self._book, self._campaigns = configuration, book, campaigns
        self._clock, self._owner = clock, owner

    def of(self, upgrade: Upgrade, *, actor: str = "library") -> Candidates:
        """Raises InvalidInput, NotFound (no such version)."""
        if not 1 <= upgrade.limit <= MOST:
            raise InvalidInput(f"1 to {MOST} places are looked at, not {upgrade.limit}")
        found, unknown, more = (
            self._software(upgrade) if upgrade.part in self._book.all() else self._hardware(upgrade, actor)
        )
        told = [self._candidate(upgrade, one) for one in found]
        told.sort(key=lambda one: (_rank(one), -(one.used or 0.0), one.machine, one.item))
        names = ("offer", "blocked", "not_worth", "unknown")
        counts = {name: sum(_rank(one) == i for one in told) for i, name in enumerate(names)}
        return Candidates(candidates=tuple(told), counts=counts, unknown=unknown, left_out=more)

    def _candidate(self, upgrade: Upgrade, one: Found) -> Candidate:
        used: float | None = None
        worth: bool | None = True
        if upgrade.kind:
            count = self._configuration.count(one.item, upgrade.kind)
            told = count.amount > 0 or count.untold_s < 1
            used = count.amount if told else None
            worth = None if used is None else used >= upgrade.at_least
        twin, party = self._owner(one.machine)
        return Candidate(
            machine=one.machine,
            twin=twin,
            serial=one.serial,
            party=party,
            item=one.item,
            present=one.present,
            used=used,
            worth=worth,
            possible=one.possible,
            findings=one.findings,
        )

    def _software(self, upgrade: Upgrade) -> tuple[list[Found], int, int]:
        software, older = self._book.get(upgrade.part), f"<{upgrade.below or upgrade.to}"
        verdicts = self._campaigns.preview(Draft(part=upgrade.part, version=upgrade.to))
        told = [(one, software.holds(older, one.installed) if one.installed else None) for one in verdicts]
        mine = [one for one, is_older in told if is_older]
        if upgrade.parts:
            items = self._configuration.items([one.machine for one in mine])
            mine = [one for one in mine if items[one.machine].part in upgrade.parts]
        found = [
            Found(
                machine=one.machine,
                serial=one.serial,
                item=one.item,
                present=one.installed,
                possible=one.chances is Chances.ELIGIBLE,
                findings=(*(each.text for each in one.objections), *one.unsafe),
            )
            for one in mine[: upgrade.limit]
        ]
        unknown = sum(is_older is None for _, is_older in told)
        return found, unknown, max(0, len(mine) - upgrade.limit)

    def _hardware(self, upgrade: Upgrade, actor: str) -> tuple[list[Found], int, int]:
        part = self._configuration.parts.part(upgrade.part)
        if part.order(upgrade.to) is None:
            listed = ", ".join(one.revision for one in part.revisions) or "none"
            raise InvalidInput(f"{upgrade.part} has no revision {upgrade.to!r:.60}; it has {listed}")
        having = Having(part=upgrade.part, below=upgrade.below or upgrade.to)
        page = FleetPage(limit=upgrade.limit, only=lambda root, _serial, _lot: _wanted(upgrade, root))
        matches = self._configuration.fleet(having, page=page)
        found = []
        for match in matches.machines:
            tree = self._configuration.tree(match.root)
            mine = [node for node in _all(tree) if node.item.id in match.items and node.path]
            found += [self._tried(upgrade, tree, node, actor) for node in mine]
        return found[: upgrade.limit], matches.unknown, max(0, matches.total - len(matches.machines))

    def _tried(self, upgrade: Upgrade, tree: Node, node: Node, actor: str) -> Found:
        """As it would be done now; nothing of it stays."""
        now, item = self._clock.now(), node.item
        if upgrade.way is By.MODIFY:
            said: list[operations.Operation] = [
                operations.Modify(child=item.id, name="revision", value=upgrade.to, at=now)
            ]
        else:
            new = f"{item.id}.{TRIAL}"[:128]
            spec = ItemSpec(
                id=new, part=upgrade.part, revision=upgrade.to, maker=item.maker, serial=TRIAL, kind=item.kind
            )
            parent = _parent(tree, node)
            said = [
                operations.Create(spec=spec, at=now),
                operations.Swap(parent=parent, slot=node.path[-1], new=new, old=item.id, at=now),
            ]
        wishes = [Wish(operation=one, basis=Basis(source="upgrade")) for one in said]
        done = self._configuration.as_(actor).do_all(wishes, dry_run=True)
        wrong = [one.detail for one in done if isinstance(one, GemelError)]
        notes = [
            finding.text
            for one in done
            if not isinstance(one, GemelError)
            for finding in one.findings
            if finding.rule not in ("nowhere", "missing")
        ]
        return Found(
            machine=tree.item.id,
            serial=tree.item.serial,
            item=item.id,
            present=item.revision,
            possible=not wrong,
            findings=tuple(dict.fromkeys([*wrong, *notes])),
        )


def _wanted(upgrade: Upgrade, root: str) -> bool:
    return not upgrade.parts or root in upgrade.parts


def _rank(one: Candidate) -> int:
    """offer, blocked, not worth, unknown."""
    if one.worth is None:
        return 3
    if not one.worth:
        return 2
    return 0 if one.possible else 1


def _parent(tree: Node, node: Node) -> str:
    return next(one.item.id for one in _all(tree) if any(inner is node for inner in one.parts))


def _all(node: Node) -> list[Node]:
    return [node, *(each for one in node.parts for each in _all(one))]

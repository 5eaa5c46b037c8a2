"""Routes read through the caller's view: what reaches past it into the rooms is listed here, with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import gemel.server

SERVER = Path(gemel.server.__file__).parent
ROOMS = {"state", "history", "registry", "journal", "commander", "computation", "configuration", "query", "read", "now"}
ROOMS |= {"software", "artifacts", "campaigns", "effectiveness", "work"}
ROOMS |= {"lifetimes", "offers", "capabilities", "prospects", "forms"}
"""Of the platform: what holds something of twins."""
SHORTENED = ROOMS | {"directory"}
FOR_ALL = {
    "state.position": "how far the platform is; every answer says it",
    "registry.directory.revision": "rises with every change; readers look again",
}
ALLOWED = {
    "forms_seen.py": {
        "forms": "told of items that `call.items` shows, and of twins whose configuration is seen",
        "configuration.twin_of": "of an item that is seen, to ask for the right to write to it",
    },
    "guard.py": {
        "registry.directory.twin": "the guard itself: it says the same of what is hidden and what is not there"
    },
    "lifetimes_seen.py": {"lifetimes": "told of items and lives that `call.items` shows, of models to who sees all"},
    "live.py": {"registry.directory.twin": "of a copy's twins, each of which the view is asked about at once"},
    "services.py": {
        "history.wait": "waits for a position",
        "history.followed": "how far it has come",
        "journal.wait": "waits for a position",
    },
    "telemetry.py": {
        "journal.head": "figures of the platform, for the operator's collector",
        "history.status": "figures of the platform, for the operator's collector",
        "registry.directory": "how many twins there are, for the operator's collector",
    },
    "watch.py": {"state.subscribe": "no values: it only tells that types, twins or links changed"},
    "routes/connectors.py": {
        "registry.connectors": "asked as read Connector, which no grant gives",
        "registry.put_connector": "a change",
        "registry.remove_connector": "a change",
    },
    "routes/computing.py": {
        "computation.lineage": "what its inputs are, of which only those that the view shows are told",
        "computation.compare": "of two properties that the view has shown, in the time that it shows",
        "computation.redo": "a change, asked as configure TwinType",
        "computation.standing": "asked as operate Platform",
    },
    "routes/control.py": {
        "commander.authority": "who holds control, of a twin that the view shows",
        "commander.standing": "how the rules stand, told as the view allows",
        "commander.needs_control": "whether control is needed, of a twin that the view shows",
        "commander.lapses_s": "how long control lasts, asked as command Twin",
        "commander.entry": "whom a change is about, asked as command Twin",
    },
    "routes/discoveries.py": {"registry": "drafts a document against all types, asked as configure Connector"},
    "routes/effectiveness.py": {"effectiveness.as_seen": "which reads through the caller's view alone"},
    "routes/enrolment.py": {"registry.connectors": "finds the endpoints' addresses, asked as configure Device"},
    "routes/forms.py": {
        "forms.declared": "what is declared, asked as read Platform; a change asks configure",
        "forms.version": "what is declared, asked as read Platform",
        "forms.versions": "what is declared, asked as read Platform",
        "work.orders": "of an order that `FormsSeen` shows, to say whether its forms may be filled in",
    },
    "routes/grants.py": {"registry.directory": "what a grant would show, asked as administer Identity"},
    "routes/health.py": {
        "registry.connectors": "the support bundle, asked as administer Platform",
        "history.status": "the support bundle, asked as administer Platform",
    },
    "routes/ingest.py": {"registry.directory.twin": "which twins the caller may write, before they are handed in"},
    "routes/journal.py": {
        "journal.head": "asked as read Journal, which no grant gives",
        "journal.verify": "asked as operate Journal, which no grant gives",
        "history.verify": "asked as operate Journal, which no grant gives",
    },
    "orders_seen.py": {"commander.orders": "orders, of which only those that the view shows are told"},
    "routes/campaigns.py": {
        "campaigns": "told to whoever may see all machines of a campaign; a change asks command of each",
        "software.twins": "whether one of them may be commanded",
    },
    "routes/work_packs.py": {
        "forms": "those for an item that `call.items` shows whole",
        "configuration.as_": "a change, asked as maintain",
        "configuration": "gathered into a pack as far as `call.items` shows the machine whole",
        "registry.site": "name and time zone of the site, which everybody sees",
    },
    "work_seen.py": {
        "work": "of which only orders and stops are told whose machine `call.items` shows, costs by group"
    },
    "routes/work.py": {"configuration": "gathered into a kit as far as `call.items` shows the machine whole"},
    "routes/stops.py": {"work.prices": "prices, asked as read Platform; a change asks configure Platform"},
    "routes/exchanges.py": {
        "work.exchanges": "all of the plant, asked as read Platform, which no grant gives; changes ask configure"
    },
    "routes/dossiers.py": {
        "configuration": "compiled into a dossier of an item that `call.items` shows whole",
        "registry.site": "name and time zone of the site, which everybody sees",
        "software.within": "of an item that `call.items` shows whole",
    },
    "routes/threats.py": {
        "software.look_all": "of the twins of items that `call.items` shows whole",
    },
    "routes/software.py": {
        "software.within": "of an item that `call.items` shows, or cut by a view of it",
        "software.apply": "a change, asked as configure Platform",
        "software.withdraw": "a change, asked as configure Platform",
        "software.history": "what is declared, asked as read Platform",
        "software.all": "what is declared, asked as read Platform",
        "software.fleet": "of the twins that the view shows, and of their machines only what it shows",
        "software.look": "of a twin that the view shows, and of its machine only what it shows",
        "software.way": "which property tells the version, to ask whether the view shows it",
        "artifacts.add": "a change, asked as configure Platform",
        "artifacts.all": "files, asked as read Platform",
        "artifacts.path": "a file, told to who may configure the plant or is to fetch it now",
        "campaigns.handed_out": "whether a device is to fetch a file now, by its own twins",
    },
    "routes/offers.py": {"offers": "of machines that the view shows; what is sold is asked as read Platform"},
    "routes/capabilities.py": {
        "capabilities": "of twins whose configuration the view shows; a change asks configure and command"
    },
    "routes/prospects.py": {
        "prospects.profiles": "asked as read Platform, which no grant gives; a change asks configure Platform",
        "prospects.rank": "asked as read Platform, which no grant gives",
        "prospects.upgrades": "tried, asked as maintain Platform",
    },
    "run.py": {"campaigns.address": "set, not read: where devices reach this server"},
    "routes/goals.py": {
        "commander.goals": "goals of a twin that the view shows, told to who sees its process",
        "commander.entry": "whom a change is about, asked as command Twin",
    },
    "routes/instructions.py": {
        "commander.instructions": "of which only those of orders that the view shows are told; a change asks command",
    },
    "call.py": {
        "registry": "handed to the life of items, which reads through the view",
        "software.judged": "handed to `call.items`, which marks what it shows whole",
    },
    "routes/upkeep.py": {
        "configuration": "handed to what tells of items only as far as `call.items` shows them",
        "configuration.upkeep": "promises of machines that `call.items` shows whole",
        "configuration.snapshots": "of machines that `call.items` shows whole, at the moment of the snapshot",
        "configuration.translations": "rules and refusals, asked as read Platform, which no grant gives",
        "configuration.as_": "a change, asked as maintain or configure Platform",
        "registry.directory.twin": "the types of the twin of an item that is shown, to whom all is shown",
    },
    "routes/sources.py": {
        "configuration.sources": "what is attached, asked as read Platform, which no grant gives",
        "configuration.attached_tree": "of an attached source, asked as read Platform, which no grant gives",
        "configuration.as_": "a change, asked as configure Platform",
    },
    "routes/configurations.py": {"configuration": "of machines that `call.items` shows, then; a change asks maintain"},
    "routes/fitting.py": {
        "configuration": "of a slot of an item that `call.items` shows whole, with pieces as it shows them",
    },
    "routes/items.py": {"configuration.tree": "with what is planned, to whom nothing is hidden"},
    "routes/parts.py": {"configuration.parts": "the parts book, asked as read TwinType; a change asks configure"},
    "routes/plans.py": {
        "configuration.plans": "plans, of which only those are told whose every item is shown",
        "configuration.as_": "a change, asked as maintain of every item's machine",
    },
    "routes/operations.py": {
        "configuration": "handed to what tells of items only as far as `call.items` shows them",
        "configuration.as_": "a change, asked as maintain of every item's machine",
    },
    "routes/orders.py": {
        "commander": "handed to a change, asked as command Twin",
        "commander.ask": "a change, asked as command Twin",
        "commander.reached": "waits for an order that was shown already",
        "commander.order": "an order, of which its route tells nothing before the guard or the view has said yes",
        "commander.desired": "what is desired, of which only what the view shows is told",
        "commander.agrees": "compares two values that are told beside it",
        "configuration.item_of": "the item of a twin, which has to be seen whole by who assumes something of it",
    },
    "routes/transactions.py": {
        "commander.transactions": "told to whoever may see every member; a change asks command of each",
        "commander.entry": "whom a change is about, asked as command Twin",
        "registry.directory.twin": "a member's twin, whose value is then read through the view",
    },
    "routes/site.py": {
        "registry.site": "name and time zone of the plant",
        "registry.directory": "how many twins there are, asked as read Platform",
        "history.position": "how far it has come, asked as read Platform",
        "journal.head": "how far it has come, asked as read Platform",
        "computation.standing": "how far it has come, asked as read Platform",
    },
    "routes/twins.py": {
        "registry": "handed to a change",
        "registry.put_twin": "a change",
        "registry.remove_twin": "a change",
        "registry.put_link": "a change",
        "registry.end_link": "a change",
        "registry.twin": "what a change is made to, asked as configure Twin",
        "registry.links": "the link that was just made, asked as configure Twin",
        "registry.directory.twin": "the end of the link that was just made, which the view has shown",
        "configuration.design_models": "whether twins that the view has shown may be called twins yet",
    },
    "routes/types.py": {
        "registry.put_type": "a change",
        "registry.type": "the type that was just changed, asked as configure TwinType",
        "registry.directory.type": "whether a type that is put is new, asked as configure TwinType",
    },
    "routes/usage.py": {"history.followed": "how far it has come, asked as administer Identity"},
}


def chain(node: ast.AST) -> tuple[str, ...]:
    """a.b(…).c as names; empty for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (before := chain(node.value)):
        return (*before, node.attr)
    return chain(node.func) if isinstance(node, ast.Call) else ()


def is_platform(names: tuple[str, ...]) -> bool:
    return bool(names) and names[-1].lstrip("_") == "platform"


def bound(scope: ast.AST) -> dict[str, tuple[str, ...]]:
    """Names that stand for the platform or one of its rooms in a function: `state = platform.state`, as in tuples."""
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(scope):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = (
                zip(target.elts, node.value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            for name, value in pairs:
                if isinstance(name, ast.Name) and isinstance(value, ast.Attribute) and (room := reached(value, {})):
                    found[name.id] = room
    return found


def reached(node: ast.AST, names: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The room and what of it an expression reaches: ("state", "position") of platform.state.position."""
    told = chain(node)
    for at, name in enumerate(told):
        if is_platform((name,)) and at + 1 < len(told) and told[at + 1] in ROOMS:
            return told[at + 1 :]
    return (*names[told[0]], *told[1:]) if told and told[0] in names else ()


def uses(path: Path) -> Iterator[tuple[str, int]]:
    """(what of which room, line) for all that a file takes from the rooms, without the view."""
    tree = ast.parse(path.read_text())
    inner: set[ast.AST] = set()
    names = bound(tree)
    for node in ast.walk(tree):  # a chain is looked at from its outer end
        if node in inner or not isinstance(node, ast.Attribute | ast.Name):
            continue
        below: ast.AST = node
        while isinstance(below, ast.Attribute | ast.Call):
            below = below.value if isinstance(below, ast.Attribute) else below.func
            inner.add(below)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            continue
        if (what := reached(node, names)) and not (what[-1] in SHORTENED and _is_binding(tree, node)):
            yield ".".join(what[:3] if what[:2] == ("registry", "directory") else what[:2]), node.lineno  # type: ignore[attr-defined]


def _is_binding(tree: ast.AST, node: ast.AST) -> bool:
    """Whether it only gives a room a shorter name."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Assign):
            values = one.value.elts if isinstance(one.value, ast.Tuple) else [one.value]
            if any(value is node for value in values):
                return True
    return False


def test_what_reads_past_the_view_is_listed_with_its_reason() -> None:
    found: dict[str, set[str]] = {}
    unknown = []
    for path in sorted(SERVER.rglob("*.py")):
        name = path.relative_to(SERVER).as_posix()
        for what, line in uses(path):
            if what in FOR_ALL:
                continue
            found.setdefault(name, set()).add(what)
            if what not in ALLOWED.get(name, {}):
                unknown.append(f"{name}:{line} takes {what}; read through call.view, or list it with the reason")
    assert unknown == []
    stale = [
        f"{name}: {what}" for name, listed in ALLOWED.items() for what in listed if what not in found.get(name, ())
    ]
    assert stale == []


def test_a_read_past_the_view_is_found_by_whatever_name(tmp_path: Path) -> None:
    hidden = tmp_path / "route.py"
    hidden.write_text(
        "def one(call):\n    return call.services.platform.state.property('press-7', 'recipe')\n"
        "def two(call):\n    platform = call.services.platform\n    past, known = platform.history, platform.registry\n"
        "    return past.value(('press-7', 'recipe'), 0), known.twin('press-7')\n"
        "class Three:\n    def read(self):\n        return list(self._platform.registry.directory.ids([1]))\n"
    )
    assert {what for what, _ in uses(hidden)} == {
        "state.property",
        "history.value",
        "registry.twin",
        "registry.directory.ids",
    }

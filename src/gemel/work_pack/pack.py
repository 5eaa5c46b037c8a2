"""What a work pack says: one item as it is believed to be at a moment, and what a job on it needs.

It is gathered as the caller sees it; what is not shared with the caller is named in `withheld`. What it was gathered
from is fixed by `at` and `known`: gathered again with these, it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from gemel.access import ItemColumn
from gemel.configuration import (
    Allowed,
    Configuration,
    Finding,
    Fitter,
    Fitting,
    Item,
    MachineSeen,
    Node,
    Nonconformance,
    Place,
    Plan,
    Reliance,
    Remaining,
    Running,
    Seen,
    SlotSpec,
    Standing,
    configuration_hash,
    operations,
    whole_seen,
)
from gemel.errors import InvalidInput, NotFound
from gemel.services.forms import Forms
from gemel.thread import BulletinStanding, BulletinState, NodeKind, Record, Sight, Thread, Version
from gemel.thread import Node as ThreadNode
from gemel.twin import PropertyGroup
from gemel.work_pack.fitting import Wanted, wanted

__all__ = [
    "Exchange",
    "Gathering",
    "Installed",
    "Paper",
    "ToFill",
    "WorkPack",
    "gather",
    "papers_of",
    "pieces",
    "register",
]

JOB_PLAN = "job-plan"
DUE = 0.9
"""From this share of its limit on, a part is due."""
MOST_LINES = 500
LONGEST_LINE = 1_000


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is to be taken out, put in, or both."""

    path: tuple[str, ...]
    out: Item | None
    new: Item | None
    why: str
    """The plan, or the limit that is nearly used up."""
    allowed: tuple[Allowed, ...]
    """What the parts book lets into the slot of this machine now; none: it has no rules for it."""
    fitting: Fitting | None = None
    """What would become of the machine with the new one in it; None: nothing new comes in, or there are no rules."""


class SlotOf(msgspec.Struct, frozen=True):
    """A slot of a machine, by the parts book, and what it holds."""

    path: tuple[str, ...]
    spec: SlotSpec
    parent: Item
    held: tuple[Item, ...]
    runs: tuple[str, ...] = ()
    """Of a slot for software: what was reported to run there."""


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is valid for this serial number."""

    item: str
    """For which item of it."""
    title: str
    kind: str
    version: Version


class ToFill(msgspec.Struct, frozen=True, kw_only=True):
    """A form that is for this item, or for this job on it."""

    form: str
    version: int
    title: str
    about: str = ""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """Software that something of it runs, as it was reported, and what is required of it."""

    path: tuple[str, ...]
    """Slots from this item down; the last one is the software's own."""
    item: str
    runs: Running


class WorkPack(msgspec.Struct, frozen=True, kw_only=True):
    """For one item and job."""

    item: Item
    root: str
    path: tuple[str, ...]
    at: int
    """As of when, of the world; microseconds since the epoch."""
    known: int
    """As of when it was known."""
    hash: str
    """SHA-256 of the configuration, as `Configuration.hash` says it."""
    reference: str
    """Of the pack: the same for the same item, job and beliefs."""
    job: str = ""
    job_title: str = ""
    tree: Node
    software: tuple[Installed, ...] = ()
    """All that runs in it."""
    exchanges: tuple[Exchange, ...] = ()
    steps: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    """Parts that the job says to bring, and whether they fit."""
    bulletins: tuple[BulletinStanding, ...] = ()
    """Those that are open, or may be: of the machine, or about this part of it."""
    forms: tuple[ToFill, ...] = ()
    papers: tuple[Paper, ...] = ()
    safety_slots: tuple[SlotOf, ...] = ()
    unsafe: tuple[Finding, ...] = ()
    nonconformances: tuple[Nonconformance, ...] = ()
    limits: tuple[Remaining, ...] = ()
    withheld: tuple[str, ...] = ()
    """Sections that are not shared with who asked."""


class _Job(msgspec.Struct, frozen=True):
    title: str = ""
    plans: tuple[Plan, ...] = ()
    records: tuple[Record, ...] = ()


class Gathering(msgspec.Struct, frozen=True):
    """Where a pack is gathered, and as whom."""

    items: Seen
    configuration: Configuration
    thread: Thread
    sight: Sight
    forms: Forms | None = None
    """None: forms are not looked for."""


def gather(where: Gathering, item: str, job: str, at: int, known: int) -> WorkPack:
    """`job`: the number of a plan, the id of a work order or job plan, or nothing. Raises NotFound, InvalidInput."""
    items, configuration = where.items, where.configuration
    machine = MachineSeen(items, configuration)
    found = items.item(item, at, known=known)
    tree = items.tree(item, at, known=known)
    whole = items.everything or items.sees(item, at, known=known)
    usage = items.everything or items.sees(item, at, known=known, group=PropertyGroup.USAGE)
    told = _job(where, item, _checked(job), known, whole)
    limits = tuple(_limits(configuration, tree, at, known)) if usage else ()
    book = configuration.parts.book(known=known) if whole else None
    fitter = (
        Fitter(book, whole_seen(items, configuration, tree, at, known), at, of=tree.item.id)
        if book is not None
        else None
    )
    slots = [one for one in fitter.places if one.declared and one.effective is not False] if fitter is not None else []
    exchanges = list(_planned(where, told.plans, tree, known)) if whole else []
    leaving = {one.path for one in exchanges if one.out is not None}
    exchanges += [one for one in _due(tree, limits) if whole and one.path not in leaving]
    if fitter is not None:
        by_path = {slot.path: slot for slot in slots}
        exchanges = [_judged(one, by_path.get(one.path), fitter) for one in exchanges]
    sealed = configuration_hash(tree)
    named = f"{tree.item.id}\n{job}\n{at}\n{known}\n{sealed}".encode()
    return WorkPack(
        item=tree.item,
        root=found.root,
        path=found.path,
        at=at,
        known=known,
        hash=sealed,
        reference=f"WP-{hashlib.sha256(named).hexdigest()[:10].upper()}",
        job=job,
        job_title=told.title,
        tree=tree,
        software=tuple(_software(tree)),
        exchanges=tuple(exchanges),
        steps=tuple(_lines(told.records, "steps")),
        tools=tuple(dict.fromkeys(_lines(told.records, "tools"))),
        skills=tuple(dict.fromkeys(_lines(told.records, "skills"))),
        wanted=tuple(wanted(told.records, tree, fitter)),
        bulletins=tuple(_bulletins(where, item, at, known)) if whole else (),
        forms=tuple(_forms(where, item, told.records, at, known)) if whole else (),
        papers=tuple(papers_of(where, tree, at, known)),
        safety_slots=tuple(
            SlotOf(one.path, one.slot, one.parent, one.held, tuple(each.id for each in one.runs))
            for one in slots
            if one.slot.safety
        ),
        unsafe=tuple(machine.unsafe(item, at, known=known)) if whole else (),
        nonconformances=tuple(
            one for one in machine.nonconformances(item, at, known=known) if one.state is not Standing.CLOSED
        )
        if whole
        else (),
        limits=limits,
        withheld=tuple(_withheld(tree.item, whole, usage)),
    )


def register(configuration: Configuration, pack: WorkPack) -> None:
    """Keep that a crew was sent with it: then it is told when something else becomes known of that moment."""
    configuration.rely(
        Reliance(kind="visit", reference=pack.reference, root=pack.item.id, valid=pack.at, known=pack.known)
    )


def _bulletins(where: Gathering, item: str, at: int, known: int) -> Iterator[BulletinStanding]:
    for one in where.thread.bulletins.of(item, at, known=known, sight=where.sight, items=where.items):
        if one.state in (BulletinState.OPEN, BulletinState.UNKNOWN):
            yield one


def _forms(where: Gathering, item: str, records: Iterable[Record], at: int, known: int) -> Iterator[ToFill]:
    if where.forms is not None:
        for one in where.forms.applying(item, [record.id for record in records], at=at, known=known):
            yield ToFill(form=one.form.id, version=one.version, title=one.form.title, about=one.form.about)


def _withheld(item: Item, whole: bool, usage: bool) -> Iterator[str]:
    if not whole:
        yield from item.withheld
        yield from (
            one for one in ("bulletins", "forms", "nonconformances", "plans", "safety") if one not in item.withheld
        )
    if not usage and ItemColumn.LIMITS not in item.withheld:
        yield "limits"


def pieces(node: Node) -> Iterator[Node]:
    """An item and all that is in it, the outermost first."""
    yield node
    for part in node.parts:
        yield from pieces(part)


def _judged(one: Exchange, place: Place | None, fitter: Fitter) -> Exchange:
    if place is None:
        return one
    out = None if one.out is None else [one.out.id]
    fitting = fitter.fitting(place, one.new, out) if one.new is not None and place.rules else None
    return msgspec.structs.replace(one, allowed=tuple(fitter.allowed(place, out)), fitting=fitting)


def _software(tree: Node) -> Iterator[Installed]:
    for node in pieces(tree):
        for one in node.software:
            yield Installed(path=(*node.path, one.slot), item=node.item.id, runs=one)


def _limits(configuration: Configuration, tree: Node, at: int, known: int) -> Iterator[Remaining]:
    found = [one for node in pieces(tree) for one in configuration.limits(node.item.id, at, known=known)]
    yield from sorted(found, key=lambda one: -one.share)


# the job


def _checked(job: str) -> str:
    """Raises InvalidInput for what cannot be the name of a job."""
    if len(job) > 200 or not job.isprintable():
        raise InvalidInput("a job is the number of a plan or the id of a work order: at most 200 printable characters")
    return job


def _job(where: Gathering, item: str, job: str, known: int, whole: bool) -> _Job:
    plans = where.configuration.plans.of(item) if whole else []
    if not job:
        return _Job(plans=tuple(plans))
    if job.isdecimal():
        if not (chosen := [plan for plan in plans if plan.number == int(job)]):
            raise NotFound(f"there is no plan {job:.20} of {item:.120}; GET /items/{{id}}/plans lists them")
        order = chosen[0].work_order
        records = _records(where, order, known) if order else []
        return _Job(chosen[0].title, (chosen[0],), tuple(records))
    records = _records(where, job, known)
    chosen = [plan for plan in plans if plan.work_order == job]
    if not (records or chosen):
        raise NotFound(f"there is no plan, work order or job plan {job!r:.120} of {item:.120}")
    return _Job(records[0].title if records else chosen[0].title, tuple(chosen), tuple(records))


def _records(where: Gathering, id: str, known: int) -> list[Record]:
    """The record of a job, and the job plans that are linked to it."""
    thread, sight = where.thread, where.sight
    try:
        first = thread.record(id, known=known, sight=sight)
    except NotFound:
        return []
    found = [first]
    for link in thread.links(ThreadNode(kind=NodeKind.RECORD, id=id), known=known):
        for end in (link.source, link.target):
            if end.kind is NodeKind.RECORD and end.id != id:
                try:
                    other = thread.record(end.id, known=known, sight=sight)
                except NotFound:
                    continue
                if other.kind == JOB_PLAN:
                    found.append(other)
    return found


def _lines(records: Iterable[Record], name: str) -> list[str]:
    """What the records' attributes list; each line a text, or an object with `title`, `text` or `name`."""
    found: list[str] = []
    for record in records:
        listed = record.attributes.get(name, ())
        for one in listed.splitlines() if isinstance(listed, str) else listed if isinstance(listed, list) else ():
            text = _text(one)
            if text:
                found.append(text[:LONGEST_LINE])
    return found[:MOST_LINES]


def _text(one: Any) -> str:
    if isinstance(one, Mapping):
        return " – ".join(str(one[name]) for name in ("title", "name", "text", "torque", "note") if one.get(name))
    return str(one).strip()


# parts


def _planned(where: Gathering, plans: Iterable[Plan], tree: Node, known: int) -> Iterator[Exchange]:
    by_slot = {(_parent(tree, node), node.path[-1]): node for node in pieces(tree) if node.path}
    by_item = {node.item.id: node for node in pieces(tree)}
    for plan in plans:
        why = f"plan {plan.number}: {plan.title}" if plan.title else f"plan {plan.number}"
        for said in plan.operations:
            if isinstance(said, operations.Swap):
                node = by_slot.get((said.parent, said.slot))
                path = node.path if node else _path(by_item, said.parent, said.slot)
                yield _exchange(path, node.item if node else None, _new(where, said.new, known), why)
            elif isinstance(said, operations.Install) and said.parent in by_item:
                yield _exchange(_path(by_item, said.parent, said.slot), None, _new(where, said.child, known), why)
            elif isinstance(said, operations.Remove) and said.child in by_item:
                yield _exchange(by_item[said.child].path, by_item[said.child].item, None, why)


def _exchange(path: tuple[str, ...], out: Item | None, new: Item | None, why: str) -> Exchange:
    return Exchange(path=path, out=out, new=new, why=why, allowed=())


def _parent(tree: Node, node: Node) -> str:
    return next((one.item.id for one in pieces(tree) if any(part is node for part in one.parts)), "")


def _path(by_item: Mapping[str, Node], parent: str, slot: str) -> tuple[str, ...]:
    return (*by_item[parent].path, slot) if parent in by_item else (slot,)


def _new(where: Gathering, item: str, known: int) -> Item | None:
    try:
        return where.items.item(item, None, known=known).item
    except NotFound:
        return None


def _due(tree: Node, limits: Iterable[Remaining]) -> Iterator[Exchange]:
    by_item = {node.item.id: node for node in pieces(tree)}
    for one in limits:
        node = by_item.get(one.item)
        if one.share >= DUE and node is not None and node.path:
            why = f"{one.used:,.0f} of {one.limit:,.0f} {one.kind} used"
            yield _exchange(node.path, node.item, None, why)


def papers_of(where: Gathering, tree: Node, at: int, known: int) -> Iterator[Paper]:
    """Of the item and of all that is in it, each document once."""
    done: set[tuple[str, str]] = set()
    for node in pieces(tree):
        try:
            versions = where.thread.valid_documents(node.item.id, at, known=known, sight=where.sight)
        except NotFound:
            continue
        for version in versions:
            if (version.document, version.language) not in done:
                done.add((version.document, version.language))
                about = where.thread.document(version.document, known=known, sight=where.sight)
                yield Paper(item=node.item.id, title=about.title, kind=about.kind, version=version)

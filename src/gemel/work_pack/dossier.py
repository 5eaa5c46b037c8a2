"""A dossier: all that is known of one machine, to hand over: to a regulator, an insurer, whoever takes it apart.

It is of two moments, how it was (`at`) and how it was believed to be (`known`): asked again with these, it says the
same.
It is gathered as the caller sees it; what is not shared with the caller is named in `withheld`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from gemel.configuration import (
    FOREVER,
    Act,
    Completeness,
    Finding,
    Item,
    MachineSeen,
    Module,
    Node,
    Nonconformance,
    Observation,
    Passport,
    Remaining,
    Span,
    Within,
    configuration_hash,
)
from gemel.errors import GemelError, NotFound
from gemel.thread import Measurement, MeasurementQuery, NodeKind, Record, Source, phrase
from gemel.thread import Node as ThreadNode
from gemel.twin import PropertyGroup
from gemel.work_pack.pack import Gathering, Paper, papers_of, pieces

__all__ = ["Dossier", "Related", "compile_dossier"]

_MOST_MEASURED = 100_000
_STEPS = 2
"""Of the thread from each item: its records, and what these come from."""


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the thread, and how it is linked to the machine."""

    item: str
    """To which item of it."""
    way: tuple[str, ...]
    record: Record


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """Of one item with all that is in it."""

    plant: str
    item: Item
    root: str
    path: tuple[str, ...]
    at: int
    """As of when, of the world; microseconds since the epoch."""
    known: int
    """As of when it was known."""
    hash: str
    """SHA-256 of the configuration, as `Configuration.hash` says it."""
    tree: Node
    history: tuple[Within, ...]
    """What was in which slot from when to when, and what software ran on it, since it is known."""
    acts: tuple[Act, ...]
    """Who said what of it, in the order in which it became known; people by their ids."""
    observations: tuple[Observation, ...]
    nonconformances: tuple[Nonconformance, ...]
    """All of them, also those that are closed."""
    findings: tuple[Finding, ...]
    """Rules of the parts book that it does not keep."""
    completeness: Completeness
    """What of it is not known, and how long ago the rest was confirmed."""
    limits: tuple[Remaining, ...]
    software: tuple[Module, ...]
    """As it was last reported."""
    documents: tuple[Paper, ...]
    """That were valid for it, each with the hash of its content."""
    records: tuple[Related, ...]
    measurements: tuple[Measurement, ...]
    """What inspections found of it, and of what is in it."""
    sources: tuple[Source, ...]
    """The files that records and measurements were read from."""
    materials: Passport
    withheld: tuple[str, ...] = ()
    """Sections that are not shared with who asked."""


SoftwareOf = Callable[[str, int, int], Sequence[Module]]
"""(item, at, known) -> the software of it and of what is in it."""


def compile_dossier(where: Gathering, item: str, at: int, known: int, *, plant: str, software: SoftwareOf) -> Dossier:
    """Raises NotFound, also where the item is not seen whole then."""
    items, configuration = where.items, where.configuration
    machine = MachineSeen(items, configuration)
    items.require(item, at, known=known)
    found = items.item(item, at, known=known)
    tree = items.tree(item, at, known=known)
    usage = items.everything or items.sees(item, at, known=known, group=PropertyGroup.USAGE)
    history = tuple(_history(where, tree.item, at, known))
    records = tuple(_records(where, tree, at, known))
    within = tuple(node.item.id for node in pieces(tree))
    query = MeasurementQuery(items=within, limit=_MOST_MEASURED)
    measured = where.thread.measurements(query, known=known, sight=where.sight).items
    said = (*(one.record.origin for one in records), *(one.origin for one in measured))
    origins = {one.source for one in said if one is not None}
    limits = [one for node in pieces(tree) for one in configuration.limits(node.item.id, at, known=known)]
    return Dossier(
        plant=plant,
        item=tree.item,
        root=found.root,
        path=found.path,
        at=at,
        known=known,
        hash=configuration_hash(tree),
        tree=tree,
        history=history,
        acts=tuple(_acts(where, item, history, at, known)),
        observations=tuple(one for node in pieces(tree) for one in machine.observations(node.item.id, at, known=known)),
        nonconformances=tuple(machine.nonconformances(item, at, known=known)),
        findings=tuple(machine.findings(item, at, known=known)),
        completeness=machine.completeness(item, at, known=known),
        limits=tuple(sorted(limits, key=lambda one: -one.share)) if usage else (),
        software=tuple(software(item, at, known)),
        documents=tuple(papers_of(where, tree, at, known)),
        records=records,
        measurements=tuple(measured),
        sources=tuple(source for _, source in sorted(where.thread.sources(origins).items())),
        materials=configuration.materials(item, at, known=known),
        withheld=() if usage else ("limits",),
    )


def _history(where: Gathering, item: Item, at: int, known: int) -> Iterator[Within]:
    """Since it is known, or since it may be seen."""
    seen = [Span(-FOREVER, FOREVER)] if where.items.everything else where.items.seen_spans(item.id)
    for one in where.configuration.within(item.id, min(item.born, at), at + 1, known=known):
        for span in seen:
            if (inside := one.span.meets(span)) is not None:
                yield msgspec.structs.replace(one, span=inside)


def _acts(where: Gathering, item: str, history: Sequence[Within], at: int, known: int) -> Iterator[Act]:
    """Of the item, and of what was in it while it was."""
    during: dict[str, list[Span]] = {}
    for one in history:
        if not one.software:
            during.setdefault(one.item, []).append(one.span)
    told: dict[int, Act] = {}
    for id, spans in during.items():
        try:
            acts = where.items.acts(id, known=known)
        except NotFound:
            continue
        for act in acts:
            if act.time <= at and (id == item or any(span.start <= act.time <= span.end for span in spans)):
                told[act.number] = act
    yield from (told[number] for number in sorted(told))


def _records(where: Gathering, tree: Node, at: int, known: int) -> Iterator[Related]:
    """Each record once, of the item that is nearest to the root."""
    thread, done = where.thread, set[str]()
    for node in pieces(tree):
        start = ThreadNode(kind=NodeKind.ITEM, id=node.item.id)
        try:
            reached = thread.follow(start, thread.asked(at=at, known=known, depth=_STEPS), sight=where.sight).reached
        except NotFound:
            continue
        for one in reached:
            if one.node.kind is NodeKind.RECORD and one.node.id not in done:
                try:
                    record = thread.record(one.node.id, known=known, sight=where.sight)
                except GemelError:
                    continue
                done.add(one.node.id)
                way = tuple(phrase(step.link.kind, back=step.back) for step in one.path)
                yield Related(item=node.item.id, way=way, record=record)

"""Answers about the thread: each thing once, with what people call it; paths as steps that can be read aloud."""

from __future__ import annotations

from typing import Any

import msgspec

from gemel.errors import GemelError
from gemel.thread import Followed, Link, Node, NodeKind, Said, Sight, Source, Step, Thread, phrase

__all__ = ["FollowedView", "NodeView", "StepView", "followed_view"]


class NodeView(msgspec.Struct, kw_only=True):
    """Something that the thread goes through."""

    key: str
    """As it is written: `item:box-3`, `twin:mill@START/END`; what paths name it by."""
    kind: str
    id: str
    sub: str = ""
    start: int | None = None
    end: int | None = None
    title: str = ""
    what: str = ""
    """Of a record or document its kind: drawing, nc-program, inspection …"""
    phase: str = ""
    url: str = ""
    """Where another system shows it; never fetched."""
    status: str = ""
    """Of a measurement: pass or fail."""
    time: int | None = None
    """Of an act: when it was."""


class StepView(msgspec.Struct, kw_only=True):
    """One link of a path, as it is gone along."""

    link: int
    """Its number; 0: it follows from the configuration, a document or a measurement itself."""
    kind: str
    phrase: str
    """It is read so, from `source` to `target`."""
    source: str
    target: str
    back: bool
    act: int
    """Who says so: see `said`; 0: nobody has to."""
    origin: int | None
    """From which file: see `sources`."""
    place: str


class ReachedView(msgspec.Struct, kw_only=True):
    """Something that was reached, and how."""

    node: str
    depth: int
    path: list[StepView]


class FollowedView(msgspec.Struct, kw_only=True):
    """The thread from one thing, the nearest first."""

    start: str
    nodes: dict[str, NodeView]
    reached: list[ReachedView]
    more: bool
    next: str
    """Of a part with more items than are told at once: asked with it as `after`, the answer goes on."""
    sources: dict[int, Source]
    said: dict[int, Said]


def followed_view(thread: Thread, found: Followed, *, known: int | None, sight: Sight) -> FollowedView:
    """With the names of all that is passed, the files and the acts that say so."""
    nodes: dict[str, NodeView] = {}

    def name(node: Node) -> str:
        key = str(node)
        if key not in nodes:
            nodes[key] = _view(thread, node, key, known, sight)
        return key

    start = name(found.start)
    reached = []
    for one in found.reached:
        at, path = start, []
        for step in one.path:
            to = step.link.source if step.back else step.link.target
            path.append(_step(step, at, name(to)))
            at = name(to)
        reached.append(ReachedView(node=name(one.node), depth=one.depth, path=path))
    links: list[Link] = [step.link for one in found.reached for step in one.path]
    return FollowedView(
        start=start,
        nodes=nodes,
        reached=reached,
        more=found.more,
        next=found.next,
        sources=thread.sources(link.origin.source for link in links if link.origin is not None),
        said=thread.said(link.act for link in links if link.act),
    )


def _step(step: Step, source: str, target: str) -> StepView:
    link = step.link
    return StepView(
        link=link.number,
        kind=link.kind,
        phrase=phrase(link.kind, back=step.back),
        source=source,
        target=target,
        back=step.back,
        act=link.act,
        origin=None if link.origin is None else link.origin.source,
        place="" if link.origin is None else link.origin.place,
    )


def _view(thread: Thread, node: Node, key: str, known: int | None, sight: Sight) -> NodeView:
    view = NodeView(key=key, kind=node.kind, id=node.id, sub=node.sub, start=node.start, end=node.end)
    told: dict[str, Any] = {"title": node.id}
    try:
        if node.kind is NodeKind.RECORD:
            record = thread.record(node.id, known=known, sight=sight)
            told = {"title": record.title or record.id, "what": record.kind, "phase": record.phase, "url": record.url}
        elif node.kind is NodeKind.DOCUMENT:
            document = thread.document(node.id, known=known, sight=sight)
            told = {"title": document.title, "what": document.kind, "phase": document.phase}
        elif node.kind is NodeKind.MEASUREMENT:
            measured = thread.measurement(int(node.id))
            value = "" if measured.value is None else f" {measured.value:g} {measured.unit}".rstrip()
            told = {"title": f"{measured.characteristic}{value}", "phase": "quality", "status": measured.status}
        elif node.kind is NodeKind.ACT:
            act = thread.act(int(node.id), known=known)
            where = [f"{slot} of {parent}" for parent, slot in act.slots]
            told = {"title": " · ".join([*act.about, *where]) or node.id, "what": act.kind}
            view.time = act.time
        elif node.kind is NodeKind.SLOT:
            told = {"title": f"{node.sub} of {node.id.removeprefix('part:')}"}
        elif node.kind is NodeKind.ITEM:
            item = thread.configuration.tree(node.id).item
            told = {"title": f"{item.part} {item.serial}".strip(), "what": item.kind}
    except GemelError:
        pass  # it is known by its id alone
    for field, value in told.items():
        setattr(view, field, str(value))
    return view

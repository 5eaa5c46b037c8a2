"""A dossier on paper: for whoever reads no JSON; the file beside it has all of it, and the same hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reportlab.platypus import Flowable

from gemel.clock import to_rfc3339
from gemel.configuration import Basis, Node, Span
from gemel.thread import Measurement, Status
from gemel.work_pack.dossier import Dossier
from gemel.work_pack.sheets import (
    BODY,
    CELL,
    CODE,
    WARNING,
    Head,
    called,
    moment,
    on_paper,
    p,
    path_text,
    section,
    table,
    top,
)

__all__ = ["dossier_drawn"]

_FOREVER = 1 << 60


def dossier_drawn(dossier: Dossier, *, sha256: str, signature: str, page: str, zone: str = "UTC") -> bytes:
    """A PDF. `sha256`: of the dossier as JSON; `signature`: the note that signs that; `page`: where its QR code leads;
    `zone`: of the site, for the moments."""
    said = (called(dossier.item), f"dossier {sha256[:16]}", f"as of {moment(dossier.at, zone)}")
    return on_paper(
        _story(dossier, (sha256, signature), page, zone),
        title=f"Dossier of {dossier.item.id}",
        subject=f"as of {moment(dossier.at, 'UTC')}, as known at {moment(dossier.known, 'UTC')}",
        author=dossier.plant,
        foot="  ·  ".join(said),
    )


def _story(one: Dossier, sealed: tuple[str, str], page: str, zone: str) -> Iterator[Flowable]:
    facts = (
        ("as of", f"{moment(one.at, zone)} ({to_rfc3339(one.at)})"),
        ("as known at", f"{moment(one.known, zone)} ({to_rfc3339(one.known)})"),
        ("configuration", one.hash),
        ("dossier", sealed[0]),
    )
    yield top(Head("Dossier", one.item, one.root, one.path, facts), page=page, titled=one.plant)
    if one.withheld:
        yield p(f"Not shared with you, and so not in it: {', '.join(one.withheld)}.", WARNING)
    yield from section("What it consists of", [_tree(one.tree)], "")
    yield from section("Software, as reported", _software(one, zone), "None is reported.")
    yield from section("What is not known of it", _gaps(one, zone), "Everything is known and was confirmed.")
    yield from section("Rules that are not kept", _findings(one), "All rules of the parts book are kept.")
    yield from section("Nonconformances", _wrongs(one, zone), "None was ever recorded.")
    yield from section("Life that is left", _limits(one), "No limits are known.")
    yield from section("What was in it, from when to when", _history(one, zone), "")
    yield from section("Who said what", _acts(one, zone), "Nobody said anything.")
    yield from section("Documents that were valid for it", _documents(one), "None is known.")
    yield from section("Records", _records(one), "None is linked to it.")
    measured = (
        f"Of {len(one.measurements):,} measurements none is out of tolerance." if one.measurements else "None is known."
    )
    yield from section("Measurements out of tolerance", _failed(one), measured)
    yield from section("What it is made of", _materials(one), "No part in it declares its materials.")
    yield from section("Seal", _seal(sealed), "")


def _tree(root: Node) -> Flowable:
    rows = []

    def add(node: Node) -> None:
        item = node.item
        slot = f"{'   ' * len(node.path)}{node.path[-1] if node.path else '(this item)'}"
        rows.append([slot, item.part or "not told", item.revision, item.maker, item.serial or item.lot, item.id])
        for part in node.parts:
            add(part)

    add(root)
    return table(["slot", "part", "rev.", "maker", "serial number", "id"], rows, [26, 18, 7, 15, 17, 20])


def _rows(header: Sequence[str], rows: Sequence[Sequence[object]], widths: Sequence[float]) -> list[Flowable]:
    return [table(header, rows, widths)] if rows else []


def _software(one: Dossier, zone: str) -> list[Flowable]:
    rows = [
        [path_text(m.path), m.part, m.version or "never reported", moment(m.since, zone) if m.since else "", m.item]
        for m in one.software
    ]
    return _rows(["slot", "software", "version", "since", "on"], rows, [26, 20, 16, 22, 20])


def _gaps(one: Dossier, zone: str) -> list[Flowable]:
    found: list[Flowable] = [p(f"! {text}", WARNING) for text in one.completeness.threatens]
    rows = [
        [
            path_text(slot.path),
            str(slot.holding),
            slot.gap and f"{slot.gap} is not known",
            moment(slot.confirmed, zone) if slot.confirmed else "never",
        ]
        for slot in one.completeness.slots
        if slot.gap or slot.confirmed is None
    ]
    return found + _rows(["slot", "", "gap", "last confirmed"], rows, [34, 14, 28, 24])


def _findings(one: Dossier) -> list[Flowable]:
    rows = [[str(f.level), f.rule, f.slot, f.item, f.text] for f in one.findings]
    return _rows(["level", "rule", "slot", "item", "what"], rows, [12, 14, 16, 18, 42])


def _wrongs(one: Dossier, zone: str) -> list[Flowable]:
    rows = [
        [str(w.number), f"{w.parent} › {w.slot}" if w.slot else w.item, str(w.state), w.text, moment(w.time, zone)]
        for w in one.nonconformances
    ]
    return _rows(["no.", "where", "state", "what", "since"], rows, [5, 22, 12, 44, 19])


def _limits(one: Dossier) -> list[Flowable]:
    rows = [
        [
            limit.item,
            limit.kind,
            f"{limit.used:,.0f} of {limit.limit:,.0f}",
            p(f"{limit.remaining:,.0f}", WARNING if limit.share >= 1 else CELL),
        ]
        for limit in one.limits
    ]
    return _rows(["item", "kind", "used", "left"], rows, [34, 18, 26, 22])


def _from_to(span: Span, zone: str) -> list[str]:
    since = "ever" if abs(span.start) >= _FOREVER else moment(span.start, zone)
    return [since, "" if span.end >= _FOREVER else moment(span.end, zone)]


def _history(one: Dossier, zone: str) -> list[Flowable]:
    rows = []
    for w in sorted(one.history, key=lambda w: (w.span.start, w.path)):
        since, until = _from_to(w.span, zone)
        what = f"{w.part} {w.revision}".strip() if w.software else f"{w.item} {w.revision}".strip()
        rows.append([path_text(w.path), what, since, "" if w.span.end > one.at else until])
    return _rows(["slot", "held", "from", "until"], rows, [30, 28, 22, 22])


def _acts(one: Dossier, zone: str) -> list[Flowable]:
    rows = [
        [str(a.number), str(a.kind), moment(a.time, zone), moment(a.recorded, zone), a.actor, _basis(a.basis)]
        for a in one.acts
    ]
    return _rows(["act", "what", "when", "known since", "who", "on what it rests"], rows, [6, 12, 19, 19, 18, 28])


def _basis(basis: Basis) -> str:
    told = (basis.source, basis.work_order, basis.evidence, basis.reason, "seen so" if basis.seen else "")
    return ", ".join(one for one in told if one)


def _documents(one: Dossier) -> list[Flowable]:
    rows = [
        [
            f"{d.title or d.version.document}\n{d.version.document} · {d.kind}",
            f"{d.version.version} {d.version.language}",
            d.item,
            p(d.version.content.sha256, CODE),
        ]
        for d in one.documents
    ]
    return _rows(["document", "version", "for", "SHA-256 of its content"], rows, [34, 12, 16, 38])


def _records(one: Dossier) -> list[Flowable]:
    rows = [
        [
            r.record.kind,
            f"{r.record.title or r.record.id}\n{r.record.id}",
            r.record.system,
            f"{r.item} {' › '.join(r.way)}",
        ]
        for r in one.records
    ]
    return _rows(["kind", "record", "kept in", "how it is linked"], rows, [14, 40, 18, 30])


def _failed(one: Dossier) -> list[Flowable]:
    rows = [
        [m.item, m.characteristic, f"{m.value:g} {m.unit}" if m.value is not None else "", _bounds(m), m.inspection]
        for m in one.measurements
        if m.status is Status.FAIL
    ]
    return _rows(["item", "characteristic", "value", "bounds", "inspection"], rows, [20, 26, 16, 20, 24])


def _bounds(one: Measurement) -> str:
    return " … ".join("" if bound is None else f"{bound:g}" for bound in (one.lower, one.upper))


def _materials(one: Dossier) -> list[Flowable]:
    rows = [
        [
            m.material,
            f"{m.mass:,.3f} kg",
            f"{m.recycled:,.3f} kg",
            p(m.hazard, WARNING if m.hazard else CELL),
            m.recovery,
        ]
        for m in one.materials.materials
    ]
    found = _rows(["material", "mass", "of it recycled", "take care", "in the end"], rows, [26, 14, 14, 26, 22])
    if found and one.materials.undeclared:
        found.append(p(f"Not declared: {', '.join(one.materials.undeclared)}", BODY))
    return found


def _seal(sealed: tuple[str, str]) -> list[Flowable]:
    digest, signature = sealed
    said = (
        "All of this, and what did not fit on paper, is in the JSON file of the same dossier. Its SHA-256, and the "
        "signature of this plant over it, are below; `gemel item check-dossier FILE` computes both again."
    )
    return [p(said, BODY), p(digest, CODE), p(signature, CODE)]

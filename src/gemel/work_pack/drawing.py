"""A work pack on paper: A4 pages, each with the reference, the configuration's hash and the moments it is as of."""

from __future__ import annotations

from collections.abc import Iterator

from reportlab.lib.colors import Color
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer, Table, TableStyle

from gemel.configuration import Item, Node, SoftwareState
from gemel.work_pack.pack import SlotOf, WorkPack
from gemel.work_pack.sheets import (
    CELL,
    CODE,
    HEAD,
    HEADER,
    INK,
    LINE,
    SHADE,
    SMALL,
    WARNING,
    WIDTH,
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

__all__ = ["drawn"]

BOXES = 4
"""Empty lines for what the crew finds."""


def drawn(pack: WorkPack, *, page: str, zone: str = "UTC", titled: str = "") -> bytes:
    """A PDF. `page`: the address that its QR code leads to; `zone`: of the site, for the moments; `titled`: the plant.

    The same pack gives the same bytes.
    """
    said = (pack.reference, called(pack.item), f"configuration {pack.hash[:16]}", f"as of {moment(pack.at, zone)}")
    return on_paper(
        _story(pack, page, zone, titled),
        title=f"Work pack {pack.reference}",
        subject=f"{pack.item.id} as of {moment(pack.at, 'UTC')}",
        author=titled,
        foot="  ·  ".join(said),
    )


class _Box(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A box to tick."""

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return 9, 9

    def draw(self) -> None:
        self.canv.setStrokeColor(Color(0.35, 0.38, 0.42))
        self.canv.setLineWidth(0.8)
        self.canv.rect(0, 0, 8, 8)


def _story(pack: WorkPack, page: str, zone: str, titled: str) -> Iterator[Flowable]:
    facts = (
        ("job", " · ".join(one for one in (pack.job, pack.job_title) if one) or "none"),
        ("as of", moment(pack.at, zone)),
        ("as known at", moment(pack.known, zone)),
        ("configuration", pack.hash),
    )
    head = Head(f"Work pack {pack.reference}", pack.item, pack.root, pack.path, facts)
    yield top(head, page=page, titled=titled)
    if pack.withheld:
        text = f"Not shared with you, and so not in this pack: {', '.join(pack.withheld)}."
        yield p(text, WARNING)
    yield from _safety(pack)
    yield from section("Parts to exchange", _exchanges(pack), "Nothing is planned, and nothing is due.")
    if pack.wanted:
        yield from section("Parts to bring", _wanted(pack), "")
    if pack.steps or pack.job:
        rows = [[str(n), step, _Box()] for n, step in enumerate(pack.steps, 1)]
        steps = [table(["", "step", "done"], rows, [5, 85, 7])] if rows else []
        yield from section("Steps of the job", steps, "The job has no job plan with steps; ask for it.")
    if pack.tools or pack.skills:
        rows = [["tools", ", ".join(pack.tools)], ["skills", ", ".join(pack.skills)]]
        yield from section("Tools and skills", [table(["", "needed"], rows, [10, 90])], "")
    yield from section(
        "Open nonconformances", _wrongs(pack, zone), "None is open.", hidden=_hides(pack, "nonconformances")
    )
    yield from section("Open bulletins", _bulletins(pack, zone), "None is open.", hidden=_hides(pack, "bulletins"))
    if pack.forms or _hides(pack, "forms"):
        yield from section("Forms to fill in", _forms(pack), "", hidden=_hides(pack, "forms"))
    yield from section("Life that is left", _limits(pack), "No limits are known.", hidden=_hides(pack, "limits"))
    yield from section(
        "Documents that are valid for this serial number",
        _papers(pack),
        "None is known.",
        hidden=_hides(pack, "documents"),
    )
    yield from section(
        "Software, as it was reported", _software(pack, zone), "None was reported.", hidden=_hides(pack, "software")
    )
    yield from section("What it consists of", [_tree(pack)], "")
    yield _signatures()


def _hides(pack: WorkPack, name: str) -> bool:
    return name in pack.withheld


def _safety(pack: WorkPack) -> Iterator[Flowable]:
    if not (pack.safety_slots or pack.unsafe) and not _hides(pack, "safety"):
        return
    yield Paragraph("Safety", HEAD)
    if _hides(pack, "safety"):
        yield p("Not shared with you: ask whoever operates the machine before you begin.", WARNING)
    for one in pack.unsafe:
        yield p(f"! {'/'.join(one.slot.split('/'))}: {one.text}", WARNING)
    if pack.safety_slots:
        rows = [[path_text(slot.path), slot.spec.name, _held(slot), _Box()] for slot in pack.safety_slots]
        yield table(["slot of safety", "", "holds", "seen"], rows, [28, 24, 40, 8])


def _held(slot: SlotOf) -> str:
    return "\n".join([*(called(one) for one in slot.held), *slot.runs]) or "nothing"


def _exchanges(pack: WorkPack) -> list[Flowable]:
    rows = []
    for one in pack.exchanges:
        may = "\n".join(str(each) for each in one.allowed) or "no rule for this slot"
        out, new = (_part(item) if item is not None else "–" for item in (one.out, one.new))
        if one.fitting is not None and one.fitting.fits is not True:
            new += f"\n{'NOT KNOWN TO FIT' if one.fitting.fits is None else 'DOES NOT FIT'}: {one.fitting.why}"
        rows.append([f"{path_text(one.path)}\n{one.why}", out, new, may, "s/n\n\n__________"])
    return (
        [table(["slot, and why", "out", "in", "allowed here", "was put in"], rows, [22, 20, 20, 26, 14])]
        if rows
        else []
    )


def _bulletins(pack: WorkPack, zone: str) -> list[Flowable]:
    rows = []
    for one in pack.bulletins:
        told = one.note or (f"open since {moment(one.since, zone)}" if one.since is not None else "open")
        orders = f"order {', '.join(one.orders)}" if one.orders else ""
        about = "\n".join(each for each in (", ".join(one.items), orders) if each)
        rows.append([f"{one.bulletin} {one.version}", one.title, about, told, _Box()])
    return [table(["bulletin", "", "about", "", "done"], rows, [18, 36, 20, 22, 7])] if rows else []


def _forms(pack: WorkPack) -> list[Flowable]:
    rows = [[f"{one.form} {one.version}", one.title, one.about, _Box()] for one in pack.forms]
    return [table(["form", "", "about", "filled in"], rows, [22, 34, 35, 9])] if rows else []


def _part(item: Item) -> str:
    revision = f"revision {item.revision}" if item.revision else ""
    return "\n".join(one for one in (item.part, revision, f"s/n {item.serial}" if item.serial else "", item.id) if one)


def _wanted(pack: WorkPack) -> list[Flowable]:
    rows = []
    for one in pack.wanted:
        part = " ".join(told for told in (one.part, one.revision and f"revision {one.revision}") if told)
        said = {"yes": "fits", "no": "DOES NOT FIT", "unknown": "not known"}[one.fits]
        verdict = p(said, WARNING if one.fits == "no" else CELL)
        where = path_text(one.path) if one.path else "not told"
        rows.append([part, f"{one.quantity}", where, verdict, one.why, _Box()])
    return [table(["part", "pieces", "for", "this machine", "why", "packed"], rows, [20, 8, 16, 15, 33, 8])]


def _wrongs(pack: WorkPack, zone: str) -> list[Flowable]:
    rows = [
        [
            f"{one.number}",
            f"{one.parent} › {one.slot}" if one.slot else one.item,
            f"{one.level}, {one.state}",
            one.text,
            moment(one.time, zone),
        ]
        for one in pack.nonconformances
    ]
    return [table(["no.", "where", "", "what", "since"], rows, [5, 22, 14, 42, 17])] if rows else []


def _limits(pack: WorkPack) -> list[Flowable]:
    rows = [
        [
            f"{one.item}\n{one.part}",
            one.kind,
            f"{one.used:,.0f} of {one.limit:,.0f}",
            p(
                f"{one.remaining:,.0f} left" + (" · past its limit" if one.remaining < 0 else ""),
                WARNING if one.share >= 1 else CELL,
            ),
            f"not told for {one.untold_s / 3600:,.0f} h" if one.untold_s else "",
        ]
        for one in pack.limits
    ]
    return [table(["item", "kind", "used", "left", ""], rows, [32, 12, 20, 20, 16])] if rows else []


def _papers(pack: WorkPack) -> list[Flowable]:
    rows = [
        [
            f"{one.title or one.version.document}\n{one.version.document} · {one.kind}",
            f"{one.version.version} {one.version.language}",
            one.item,
            p(one.version.content.sha256, CODE),
        ]
        for one in pack.papers
    ]
    return [table(["document", "version", "for", "SHA-256 of its content"], rows, [34, 12, 16, 38])] if rows else []


def _software(pack: WorkPack, zone: str) -> list[Flowable]:
    rows = []
    for one in pack.software:
        runs = one.runs
        told = {SoftwareState.BEHIND: "not what is required", SoftwareState.FORBIDDEN: "must not run here"}
        said = told.get(runs.state, "") if runs.state is not None else ""
        wanted = ", ".join(runs.required)
        rows.append(
            [
                path_text(one.path),
                runs.part,
                runs.version or p("never told", WARNING),
                moment(runs.since, zone) if runs.since is not None else "",
                p("\n".join(each for each in (wanted, said) if each), WARNING if runs.differs else CELL),
                one.item,
            ]
        )
    widths = [24, 16, 13, 19, 16, 15]
    return [table(["slot", "software", "version", "since", "required", "on"], rows, widths)] if rows else []


def _tree(pack: WorkPack) -> Table:
    rows = []

    def add(node: Node) -> None:
        item = node.item
        deep = "\u00a0\u00a0\u00a0" * len(node.path)
        rows.append(
            [
                f"{deep}{node.path[-1] if node.path else '(this item)'}",
                item.part or "not told",
                item.revision,
                item.maker,
                item.serial or item.lot,
                item.id,
            ]
        )
        for part in node.parts:
            add(part)

    add(pack.tree)
    return table(["slot", "part", "rev.", "maker", "serial number", "id"], rows, [26, 18, 7, 15, 17, 20])


def _signatures() -> Flowable:
    blank = [["", "", ""] for _ in range(BOXES)]
    found = Table(
        [[p("found, done, left open", HEADER), p("slot", HEADER), p("serial number", HEADER)], *blank],
        colWidths=[WIDTH * 0.56, WIDTH * 0.2, WIDTH * 0.24],
        rowHeights=[14, *[19] * BOXES],
        hAlign="LEFT",
    )
    found.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.4, LINE), ("BACKGROUND", (0, 0), (-1, 0), SHADE)]))
    names = [p(one, SMALL) for one in ("done by", "date and time", "signature", "checked by", "signature")]
    signed = Table([[""] * 5, names], colWidths=[WIDTH / 5] * 5, rowHeights=[26, 14], hAlign="LEFT")
    signed.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, 0), 0.6, INK)]))
    return KeepTogether([Paragraph("Found and done", HEAD), found, Spacer(0, 6), signed])

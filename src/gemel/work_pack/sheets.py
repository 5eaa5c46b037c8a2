"""What stands on paper of one machine: pages, styles, tables, and the head with its QR code."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, NamedTuple
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import segno
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from gemel.clock import SECOND
from gemel.configuration import Item

__all__ = [
    "ALARM",
    "BODY",
    "CELL",
    "CODE",
    "HEAD",
    "HEADER",
    "INK",
    "LINE",
    "SHADE",
    "SMALL",
    "WARNING",
    "WIDTH",
    "Head",
    "called",
    "moment",
    "on_paper",
    "p",
    "path_text",
    "section",
    "table",
    "top",
]

SANS, BOLD, MONO = "Gemel-Sans", "Gemel-Bold", "Gemel-Mono"
INK, SOFT, LINE, SHADE, ALARM = (HexColor(one) for one in ("#1c2126", "#5b646d", "#c9ced3", "#f1f3f5", "#b3261e"))
INSET = 17 * mm + 6
WIDTH = A4[0] - 2 * INSET
_HASH = re.compile("[0-9a-f]{64}")


def on_paper(story: Iterable[Flowable], *, title: str, subject: str, author: str, foot: str) -> bytes:
    """A PDF of A4 pages, with a line at the foot of each. The same story gives the same bytes."""
    _fonts()
    made = io.BytesIO()
    document = SimpleDocTemplate(
        made,
        pagesize=A4,
        leftMargin=17 * mm,
        rightMargin=17 * mm,
        topMargin=16 * mm,
        bottomMargin=19 * mm,
        title=title,
        subject=subject,
        author=author,
        creator="Gemel",
        invariant=1,
    )

    class Numbered(_Numbered):
        said = foot

    document.build(list(story), canvasmaker=Numbered)
    return made.getvalue()


@cache
def _fonts() -> None:
    for name, file in ((SANS, "DejaVuSans"), (BOLD, "DejaVuSans-Bold"), (MONO, "DejaVuSansMono")):
        with resources.as_file(resources.files("gemel.work_pack") / "fonts" / f"{file}.ttf") as path:
            pdfmetrics.registerFont(TTFont(name, io.BytesIO(path.read_bytes())))
    pdfmetrics.registerFontFamily(SANS, normal=SANS, bold=BOLD, italic=SANS, boldItalic=BOLD)


class _Numbered(Canvas):  # type: ignore[misc]  # reportlab has no types
    """Writes at the foot of each page, once it is known how many there are."""

    said = ""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - its name there
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for state in self._pages:
            self.__dict__.update(state)
            self.setFont(SANS, 7)
            self.setFillColor(SOFT)
            self.drawString(INSET, 11 * mm, self.said[:130])
            self.drawRightString(A4[0] - INSET, 11 * mm, f"{self._pageNumber} / {len(self._pages)}")
            super().showPage()
        super().save()


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        **{"fontName": SANS, "fontSize": size, "leading": size * 1.35, "textColor": INK, "splitLongWords": 1, **more},
    )


TITLE = _style("title", 17, fontName=BOLD)
HEAD = _style("head", 11, fontName=BOLD, spaceBefore=11, spaceAfter=4, keepWithNext=1)
BODY = _style("body", 8.5)
SMALL = _style("small", 7.3, textColor=SOFT)
CELL = _style("cell", 7.8)
CODE = _style("code", 6.6, fontName=MONO)
WARNING = _style("warning", 8.5, textColor=ALARM)
HEADER = _style("header", 7.2, fontName=BOLD, textColor=SOFT)


def p(text: object, style: ParagraphStyle = CELL) -> Paragraph:
    """Text as it is: what looks like markup is not."""
    return Paragraph(escape(str(text)).replace("\n", "<br/>") or "–", style)


def called(item: Item) -> str:
    return " ".join(one for one in (item.part, f"s/n {item.serial}" if item.serial else "", item.id) if one)


def moment(time: int, zone: str) -> str:
    return datetime.fromtimestamp(time // SECOND, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[float]) -> Table:
    """`widths`: shares of the page's width."""
    total = sum(widths)
    lines: list[list[Flowable | str]] = [[p(one, HEADER) if one else "" for one in header]]
    lines += [[one if isinstance(one, Flowable) else p(one) for one in row] for row in rows]
    made = Table(lines, colWidths=[WIDTH * one / total for one in widths], repeatRows=1, hAlign="LEFT")
    made.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("BACKGROUND", (0, 0), (-1, 0), SHADE),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
                ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ]
        )
    )
    return made


def section(title: str, parts: Sequence[Flowable], nothing: str, *, hidden: bool = False) -> Iterator[Flowable]:
    yield Paragraph(escape(title), HEAD)
    if hidden:
        yield p("Not shared with you.", WARNING)
    elif parts:
        yield from parts
    else:
        yield p(nothing, BODY)


class Head(NamedTuple):
    """What stands at the head of a paper about an item."""

    kind: str
    """Work pack WP-…"""
    item: Item
    root: str
    path: Sequence[str]
    facts: Sequence[tuple[str, str]]
    """More of it, after its identity."""


def top(head: Head, *, page: str, titled: str) -> Table:
    """`page`: the address that its QR code leads to; `titled`: the plant."""
    code = io.BytesIO()
    segno.make(page, error="q", micro=False).save(code, kind="png", scale=8, border=2)
    code.seek(0)
    item = head.item
    place = f"{head.root} › {' › '.join(head.path)}" if head.root else "in nothing"
    facts = [
        ("serial number", item.serial or item.lot or "not told"),
        ("part", " ".join(one for one in (item.part, item.revision and f"revision {item.revision}") if one)),
        ("maker", item.maker or "not told"),
        ("where", place),
        *head.facts,
    ]
    lines = [[p(name, SMALL), p(told, CODE if _HASH.fullmatch(told) else BODY)] for name, told in facts]
    told = Table(lines, colWidths=[28 * mm, WIDTH - 68 * mm], hAlign="LEFT")
    told.setStyle(
        TableStyle(
            [
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
                ("LEFTPADDING", (0, 0), (0, -1), 0),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    left = [p(head.kind, SMALL), p(item.id, TITLE), Spacer(0, 3), told]
    right = [Image(code, 34 * mm, 34 * mm), p(titled or "Scan for the twin", SMALL)]
    made = Table([[left, right]], colWidths=[WIDTH - 38 * mm, 38 * mm], hAlign="LEFT")
    made.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("LINEBELOW", (0, 0), (-1, -1), 1, INK),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
            ]
        )
    )
    return made


def path_text(path: Sequence[str]) -> str:
    return " › ".join(path) or "the item itself"

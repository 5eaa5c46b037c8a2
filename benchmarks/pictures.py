"""The cost curves as pictures and as a section of docs/performance.md, from the rows named `curve, <step>: <what>`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

__all__ = ["section"]

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#7f8791",  # is read on white and on black
    foreground_strong="#7f8791",
    foreground_subtle="#7f8791",
    guide_stroke_color="#7f879155",
    major_guide_stroke_color="#7f879155",
    colors=("#3f8fd2", "#dd7a36", "#4c9f63"),
    font_family="sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    title_font_size=15,
)
CURVES = {
    "twins": "Twins of ten numbers each: what one process takes for them, and how fast it answers.",
    "history": "The history grows to ten times its first length, which is half a year of one property at 1 Hz.",
    "screens": "Screens of ten twins each, refreshed ten times a second, while 1,000 machines send a message a second.",
}


def section(results: list[dict[str, Any]]) -> str:
    """Markdown of all curves; draws a picture for each unit of each."""
    parts = []
    for kind, says in CURVES.items():
        steps = _steps(results, kind)
        if not steps:
            continue
        parts += [f"### {kind.capitalize()}", "", says, "", *_table(steps), ""]
        parts += [f"![{kind}: {unit}](pictures/{_draw(kind, unit, steps)})" for unit in _units(steps)] + [""]
    return "\n".join(parts)


Steps = dict[str, dict[str, dict[str, Any]]]
"""Step → what → its row."""


def _steps(results: list[dict[str, Any]], kind: str) -> Steps:
    steps: Steps = {}
    for row in results:
        found = re.fullmatch(r"curve, ([^:]+): (.+)", row["name"])
        if found and kind in found[1].split():
            steps.setdefault(found[1].replace(kind, "").strip(), {})[found[2]] = row
    return steps


def _whats(steps: Steps) -> dict[str, str]:
    """What is measured → its unit."""
    return {what: row["unit"] for rows in steps.values() for what, row in rows.items()}


def _units(steps: Steps) -> list[str]:
    return list(dict.fromkeys(_whats(steps).values()))


def _table(steps: Steps) -> list[str]:
    lines = ["| | " + " | ".join(steps) + " | |", "| --- |" + " --- |" * (len(steps) + 1)]
    for what, unit in _whats(steps).items():
        cells = (_figure(rows[what]["value"]) if what in rows else "" for rows in steps.values())
        lines.append(f"| {what} | {' | '.join(cells)} | {unit} |")
    return lines


def _draw(kind: str, unit: str, steps: Steps) -> str:
    """The lines of one unit; the file's name."""
    told = {
        what: [rows[what]["value"] if what in rows else None for rows in steps.values()]
        for what, its in _whats(steps).items()
        if its == unit
    }
    values = [value for line in told.values() for value in line if value is not None]
    wide = 0 < 30 * min(values) < max(values)
    low, high = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))) if wide else (0, 0)
    chart = pygal.Line(
        style=STYLE,
        title=f"{kind}, {unit}",
        width=640,
        height=320,
        legend_at_bottom=True,
        legend_at_bottom_columns=1,
        dots_size=4,
        js=[],
        no_prefix=True,
        disable_xml_declaration=True,
        logarithmic=wide,
        range=(10**low, 10**high) if wide else (min(0, *values), max(values)),
        value_formatter=_figure,
    )
    chart.x_labels = list(steps)
    if wide:
        chart.y_labels = [10**power for power in range(low, high + 1)]
    for what, line in told.items():
        chart.add(what, line)
    FOLDER.mkdir(exist_ok=True)
    name = f"{kind}-{re.sub('[^a-z]+', '-', unit.lower())}.svg"
    (FOLDER / name).write_text(re.sub(r"<!--.*?-->", "", chart.render(is_unicode=True)) + "\n")
    return name


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"

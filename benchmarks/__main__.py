"""`python -m benchmarks [name …] [--small]`: run them, print the table, write results.json and docs/performance.md."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks import pictures
from benchmarks.record import Record, Result

HELPERS = ("__main__", "elsewhere", "load", "outside", "pictures", "publish", "record", "screen", "served")
RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
TABLE, CURVES = "results", "curves"
"""What is written into the page, each between its marks."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    runnable = [name for name in names if name not in HELPERS]
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones (all): {', '.join(runnable)}")
    parser.add_argument("--small", action="store_true", help="small data, to see that they run; figures mean little")
    arguments = parser.parse_args()
    record = Record(small=arguments.small)
    kept = earlier() if arguments.names else []
    for name in arguments.names or runnable:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"== {name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        began = time.monotonic()
        module.run(record)
        print(f"   ({time.monotonic() - began:.0f} s)", flush=True)
        if not arguments.small:
            keep(record, kept)
    show(record.results)


def keep(record: Record, others: list[dict[str, Any]]) -> None:
    """Write what has been measured so far, with the results of benchmarks that are not run this time."""
    kept = [result for result in others if result["name"] not in record.names]
    results = kept + [result.as_dict() for result in record.results]
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    rows = [result for result in results if not result["name"].startswith("curve, ")]
    write(TABLE, page(rows))
    write(CURVES, pictures.section(results))


def write(part: str, text: str) -> None:
    """Put the text between the part's marks in the page."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}")


def page(results: list[dict[str, Any]]) -> str:
    """The results as the table of docs/performance.md."""
    lines = ["| what | measured | budget | met | reference | ratio |", "| --- | --- | --- | --- | --- | --- |"]
    for r in results:
        met = {True: "yes", False: "**no**", None: ""}[r["ok"]]
        bound = "≥" if r["ok"] == (r["value"] >= (r["budget"] or 0)) else "≤"
        budget = "" if r["budget"] is None else f"{bound} {figure(r['budget'])}"
        reference = "" if r["reference"] is None else figure(r["reference"])
        ratio = "" if r["ratio"] is None else f"{r['ratio']:.2f}"
        lines.append(f"| {r['name']} | {figure(r['value'])} {r['unit']} | {budget} | {met} | {reference} | {ratio} |")
    return "\n".join(lines) + "\n"


def figure(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def earlier() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def show(results: list[Result]) -> None:
    table = Table("", "measured", "unit", "budget", "reference", "ratio", "")
    for r in results:
        table.add_row(
            r.name,
            f"{r.value:,.4g}" if r.value < 1000 else f"{r.value:,.0f}",
            r.unit,
            "" if r.budget is None else f"{'≥' if r.higher_is_better else '≤'} {figure(r.budget)}",
            "" if r.reference is None else f"{r.reference:,.4g}" if r.reference < 1000 else f"{r.reference:,.0f}",
            "" if r.ratio is None else f"{r.ratio:.2f}",
            {True: "ok", False: "[red]missed[/red]", None: ""}[r.ok],
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    console.print(table)


if __name__ == "__main__":
    main()

"""Fills the tables of docs/reliability.md from the tests and their last results: `python -m tests.guarantees.page`.

The promise of a row is the first sentence of its test module's docstring; results come from reliability-results.json,
which a run with GEMEL_RESULTS=1 writes.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.guarantees.faults.results import RESULTS

__all__ = ["PAGE", "filled"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- {}: filled by tests/guarantees/page.py -->", "<!-- {}: until here -->"
RUNS = ("short", "full")
COUNTS = ("ok", "lost", "unknown")
Told = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""Guarantee → what was tried → run → figures."""


def read() -> Told:
    told: Told = json.loads(RESULTS.read_text())
    return told


def promise(number: int, told: Told) -> str:
    """One line of the first table: the promise, its tests, and what the last short and full runs came to."""
    guarantee = f"G{number}"
    found = sorted(HERE.glob(f"test_g{number:02d}_*.py"))
    if not found:
        return f"| {guarantee} | no test of this name yet | | | |"
    text = ast.get_docstring(ast.parse(found[0].read_text())) or ""
    said = re.split(r"\.(?:\s|$)", " ".join(text.split()).removeprefix(f"{guarantee}: "), maxsplit=1)[0]
    tests = ", ".join(f"`{path.relative_to(ROOT).as_posix()}`" for path in found)
    sums = " | ".join(summed([runs[run] for runs in told.get(guarantee, {}).values() if run in runs]) for run in RUNS)
    return f"| {guarantee} | {said} | {tests} | {sums} |"


def summed(results: list[dict[str, Any]]) -> str:
    """`1,234 / 0 / 5`: ok, lost, unknown."""
    return " / ".join(f"{sum(one[name] for one in results):,}" for name in COUNTS) if results else "not run"


def details(told: Told) -> list[str]:
    """The lines of the second table: each thing that was tried, in each run."""
    return [
        f"| {guarantee} | {what} | {run} | {one['date']} | {one['seed']} | "
        + " | ".join(f"{one[name]:,}" for name in COUNTS)
        + " | "
        + ", ".join(
            f"{name.replace('_', ' ')} {value:,}"
            for name, value in sorted(one.items())
            if name not in {"date", "seed", *COUNTS}
        )
        + " |"
        for guarantee in sorted(told, key=lambda name: int(name[1:]))
        for what, runs in sorted(told[guarantee].items())
        for run in RUNS
        if (one := runs.get(run)) is not None
    ]


def put(text: str, name: str, lines: list[str]) -> str:
    before, begin, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    assert begin, f"the page has no place for {name}"
    assert end, f"the page has no end of {name}"
    return before + begin + "\n" + "\n".join(lines) + "\n" + end + after


def filled(text: str) -> str:
    """The page with its tables as the tests and results are now."""
    told = read()
    head = ["| | promise | tests | short run | full run |", "| --- | --- | --- | --- | --- |"]
    text = put(text, "promises", [*head, *(promise(number, told) for number in range(1, 19))])
    head = ["| | what | run | date | seed | ok | lost | unknown | and |", "| --- " * 5 + "| ---: " * 3 + "| --- |"]
    return put(text, "results", [*head, *details(told)])


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is filled\n")


if __name__ == "__main__":
    main()

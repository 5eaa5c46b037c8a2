"""Fills the table of docs/reliability.md from the tests and their last results: `python -m tests.guarantees.page`.

The promise of a row is the first sentence of its test module's docstring; results come from reliability-results.json,
which a run with GEMEL_RESULTS=1 writes.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

from tests.guarantees.faults.results import RESULTS

__all__ = ["PAGE", "filled"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- filled by tests/guarantees/page.py -->", "<!-- until here -->"
ELSEWHERE = {
    "G14": "at most one command is executed per id, and its outcome is known or said to be unknown: commands are not "
    "built yet",
    "G15": "a lost update is impossible: a change says the revision it was made for (`If-Match`), and is refused with "
    "412 when that is not the last one; tried by the tests of registry and server, not yet by many writers at once",
}


def row(number: int) -> str:
    """One line of the table."""
    guarantee = f"G{number}"
    found = sorted(HERE.glob(f"test_g{number:02d}_*.py"))
    if not found:
        return f"| {guarantee} | {ELSEWHERE.get(guarantee, 'no test of this name yet')} | | |"
    text = ast.get_docstring(ast.parse(found[0].read_text())) or ""
    promise = re.split(r"\.(?:\s|$)", " ".join(text.split()).removeprefix(f"{guarantee}: "), maxsplit=1)[0]
    tests = ", ".join(f"`{path.relative_to(ROOT).as_posix()}`" for path in found)
    return f"| {guarantee} | {promise} | {tests} | {results(guarantee)} |"


def results(guarantee: str) -> str:
    told = json.loads(RESULTS.read_text()).get(guarantee, {}) if RESULTS.exists() else {}
    return "; ".join(
        f"{what}: " + ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in sorted(figures.items()))
        for what, figures in sorted(told.items())
    )


def filled(text: str) -> str:
    """The page with its table as the tests and results are now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    head = "| | promise | tests | last results |\n| --- | --- | --- | --- |\n"
    table = head + "\n".join(row(number) for number in range(1, 19))
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is filled\n")


if __name__ == "__main__":
    main()

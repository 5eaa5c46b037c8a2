"""docs/security.md tells the truth: what it names as a threat's test is one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/security.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| T")]


def functions_of(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_threats() -> None:
    assert len(ROWS) >= 30
    numbers = [int(row.split("|")[1].strip().removeprefix("T")) for row in ROWS]
    assert numbers == list(range(1, len(ROWS) + 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_each_threat_has_a_test_that_exists(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 4, "number, threat, what Gemel does, tests"
    assert all(cells)
    named = TEST.findall(cells[3])
    assert named, f"{cells[1]} names no test"
    for file, function in named:
        assert function.startswith("test_")
        assert function in functions_of(ROOT / file), f"{file} has no {function}"


def test_every_test_of_this_room_stands_for_a_threat() -> None:
    named = {function for _, function in TEST.findall(PAGE)}
    for path in Path(__file__).parent.glob("test_security_*.py"):
        if path != Path(__file__):
            wanted = {name for name in functions_of(path) if name.startswith("test_")}
            assert wanted <= named, f"{path.name}: not in docs/security.md: {wanted - named}"

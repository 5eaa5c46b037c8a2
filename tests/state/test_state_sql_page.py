"""The page about SQL: its examples run, its columns are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import gemel

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sql.md"
PLANT = """
gemel: 1
types: [{id: press, properties: [{name: temperature, unit: Cel}]}]
twins: [{id: press-7, types: [press]}]
"""


def test_the_examples_of_the_page_run_and_its_columns_are_those_that_there_are(tmp_path: Path) -> None:
    page = PAGE.read_text()
    with gemel.open(tmp_path / "plant") as plant:
        plant.apply(PLANT)
        plant.write("press-7", "temperature", 85.5)
        examples = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
        assert len(examples) == 4
        for example in examples:
            plant.query(example)
        for view, told in re.findall(
            r"^\| `([\w.]+)` \|[^|]*\| (`series`|`twin`|`kind`|`position`)", page, re.MULTILINE
        ):
            assert plant.query(f"SELECT * FROM {view}").column_names[0] == told.strip("`")
        for view in ("twins", "links", "history.reading", "history.happened", "history.series"):
            (row,) = re.findall(rf"^\| `{re.escape(view)}` \|[^|]*\| (.*) \|$", page, re.MULTILINE)
            told = re.findall(r"`(\w+)`", row)
            assert plant.query(f"SELECT * FROM {view}").column_names == told

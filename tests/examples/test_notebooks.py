"""The notebooks of examples/notebooks run from their first line to their last, and say what is true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gemel.errors import MissingExtra
from gemel.platform import Platform
from gemel.twin import Tabular

from .conftest import EXAMPLES

ASKED = ("press-7", "oil_temperature", "2026-03-20T08:00:00Z", "2026-03-20T09:00:00Z")


def printed(name: str, folder: Path, **environment: str) -> dict[str, str]:
    """What a notebook prints, by the first word of each line."""
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", str(EXAMPLES / "notebooks" / name)]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in done.stdout.splitlines()}


def test_one_line_each_for_pandas_polars_arrow_and_duckdb(url: str, token: str, tmp_path: Path) -> None:
    told = printed("tables.py", tmp_path, GEMEL_URL=url, GEMEL_TOKEN=token)
    values = [60 + n % 64 / 8 for n in range(3600)]
    assert told["pandas"] == f"3600 {np.mean(values).round(3)}"
    assert told["polars"] == "3600 67.875"
    assert told["arrow"] == "3600 ['time', 'value', 'quality']"
    assert told["duckdb"] == "(3600, 67.875)"
    assert told["drawn"] == "True 67.875"
    assert "'twin': 'press-7', 'oil_temperature': 61.875" in told["now"]
    assert told["events"] == "True"


def test_the_files_of_a_folder_are_read_without_gemel(plant: Platform, tmp_path: Path) -> None:
    told = printed("files.py", tmp_path, GEMEL_FOLDER=str(plant.folder.path))
    assert int(told["polars"]) == int(told["pandas"]) >= 3600
    assert told["duckdb"] == f"({told['polars']}, 67.875)"


def test_the_library_gives_the_same_tables_as_the_client(plant: Platform) -> None:
    series = plant.range(*ASKED, method="raw")
    frame = series.to_pandas()
    assert (len(frame), str(frame["time"].dt.tz)) == (3600, "UTC")
    assert series.to_polars().height == series.to_arrow().num_rows == 3600
    states = plant.range("press-7", "mode", *ASKED[2:]).to_pandas()
    assert list(states["value"]) == ["AUTOMATIC"]


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)

    class Told(Tabular):
        columns = {"time": [0], "value": [1.0]}  # noqa: RUF012 - a table

    with pytest.raises(MissingExtra, match="pip install polars"):
        Told().to_polars()

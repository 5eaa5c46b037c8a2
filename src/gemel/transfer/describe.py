"""What is in an export, column by column, and what is not and why."""

from __future__ import annotations

from importlib import resources

import yaml

__all__ = ["COLUMNS", "FILES", "JOURNAL", "LEFT_OUT", "README", "left_out_columns"]

_DESCRIBED = yaml.safe_load(resources.files("gemel.transfer").joinpath("columns.yaml").read_text("utf-8"))

COLUMNS: dict[str, dict[str, str]] = _DESCRIBED["tables"]
"""Table of the database → column → what it is."""
FILES: dict[str, dict[str, str]] = _DESCRIBED["files"]
"""Other files → column → what it is."""
LEFT_OUT: dict[str, str] = _DESCRIBED["tables_left_out"]
"""Table → why it is not exported."""
JOURNAL = "journal_block"


def left_out_columns(table: str) -> list[str]:
    """Columns of an exported table that are credentials."""
    return list(_DESCRIBED["columns_left_out"].get(table, ()))


README = """# A whole plant, exported by Gemel

Everything here is in open formats: Parquet, JSON Lines (one JSON object per line, UTF-8), YAML. `schema.json` describes
every column of every file; `manifest.json` names each file with its size and SHA-256, and the position and hash of the
journal that all of it is of.

| what | where |
| --- | --- |
| types, twins, links, connectors as a plant document | `plant.yaml` |
| every row of the database: versions of types, links with times, people, quarantine, audit log … | `tables/*.jsonl` |
| the journal: every change exactly as it was hashed, and the chain of hashes | `journal/*.jsonl` |
| every reading and event ever, UTC | `history/<table>/…/*.parquet` |
| which series is which property, with its unit | `history/series.parquet` |
| documents, and files that records were read from, named by their SHA-256 (`tables/thread_*.jsonl`) | `documents/` |
| the last value of every property | `now/*.parquet`, `now/about.json` |

Bytes are hexadecimal. Not in here: passwords, tokens, keys and other credentials. People's names are in here.

DuckDB reads it: `SELECT s.twin, s.property, r.time, r.value FROM 'history/reading/**/*.parquet' r
JOIN 'history/series.parquet' s USING (series) ORDER BY r.time`.

To make it a plant again: `gemel --at NEW-FOLDER import everything THIS-FOLDER`.
"""

"""A history made anew from its Parquet files, without the catalogue that they had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from gemel.history.lake import Lake
from gemel.history.load import text
from gemel.history.tables import CREATE, schema_of

__all__ = ["rebuild", "tables_of"]


def tables_of() -> dict[str, str]:
    """Table → its columns as SQL: everything that a history keeps."""
    return dict(CREATE)


def rebuild(
    folder: Path,
    files: Iterable[tuple[str, Path]],
    position: int,
    *,
    catalogue_url: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Make the history in `folder` from (table, Parquet file) pairs that hold everything up to `position`.

    Files of one folder are taken as one partition and sorted together. All of it is there, or nothing.
    """
    told = progress or (lambda _: None)
    groups: dict[tuple[str, Path], list[Path]] = {}
    for table, path in files:
        groups.setdefault((table, path.parent), []).append(path)
    lake = Lake(folder, catalogue_url=catalogue_url)
    try:
        also = []
        for done, ((table, _), paths) in enumerate(sorted(groups.items())):
            names = ", ".join(column.split()[0] for column in CREATE[table].split(", "))
            listed = ", ".join(text(path) for path in sorted(paths))
            also.append(
                (table, f"SELECT {names} FROM read_parquet([{listed}], {schema_of(table)}, hive_partitioning = false)")
            )
            told(0.1 * done / max(1, len(groups)))
        lake.commit({}, position, also=also)
        told(1.0)
    finally:
        lake.close()

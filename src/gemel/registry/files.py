"""Plant documents from files and folders."""

from __future__ import annotations

from pathlib import Path

from gemel.errors import InvalidDocument, Problem
from gemel.twin import Plant, merge_plants, parse_plant

__all__ = ["load_plant"]

_SUFFIXES = (".yaml", ".yml", ".json")


def load_plant(*paths: Path | str) -> Plant:
    """Files, and all documents in folders (at any depth, in order of name), as one plant.

    Raises InvalidDocument with the faults of all of them.
    """
    plants, problems = [], []
    files = _files([Path(path) for path in paths])
    for path in files:
        try:
            plants.append(parse_plant(path.read_bytes(), str(path)))
        except InvalidDocument as error:
            if len(files) == 1:
                raise
            problems += [Problem(f"{p.message} ({path})", p.field, p.line, p.column) for p in error.problems]
    name = ", ".join(str(path) for path in paths)
    if problems:
        raise InvalidDocument(name, problems)
    return merge_plants(plants, name)


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
            if not inside:
                raise InvalidDocument(str(path), [Problem("the folder holds no .yaml, .yml or .json document")])
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InvalidDocument(str(path), [Problem("there is no such file or folder")])
    return list(dict.fromkeys(found))

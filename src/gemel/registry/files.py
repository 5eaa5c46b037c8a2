"""Plant documents from files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gemel.errors import InvalidDocument, Problem
from gemel.twin import Plant, merge_plants, parse_plant

__all__ = ["load_plant"]

_SUFFIXES = (".yaml", ".yml", ".json")


def load_plant(*documents: Path | str) -> Plant:
    """Files, all documents in folders (at any depth, in order of name), or texts, as one plant.

    A str with a line break in it is the document itself. Raises InvalidDocument with the faults of all of them.
    """
    texts = _texts(documents)
    plants, problems = [], []
    for name, text in texts:
        try:
            plants.append(parse_plant(text, name))
        except InvalidDocument as error:
            if len(texts) == 1:
                raise
            problems += [replace(p, message=f"{p.message} ({name})") for p in error.problems]
    whole = ", ".join(dict.fromkeys(name for name, _ in texts[:3])) + (" …" if len(texts) > 3 else "")
    if problems:
        raise InvalidDocument(whole, problems)
    return merge_plants(plants, whole)


def _texts(documents: Sequence[Path | str]) -> list[tuple[str, str | bytes]]:
    """(name, text) of each document."""
    found: dict[str, str | bytes] = {}
    for i, document in enumerate(documents):
        if isinstance(document, str) and "\n" in document:
            found[f"document {i + 1}" if len(documents) > 1 else "the document"] = document
        else:
            found |= {str(path): path.read_bytes() for path in _files([Path(document)])}
    return list(found.items())


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

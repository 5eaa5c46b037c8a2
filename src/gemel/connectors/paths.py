"""Paths into JSON documents, as bindings and settings write them: `oil.temp`, `axes[0].load`, `["a.b"].value`.

Keys are separated by dots; `[n]` picks an element of a list (from 0, or from the end with -1), `["…"]` a key with dots
or brackets in it. The empty path is the document itself. A last `*` stands for every key of the object that is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from gemel.errors import InvalidInput

__all__ = ["MISSING", "Path", "parse_path"]

MISSING: Any = object()
"""What `Path.get` gives where there is nothing; None is a value (JSON null)."""

_TOKEN = re.compile(r'\[(-?\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]|(?:^|\.)([^.\[\]"*]+)|(?:^|\.)(\*)$')


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. `every`: it ends in `*`, so `get` finds the object whose keys are meant."""

    text: str
    keys: tuple[str | int, ...]
    every: bool = False

    def get(self, document: Any) -> Any:
        """What is at this path of a decoded document; MISSING where there is nothing of that name."""
        for key in self.keys:
            if type(key) is str:
                if type(document) is not dict or (document := document.get(key, MISSING)) is MISSING:
                    return MISSING
            elif type(document) is list:
                try:
                    document = document[key]  # type: ignore[index]  # an int by construction
                except IndexError:
                    return MISSING
            else:
                return MISSING
        return document


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """The path that `text` writes. Raises InvalidInput with the place of the first fault."""
    keys: list[str | int] = []
    at, every = 0, False
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise InvalidInput(
                f"path {text!r:.120} cannot be read at character {at + 1}; "
                'write it like oil.temp, axes[0].load or ["a.b"]'
            )
        index, quoted, name, star = token.groups()
        if index is not None:
            keys.append(int(index))
        elif quoted is not None:
            keys.append(_unquoted(quoted, text))
        elif name is not None:
            keys.append(name)
        else:
            every = star is not None
        at = token.end()
    return Path(text, tuple(keys), every)


def _unquoted(quoted: str, text: str) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"path {text!r:.120} has a key in quotes that is not JSON: {error}") from None

"""Ids that people and machines choose: short, printable, safe in a path, a URL and a topic."""

from __future__ import annotations

import re

from gemel.errors import InvalidId

__all__ = ["check_id", "check_name"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)


def check_id(text: object, what: str = "id") -> str:
    """`text` if it can be the id of a twin, type, connector or link kind; raises InvalidId.

    Letters, digits and . _ : ~ - ; starts with a letter or digit; at most 128; no two dots in a row.
    """
    if not isinstance(text, str) or not _ID.fullmatch(text) or ".." in text:
        raise InvalidId(
            f"{what} {text!r:.80} is not allowed; use letters, digits and . _ : ~ -, "
            "starting with a letter or digit, at most 128"
        )
    return text


def check_name(text: object, what: str = "name") -> str:
    """`text` if it can name a property, command, event or slot (also an SQL column); raises InvalidId."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InvalidId(
            f"{what} {text!r:.80} is not allowed; use letters, digits and _, starting with a letter, at most 64"
        )
    return text

"""What a reader of a log knows at a moment: the last line of each item, and of each condition that is on."""

from __future__ import annotations

from gemel.connectors.mtconnect.shdr import format_fields, split_fields

__all__ = ["KnownLines"]

_OFF = "\0"
"""Stands for the code of a condition of which none is on."""


class KnownLines:
    """Learns lines in order; tells those that still hold."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], str] = {}

    def lines(self) -> list[str]:
        """The lines that tell all that is known, the longest known first."""
        return list(self._lines.values())

    def learn(self, line: str) -> None:
        fields = split_fields(line)
        if len(fields) == 7:
            self._learn_condition(fields, line)
        else:
            for at in range(1, len(fields) - 1, 2):
                self._put(fields[at], "", format_fields([fields[0], *fields[at : at + 2]]))

    def _learn_condition(self, fields: list[str], line: str) -> None:
        time, item, level, code = *fields[:2], fields[2].upper(), fields[3]
        if level not in ("NORMAL", "UNAVAILABLE"):
            self._lines.pop((item, _OFF), None)
            self._put(item, code, line)
            return
        one = level == "NORMAL" and code
        for key in [key for key in self._lines if key[0] == item and (key[1] == code or not one)]:
            del self._lines[key]
        if not any(key[0] == item for key in self._lines):
            self._put(item, _OFF, f"{time}|{item}|{level}||||")

    def _put(self, item: str, code: str, line: str) -> None:
        self._lines.pop((item, code), None)
        self._lines[item, code] = line

"""What a reader of a log knows at a moment: the last line of each item, and of each condition that is on."""

from __future__ import annotations

from gemel.connectors.mtconnect.shdr import format_fields, split_fields

__all__ = ["KnownLines"]


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
        item, level, code = fields[1], fields[2].upper(), fields[3]
        on = [key for key in self._lines if key[0] == item] if level in ("NORMAL", "UNAVAILABLE") else []
        if on and not code:
            for key in on:
                del self._lines[key]
        self._lines.pop((item, ""), None)
        if level != "NORMAL" or not code:
            self._put(item, code, line)
        elif not [key for key in on if key != (item, code) and key[1]]:
            self._lines.pop((item, code), None)
            self._put(item, "", f"{fields[0]}|{item}|NORMAL||||")
        else:
            self._lines.pop((item, code), None)

    def _put(self, item: str, code: str, line: str) -> None:
        self._lines.pop((item, code), None)
        self._lines[item, code] = line

"""How answers are printed: tables for people, `--json` for programs, problems in red."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gemel.clock import SECOND, parse_time, to_rfc3339
from gemel.errors import GemelError
from gemel.twin import Quality

__all__ = ["Output", "edge", "output"]

PIPED_WIDTH = 200
"""Columns of what goes into a file or another program, which has no width of its own."""
NARROWEST = 14
"""Columns of a table that would get less room than so many characters are shown below one another instead."""
MOMENTS = {"time", "recorded", "changed", "stale_since", "since", "until", "created", "start", "end"}


def edge(value: Any) -> Any:
    """Plain data as at every edge: moments in RFC 3339, qualities by name. Columns of series stay microseconds."""
    if isinstance(value, Quality):
        return value.name.lower()
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {
            key: to_rfc3339(one) if key in MOMENTS and type(one) is int else edge(one) for key, one in value.items()
        }
    return [edge(one) for one in value] if isinstance(value, list | tuple) else value


class Output:
    """Where answers go; `json` is set by the global option of that name."""

    def __init__(self) -> None:
        self.json = False
        self.time_zone = ""
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
        self.errors = Console(stderr=True, highlight=False)

    def value(self, value: Any) -> None:
        """Any answer as JSON (indented), whatever the mode."""
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(edge(value), enc_hook=str), indent=2) + b"\n")
        sys.stdout.buffer.flush()

    def rows(self, title: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
        """A list: as a table of `columns`, or all of it as JSON; `empty` says what to do when there is none."""
        listed = list(rows)
        if self.json:
            self.value(listed)
        elif not listed:
            self.console.print(f"[dim]{empty}[/dim]")
        else:
            table = Table(*columns, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
            for row in listed:
                table.add_row(*(self.cell(row.get(column)) for column in columns))
            if len(columns) * NARROWEST > self.console.width:
                self._records(listed, columns)
            else:
                self.console.print(table)

    def _records(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """A block of lines for each row: for tables that are too wide to be read."""
        for number, row in enumerate(rows, 1):
            table = Table.grid("column", "value", padding=(0, 2))
            for column in columns:
                table.add_row(f"[bold]{column}[/bold]", self.cell(row.get(column)))
            self.console.print(f"[dim]row {number}[/dim]", table)

    def done(self, text: str, **facts: Any) -> None:
        """Something was done: one line, or its facts as JSON."""
        if self.json:
            self.value(facts)
        else:
            self.console.print(f"[green]✓[/green] {escape(text)}")

    def note(self, text: str) -> None:
        """A remark beside the answer; not part of it."""
        self.errors.print(f"[dim]{escape(text)}[/dim]")

    def error(self, error: GemelError) -> None:
        """The error, with the way out."""
        if self.json:
            self.value({"code": error.code, "title": error.title, "detail": error.detail, **error.extra})
        self.errors.print(f"[red]✗ {error.title}[/red] [dim]({error.code})[/dim]\n  ", end="")
        self.errors.print(error.detail, markup=False)

    def progress(self, what: str) -> Progress:
        """A progress bar on standard error; silent when that is no terminal."""
        return Progress(
            TextColumn(what, markup=False),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.errors,
            transient=not self.errors.is_terminal,
        )

    def time(self, micros: int) -> str:
        """A moment in the site's (or the machine's) time zone."""
        zone = ZoneInfo(self.time_zone) if self.time_zone else None
        return datetime.fromtimestamp(micros / SECOND).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    def moment(self, text: str | None) -> str | None:
        """A moment as the API tells it (RFC 3339, or none), in that time zone."""
        return self.time(parse_time(text)) if text else None

    def cell(self, value: Any) -> str:
        """One value in a table."""
        if value is None:
            return "[dim]–[/dim]"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:,.6g}"
        if isinstance(value, list | tuple):
            return ", ".join(self.cell(item) for item in value) or "[dim]–[/dim]"
        if isinstance(value, dict):
            return ", ".join(f"{key}={self.cell(item)}" for key, item in value.items())
        return escape(str(value)) or "[dim]–[/dim]"


output = Output()

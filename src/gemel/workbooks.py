"""A sheet of a workbook that others made, read in a process of its own with limits: of a sheet with something in its
first and its last cell, a kilobyte, all seventeen thousand million cells between them are laid out, too.

`read_sheet` is the side of the platform; `main` the process: a path as argument, the name of a sheet in; JSON out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gemel.errors import InvalidInput, Overloaded

__all__ = ["MOST_BYTES", "MOST_ROWS", "WORKBOOKS", "Sheet", "main", "read_sheet"]

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MOST_BYTES = 64 << 20
"""Of a file, and of all that is said in a sheet."""
MOST_ROWS, MOST_CELLS = 200_000, 4_000_000
MEMORY_MB, TIMEOUT_S = 1024, 120.0
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
_FORMS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda told: timedelta(seconds=float(told)),
}


class Sheet(msgspec.Struct, frozen=True):
    """What is in it."""

    name: str
    first: int = 1
    """Number of its first row, from 1."""
    rows: list[list[Any]] = []
    """Texts (empty: nothing), numbers, booleans, dates and times; all of one length."""


class _Answer(msgspec.Struct, frozen=True):
    sheet: Sheet | None = None
    error: str = ""


def read_sheet(path: Path, name: str = "", *, memory_mb: int = MEMORY_MB) -> Sheet:
    """The sheet of that name, or the first one. Raises InvalidInput (damaged, too large), Overloaded (no process)."""
    if path.stat().st_size > MOST_BYTES:
        raise InvalidInput(f"it is larger than {MOST_BYTES >> 20} MB; split it")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gemel.workbooks", str(path.absolute()), str(memory_mb)],
            input=name.encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidInput(f"to read the workbook takes longer than {TIMEOUT_S:.0f} s; split it") from None
    except OSError as error:
        raise Overloaded(f"there is no process to read the workbook: {error.strerror or error}") from None
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.MsgspecError:
        raise InvalidInput(
            f"to read the workbook needs more than {memory_mb:,} MB; a cell far to the right or far below counts with "
            "all between: delete empty columns and rows, or save it as CSV"
        ) from None
    if answer.sheet is None:
        raise InvalidInput(answer.error)
    for row in answer.sheet.rows:
        row[:] = [_read(cell) if isinstance(cell, dict) else cell for cell in row]
    return answer.sheet


def _read(cell: dict[str, str]) -> Any:
    ((form, told),) = cell.items()
    return _FORMS[form](told)


def main() -> None:
    """The process: answers once, and ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    path, memory_mb = sys.argv[1:]
    name = sys.stdin.buffer.read().decode()
    _limit(int(memory_mb))
    try:
        answer = _Answer(_sheet(path, name))
    except InvalidInput as error:
        answer = _Answer(error=error.detail)
    out.write(msgspec.json.encode(answer))
    out.flush()


def _sheet(path: str, name: str) -> Sheet:
    from python_calamine import CalamineError, CalamineWorkbook  # the platform never loads it

    try:
        with CalamineWorkbook.from_path(path) as book:
            names = book.sheet_names
            if name and name not in names:
                raise InvalidInput(f"there is no sheet {name!r:.60}; there are {', '.join(names):.300}")
            sheet = book.get_sheet_by_name(name or names[0])
            if sheet.height > MOST_ROWS:
                raise InvalidInput(f"there are more than {MOST_ROWS:,} rows; split it")
            if sheet.height * sheet.width > MOST_CELLS:
                raise InvalidInput(
                    f"there are {sheet.height:,} rows of {sheet.width:,} columns, more than {MOST_CELLS:,} cells; "
                    "delete empty columns and rows, or split it"
                )
            return Sheet(name or names[0], (sheet.start or (0, 0))[0] + 1, list(_rows(sheet.to_python())))
    except (CalamineError, OSError, IndexError) as error:
        raise InvalidInput(f"the workbook cannot be read: {error!s:.200}") from None


def _rows(rows: list[list[Any]]) -> Iterator[list[Any]]:
    size = 0
    for row in rows:
        size += sum(len(cell) for cell in row if isinstance(cell, str))
        if size > MOST_BYTES:
            raise InvalidInput(f"its texts are more than {MOST_BYTES >> 20} MB; split it")
        yield [_told(cell) for cell in row]


def _told(cell: Any) -> Any:
    if isinstance(cell, timedelta):
        return {"timedelta": repr(cell.total_seconds())}
    return {type(cell).__name__: cell.isoformat()} if isinstance(cell, date | time) else cell


def _limit(megabytes: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(TIMEOUT_S), int(TIMEOUT_S)))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(10)


if __name__ == "__main__":
    main()

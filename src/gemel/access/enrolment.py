"""Many devices at once from a table: read row by row with its faults, previewed, then taken all together."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
from sqlalchemy import Connection

from gemel.access.credentials import Device, check_device, claim_hash, new_claim
from gemel.access.device_rows import New, make
from gemel.access.store import Store
from gemel.clock import SECOND, to_rfc3339
from gemel.errors import Conflict, InvalidDocument, InvalidInput, Problem, TooLarge
from gemel.registry import Registry
from gemel.twin import Change, Plant, TwinSpec, check_id

__all__ = ["Enrolment", "Row", "codes_csv"]

MOST_BYTES = 4 << 20
MOST_ROWS = 10_000
MOST_COLUMNS = 40
LONGEST_CELL = 1_000
OWN = {"id", "twins", "type", "serial", "name"}
"""Columns that mean something; each other one becomes an attribute of the twin that the row creates."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table, and what becomes of it."""

    line: int
    """In the file; the header is line 1."""
    id: str
    twins: tuple[str, ...] = ()
    outcome: str = "new"
    """new; same: the device is there already and is left alone; refused: see `problem`."""
    creates: str = ""
    """The twin that is made for it."""
    problem: str = ""
    code: str = ""
    """Its claim code, once it was enrolled; shown this once."""


class Enrolment:
    """Reads tables of devices. `find` gives a known device, `reload` reads its rows again."""

    def __init__(
        self,
        store: Store,
        registry: Registry | None,
        *,
        find: Callable[[str], Device | None],
        reload: Callable[[Sequence[str]], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._find = find
        self._reload = reload

    def preview(self, table: bytes) -> list[Row]:
        """What `enrol` would do, row by row. Raises InvalidInput, TooLarge when it is no such table."""
        return [row for row, _ in self._read(table)]

    def enrol(self, table: bytes, *, claim_s: float, leave_out: bool = False, actor: str = "") -> list[Row]:
        """Make the devices of a table, and the twins that its `type` column asks for, in one step; each with a code.

        The columns: `id`; `twins` (ids with spaces between; empty: the device's own id), `type`, `serial`, `name`, and
        attributes. A device that is there with the same twins is left alone, so a file may be handed in again.
        Raises InvalidDocument with each faulty row, unless `leave_out`: then the others are taken.
        """
        read = self._read(table)
        refused = [row for row, _ in read if row.outcome == "refused"]
        if refused and not leave_out:
            raise InvalidDocument("table", [Problem(row.problem, field=row.id, line=row.line) for row in refused])
        now = self._store.clock.now()
        ends = now + int(claim_s * SECOND)
        codes = {row.id: new_claim() for row, _ in read if row.outcome == "new"}
        if not codes:
            return [row for row, _ in read]
        assert self._registry is not None  # a row is new only when its twins were looked up
        registry = self._registry
        plan = registry.plan(Plant(twins=tuple(spec for row, spec in read if spec and row.outcome == "new")))
        for stage in registry.stages(plan):
            self._store.write(partial(_staged, stage), actor=actor)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            changes = registry.apply(tx, plan) if plan else []
            new = [New(row.id, row.twins, claim_hash(codes[row.id]), ends) for row, _ in read if row.id in codes]
            return None, changes + make(tx, new, now=now)

        self._store.submit(work, actor=actor).result()  # however long it takes: the codes are told here alone
        self._reload(sorted(codes))
        return [msgspec.structs.replace(row, code=codes.get(row.id, "")) for row, _ in read]

    def _read(self, table: bytes) -> list[tuple[Row, TwinSpec | None]]:
        found: list[tuple[Row, TwinSpec | None]] = []
        ids: dict[str, int] = {}
        made: dict[str, int] = {}
        for line, cells in _rows(table):
            id = cells.get("id", "")
            twins = tuple(dict.fromkeys(cells.get("twins", "").replace(",", " ").replace(";", " ").split())) or (id,)
            row = Row(line=line, id=id, twins=twins)
            try:
                check_device(id)
                if id in ids:
                    raise Conflict(f"line {ids[id]} has the device {id} already")
                ids[id] = line
                row, spec = self._judged(row, cells)
                if spec is not None and made.setdefault(spec.id, line) != line:
                    raise Conflict(f"line {made[spec.id]} makes the twin {spec.id} already")
            except InvalidInput as error:
                row, spec = msgspec.structs.replace(row, outcome="refused", problem=error.detail), None
            except Conflict as error:
                row, spec = msgspec.structs.replace(row, outcome="refused", problem=error.detail), None
            found.append((row, spec))
        return found

    def _judged(self, row: Row, cells: dict[str, str]) -> tuple[Row, TwinSpec | None]:
        """The row with its outcome, and the twin that it makes. Raises InvalidInput, Conflict."""
        directory = self._registry.directory if self._registry is not None else None
        if directory is None:
            raise Conflict("there is no registry of twins here")
        entries = [directory.twin(check_id(twin, "twin")) for twin in row.twins]
        missing = [twin for twin, entry in zip(row.twins, entries, strict=True) if entry is None]
        type_ = cells.get("type", "")
        if missing and (not type_ or len(row.twins) > 1):
            way = (
                "name one twin per row to have it made" if type_ else "create it first, or give a `type` to make it of"
            )
            raise InvalidInput(f"there is no twin {missing[0]}; {way}")
        if type_ and directory.type(type_) is None:
            raise InvalidInput(f"there is no twin type {type_:.80}; create it first")
        known = self._find(row.id)
        own = tuple(entry.id for entry in entries if entry is not None)
        if known is not None:
            if sorted(known.twins) != sorted(own) or missing:
                raise Conflict(f"there is a device {row.id} already, of {', '.join(known.twins)[:200] or 'no twin'}")
            return msgspec.structs.replace(row, twins=known.twins, outcome="same"), None
        if not missing:
            return msgspec.structs.replace(row, twins=own), None
        more = {name: value for name, value in cells.items() if name not in OWN and value}
        spec = TwinSpec(
            id=missing[0],
            types=(type_,),
            name=cells.get("name", ""),
            serial=cells.get("serial", ""),
            attributes=more,
        )
        return msgspec.structs.replace(row, creates=spec.id), spec


def _staged(stage: Callable[[Connection], Sequence[Change]], tx: Connection) -> tuple[None, Sequence[Change]]:
    return None, stage(tx)


def _rows(table: bytes) -> Iterable[tuple[int, dict[str, str]]]:
    """(line, cell by column) of each row that is not empty; by commas, semicolons or tabs.

    Raises InvalidInput, TooLarge.
    """
    if len(table) > MOST_BYTES:
        raise TooLarge(f"a table may have {MOST_BYTES >> 20} MiB; hand it in as several files")
    try:
        text = table.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the table is not UTF-8 (byte {error.start}); save it as 'CSV UTF-8'") from None
    if "\0" in text:
        raise InvalidInput("the table holds a zero byte; it is no CSV file")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _check_header(header)
        count = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > MOST_ROWS:
                raise TooLarge(f"a table may have {MOST_ROWS} rows; hand it in as several files")
            if len(cells) > len(header):
                raise InvalidInput(f"line {reader.line_num} has {len(cells)} cells, the header has {len(header)}")
            if any(len(cell) > LONGEST_CELL for cell in cells):
                raise InvalidInput(f"line {reader.line_num} has a cell of more than {LONGEST_CELL} characters")
            yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False))
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num} cannot be read as CSV: {error}") from None


def _check_header(header: list[str]) -> None:
    if "id" not in header:
        raise InvalidInput(
            f"the first line names the columns, and one of them is `id`; it is {', '.join(header)[:200]!r}; "
            "write it like: id,twins,type,serial"
        )
    if len(header) > MOST_COLUMNS:
        raise InvalidInput(f"a table may have {MOST_COLUMNS} columns, not {len(header)}")
    if len(set(header)) < len(header):
        raise InvalidInput("two columns of the table have the same name")


def codes_csv(rows: Sequence[Row], ends: int) -> str:
    """The claim codes as a table to print or to send to who mounts the devices."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "twins", "outcome", "claim_code", "claim_ends", "problem"])
    until = to_rfc3339(ends)
    for row in rows:
        cells = [row.id, " ".join(row.twins), row.outcome, row.code, until if row.code else "", row.problem]
        writer.writerow([_plain(cell) for cell in cells])
    return out.getvalue()


def _plain(cell: str) -> str:
    """What a spreadsheet does not run as a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell

"""`gemel import influx` and `gemel import thingsboard`: years of another system's history, previewed and loaded."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gemel
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import to_rfc3339
from gemel.errors import InvalidInput

if TYPE_CHECKING:
    from gemel.connectors.archives import Gathered, Names
    from gemel.platform import Platform

__all__ = ["add_to"]

PREVIEW = 1_000_000
"""Values that a dry run looks at."""
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The export; .gz is unpacked.")]
Map = Annotated[
    list[str] | None, typer.Option("--map", help="OLD=NEW: what a twin or property is called here (may repeat).")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would come in.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write the proposed plant document here (YAML).")]
Apply = Annotated[bool, typer.Option("--apply", help="Apply the proposed plant document first.")]


def add_to(importing: typer.Typer) -> None:
    importing.command("influx")(import_influx)
    importing.command("thingsboard")(import_thingsboard)


def import_influx(
    file: File,
    twin: Annotated[str, typer.Option(help="Whose a line is: a template of {tags} and {measurement}.")] = "",
    property: Annotated[str, typer.Option(help="A template of {measurement}, {field} and {tags}.")] = "",
    precision: Annotated[str, typer.Option(help="What times count: ns, us, ms or s.")] = "ns",
    renamed: Map = None,
    dry_run: DryRun = False,
    out: Out = None,
    now: Apply = False,
) -> None:
    """History from InfluxDB line protocol.

    Example: gemel import influx export.lp.gz --twin '{machine}' --property '{field}' --dry-run
    """
    from gemel.connectors.archives import read_influx

    if precision not in ("ns", "us", "ms", "s"):
        raise InvalidInput(f"--precision {precision!r:.20} is none of ns, us, ms, s")
    how: Any = {"twin": twin, "property": property, "precision": precision}
    _run(file, lambda lines, names: read_influx(lines, names, **how), _renamed(renamed), (dry_run, out, now))


def import_thingsboard(
    file: File,
    twin: Annotated[str, typer.Option(help="Whose the file is, where no column says so.")] = "",
    time_zone: Annotated[str, typer.Option(help="Of times without an offset (IANA name).")] = "UTC",
    renamed: Map = None,
    dry_run: DryRun = False,
    out: Out = None,
    now: Apply = False,
) -> None:
    """History, or a list of devices, from CSV exports of ThingsBoard.

    Example: gemel import thingsboard telemetry.csv --time-zone Europe/Berlin --dry-run
    """
    from gemel.connectors.archives import read_thingsboard

    how: Any = {"twin": twin, "time_zone": time_zone}
    _run(file, lambda lines, names: read_thingsboard(lines, names, **how), _renamed(renamed), (dry_run, out, now))


def _run(
    file: Path,
    read: Callable[[Iterable[str], Names], Iterable[Any]],
    renamed: dict[str, str],
    wish: tuple[bool, Path | None, bool],
) -> None:
    from gemel.connectors.archives import Names, gather, plant_of

    dry_run, out, now = wish
    if target.is_url:
        raise InvalidInput("import works on a plant's folder; name it with --at FOLDER")
    if dry_run:
        with _lines(file, "Looking into") as lines:
            found = gather(read(lines, Names(renamed)), None, limit=PREVIEW)
        _preview(found)
        _write(plant_of(found), out)
        return
    with gemel.open(target.at, run_connectors=False) as plant, TemporaryDirectory(dir=target.at) as folder:
        gathered = Path(folder) / "gathered.parquet"
        with _lines(file, "Reading") as lines:
            found = gather(read(lines, Names(renamed)), gathered)
        proposed = plant_of(found, lambda id: _known(plant, id))
        if proposed.twins and not now:
            _preview(found)
            _write(proposed, out or Path(f"{file.name.partition('.')[0]}.plant.yaml"))
            raise InvalidInput(
                f"{len(proposed.twins)} twin(s) are not there yet, {proposed.twins[0].id} among them; give the "
                "properties of the proposed document their units, `gemel apply` it, and import again (or --apply)"
            )
        if proposed.twins:
            plant.apply(_yaml(proposed))
        for problem in found.problems[:20]:
            output.note(f"line {problem.line}: {problem.reason}")
        _load(plant, file, gathered, found)


def _load(plant: Platform, file: Path, gathered: Path, found: Gathered) -> None:
    from gemel.connectors.archives import mapping

    rows = rejected = 0
    repeated = False
    if found.rows:
        with output.progress(f"Loading {file.name}") as bars:
            bar = bars.add_task("", total=100)
            loaded = plant.load(
                gathered, mapping(), progress=lambda part: bars.update(bar, completed=round(100 * part))
            )
        for problem in loaded.problems[:20]:
            output.note(str(problem))
        rows, rejected, repeated = loaded.rows, loaded.rejected, loaded.repeated
    said = "was loaded before; nothing changed" if repeated else f"{rows:,} values, {rejected + found.faults:,} refused"
    output.done(f"{file}: {said}", rows=rows, rejected=rejected, faults=found.faults, repeated=repeated)


def _known(plant: Platform, id: str) -> set[str] | None:
    entry = plant.registry.directory.twin(id)
    return set(entry.properties) if entry is not None else None


def _preview(found: Gathered) -> None:
    if output.json:
        properties = [{"twin": twin, "property": name, **_told(one)} for (twin, name), one in found.properties.items()]
        problems = [{"line": one.line, "reason": one.reason} for one in found.problems]
        output.value({"values": found.rows, "faults": found.faults, "properties": properties, "problems": problems})
        return
    rows = [{"twin": twin, "property": name, **_told(one)} for (twin, name), one in sorted(found.properties.items())]
    columns = ["twin", "property", "kind", "unit", "count", "start", "end", "examples"]
    output.rows("What it holds", rows[:100], columns, empty="No values.")
    if len(rows) > 100:
        output.note(f"and {len(rows) - 100} further properties")
    first = [
        {"time": to_rfc3339(one.time), "twin": one.twin, "property": one.property, "value": one.value}
        for one in found.first
    ]
    output.rows("First values", first, ["time", "twin", "property", "value"], empty="")
    output.note(f"{found.rows:,} values, {found.faults:,} lines that cannot be read")
    for problem in found.problems[:10]:
        output.note(f"line {problem.line}: {problem.reason}")


def _told(one: Any) -> dict[str, Any]:
    return {
        "kind": str(one.kind),
        "unit": "unknown" if one.kind in ("number", "integer") else "",
        "count": one.count,
        "start": to_rfc3339(one.start),
        "end": to_rfc3339(one.end),
        "examples": one.examples,
    }


def _write(proposed: Any, out: Path | None) -> None:
    if out is not None:
        out.write_text(_yaml(proposed))
        output.note(f"{out}: the proposed plant; give its properties their units")


def _yaml(proposed: Any) -> str:
    from gemel.connectors.drafts import document_of
    from gemel.connectors.mtconnect import plant_yaml

    return plant_yaml(document_of(proposed))


def _renamed(pairs: list[str] | None) -> dict[str, str]:
    found = {}
    for pair in pairs or []:
        old, equals, new = pair.rpartition("=")
        if not equals or not old or not new:
            raise InvalidInput(f"--map {pair!r:.80} is not OLD=NEW")
        found[old] = new
    return found


@contextmanager
def _lines(file: Path, what: str) -> Iterator[Iterator[str]]:
    """The lines of a text, packed or not, with a bar of how far it is read."""
    size = file.stat().st_size
    with file.open("rb") as raw, output.progress(f"{what} {file.name}") as bars:
        bar = bars.add_task("", total=max(1, size >> 20))
        unpacked: Any = gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw
        text = io.TextIOWrapper(io.BufferedReader(unpacked), encoding="utf-8", errors="replace", newline="\n")

        def told() -> Iterator[str]:
            for number, line in enumerate(text):
                if not number % 10_000:
                    bars.update(bar, completed=raw.tell() >> 20)
                yield line

        try:
            yield told()
        except (EOFError, gzip.BadGzipFile) as error:
            raise InvalidInput(f"{file} is damaged: {error}") from None
        finally:
            text.detach()

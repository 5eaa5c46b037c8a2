"""The now and the past: read, write, watch, query, export, load."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

import gemel
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import MIN_TIME, SECOND, WallClock, parse_time, to_rfc3339
from gemel.errors import InvalidInput, InvalidTime, NotFound, UnknownProperty

if TYPE_CHECKING:
    from gemel.client import Client
    from gemel.history import Column

__all__ = ["add_to", "moment_of", "print_now", "told_at", "units_of"]

FORMATS = ("csv", "parquet", "arrow")
_DATES = ("1900-01-02", "2261-12-31")
"""Of these every time zone has a moment that Gemel keeps."""
SPARKS = "▁▂▃▄▅▆▇█"


def add_to(app: typer.Typer) -> None:
    for command in (now, write, watch, history, at, events, query, export, load):
        app.command(rich_help_panel="Values")(command)


def moment_of(text: str) -> int:
    """A time as people write it: RFC 3339, `now`, or back from now: 90s, 15m, 8h, 3d, 2w."""
    if text == "now":
        return WallClock().now()
    try:
        if back := re.fullmatch(r"-?(\d{1,12}(?:\.\d{1,12})?)([smhdw])", text):
            seconds = float(back[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[back[2]]
            back_then = WallClock().now() - round(seconds * SECOND)
            if back_then < MIN_TIME:
                raise InvalidTime(f"{text} back from now is before the year 1900")
            return back_then
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            if not _DATES[0] <= text <= _DATES[1]:
                raise InvalidTime(f"{text} is outside the years 1900 to 2261")
            return round(dt.datetime.fromisoformat(text).astimezone().timestamp()) * SECOND
        return parse_time(text)
    except ValueError as error:
        raise InvalidTime(f"{text!r:.80}: {error}; there is no such day") from None
    except InvalidTime as error:
        raise InvalidTime(f"{error.detail}; or 15m, 8h, 3d (back from now), or a date") from None


def told_at(text: str) -> str | None:
    """The same in RFC 3339; None of nothing."""
    return to_rfc3339(moment_of(text)) if text else None


Time = Annotated[str, typer.Option(help="RFC 3339, a date, `now`, or back from now: 15m, 8h, 3d.")]


def now(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    property: Annotated[str, typer.Argument(help="Only this one.")] = "",
) -> None:
    """The values of a twin as they are now, with their freshness.

    Example: gemel now mazak01.x position_actual
    """
    with target.open() as plant:
        values = plant.now(twin)
        if property:
            if property not in values:
                raise unreported(plant, twin, property, values)
            values = {property: values[property]}
        if output.json:
            output.value(values)
        else:
            print_now(values, units_of(plant, plant.twin(twin).types))


def unreported(plant: Client, twin: str, property: str, values: Iterable[str]) -> NotFound:
    """Why there is no value: none yet, or no such property."""
    known = names_of(plant, plant.twin(twin).types)
    if property not in known:
        return UnknownProperty(f"{twin} has no property {property!r}; it has: {', '.join(sorted(set(known.values())))}")
    other = f"; it is called {known[property]} now" if known[property] != property else ""
    return NotFound(
        f"{twin} has not told its {property} yet{other}; told so far: {', '.join(sorted(values)) or 'none'}"
    )


def write(
    twin: str,
    property: str,
    value: Annotated[str, typer.Argument(help="A number, true/false, text, or JSON.")],
    unit: Annotated[str, typer.Option(help="UCUM code of the value, when it is not the property's own.")] = "",
    time: Annotated[str, typer.Option(help="When it was so; default now.")] = "",
) -> None:
    """Report one value; returns when it is on stable storage.

    Example: gemel write press-7 oil_temperature 104 --unit '[degF]'
    """
    try:
        parsed: Any = msgspec.json.decode(value)
    except msgspec.DecodeError:
        parsed = value
    with target.open() as plant:
        position = plant.write(twin, property, parsed, unit=unit, time=moment_of(time) if time else None)
        types = plant.twin(twin).types
        name = names_of(plant, types).get(property, property)
        now = plant.now(twin, at_position=position).get(name)
        own = units_of(plant, types).get(name, "")
    told = f"{output.cell(now.value)} {own}".rstrip() if now is not None else value
    output.done(f"{twin}.{property} is {told}, at position {position:,}", position=position)


def watch(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    depth: Annotated[int, typer.Option(help="How many levels of parts too.")] = 0,
) -> None:
    """Follow a twin's values as they change; stop with Ctrl-C."""
    with target.open() as plant, plant.subscribe([twin], depth=depth, rate_hz=4) as changes:
        for update in (one for delta in changes for one in delta.values):
            if output.json:
                output.value(update)
            else:
                mark = "" if update.fresh else " [yellow]stale[/yellow]"
                output.console.print(
                    f"[dim]{output.time(update.time)}[/dim] {update.twin} [bold]{update.property}[/bold] "
                    f"{output.cell(update.value)}{mark}"
                )


def history(
    twin: str,
    property: str,
    start: Time = "8h",
    end: Time = "now",
    points: Annotated[int, typer.Option(min=1, max=100_000)] = 60,
    method: Annotated[str, typer.Option(help="minmax, mean, last, lttb or raw.")] = "mean",
    unit: Annotated[str, typer.Option(help="UCUM code to read it in.")] = "",
) -> None:
    """One property over time: a picture in the terminal, or the points with --json.

    Example: gemel history mazak01.c load --start 2d
    """
    with target.open() as plant:
        how = {"points": points, "method": method, **({"unit": unit} if unit else {})}
        found = plant.range(twin, property, moment_of(start), moment_of(end), **how)
    if output.json:
        output.value(found)
        return
    columns = found.columns
    values = next((columns[name] for name in ("value", "mean", "last") if name in columns), [])
    numbers = [value for value in values if isinstance(value, int | float)]
    if not values:
        output.console.print("[dim]Nothing was recorded in that range.[/dim]")
    elif len(numbers) < len([v for v in values if v is not None]):
        for moment, value in zip(columns["time"], values, strict=True):
            output.console.print(f"[dim]{output.time(moment)}[/dim]  {output.cell(value)}")
    else:
        low, high = min(numbers), max(numbers)
        span = (high - low) or 1.0
        line = "".join(" " if v is None else SPARKS[round((v - low) / span * (len(SPARKS) - 1))] for v in values)
        output.console.print(f"{line}\n[dim]{low:,.4g} … {high:,.4g} {found.unit} · {found.method}[/dim]")


def at(twin: str, time: Annotated[str, typer.Argument(help="RFC 3339, or back from now: 8h.")]) -> None:
    """A whole twin as it was at a past instant.

    Example: gemel at mazak01.c 2d
    """
    with target.open() as plant:
        readings = plant.at(twin, moment_of(time))
        if output.json:
            output.value(readings)
            return
        rows = [
            {"property": name, "value": r.value, "since": output.time(r.time), "quality": r.quality.name.lower()}
            for name, r in readings.items()
        ]
    output.rows("", rows, ["property", "value", "since", "quality"], empty="Nothing was known of it then.")


def events(
    twin: Annotated[str, typer.Argument(help="Only of this twin.")] = "",
    start: Time = "1d",
    end: Time = "now",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """What happened: events, conditions, changes of the plant."""
    with target.open() as plant:
        rows = plant.events(twin, start=moment_of(start), end=moment_of(end), limit=limit).items
    if not output.json:
        rows = [row | {"time": output.time(parse_time(row["time"])), "body": _brief(row["body"])} for row in rows]
    output.rows("", rows, ["time", "twin", "kind", "body"], empty="Nothing happened in that time.")


def _brief(body: dict[str, Any]) -> str:
    """The plain facts of a body, and of a condition the codes that came and went."""
    told = [f"{key}={value}" for key, value in body.items() if not isinstance(value, dict | list)]
    for key in ("raised", "cleared"):
        told += [f"{key} {one.get('code') or one.get('text') or one.get('level')}" for one in body.get(key) or ()]
    text = ", ".join(told)
    return text if len(text) <= 100 else f"{text[:99]}…"


def query(sql: str, limit: Annotated[int, typer.Option(min=1)] = 1000) -> None:
    """SQL over live.<type>, history.*, twins and links (DuckDB's dialect, read only).

    Example: gemel query "SELECT twin, load FROM live.linear_axis WHERE load > 80"
    """
    with target.open() as plant:
        table = plant.query(sql, limit=limit)
    output.rows("", table.to_pylist(), table.column_names, empty="No rows.")


def export(
    file: Annotated[Path, typer.Argument(help="Where to write; .csv, .parquet or .arrow decides the format.")],
    twin: Annotated[list[str] | None, typer.Option("--twin", help="Which twin (may repeat).")] = None,
    property: Annotated[list[str] | None, typer.Option("--property", help="Only these (may repeat).")] = None,
    start: Time = "1d",
    end: Time = "now",
    everything: Annotated[
        bool, typer.Option("--everything", help="The whole plant, in open formats, into a new folder.")
    ] = False,
) -> None:
    """Write history to a file; or everything there is into a folder.

    Examples: gemel export loads.parquet --twin mazak01.c --property load --start 7d; gemel export --everything leaving
    """
    if everything:
        _export_everything(file, twin, property)
        return
    if not twin:
        raise InvalidInput("name what to export: --twin ID (may repeat), or --everything with a folder")
    form = file.suffix.removeprefix(".")
    if form not in FORMATS:
        raise InvalidInput(f"{file} ends in {file.suffix or 'nothing'!r}; name it .csv, .parquet or .arrow")
    chosen = {"twins": twin, "start": moment_of(start), "end": moment_of(end), "format": form}
    with target.open() as plant, output.progress(f"Exporting to {file}") as bars:
        bars.add_task("", total=None)
        size = plant.export(file, **chosen, **({"properties": property} if property else {}))
    output.done(f"{file}: {size:,} bytes", file=str(file), bytes=size)


def _export_everything(folder: Path, *chosen: list[str] | None) -> None:
    if any(chosen):
        raise InvalidInput("--everything leaves nothing out: name no twin and no property beside it")
    with target.open() as plant, output.progress(f"Exporting everything to {folder}") as bars:
        bars.add_task("", total=None)
        made = plant.backups.export_everything(str(folder.absolute()))
    output.done(f"{folder}: {made['files']} files, {made['size']:,} bytes; README.md there says what is what", **made)


def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or Parquet.")],
    time: Annotated[str, typer.Option(help="The column with the source time.")] = "time",
    time_unit: Annotated[str, typer.Option(help="What a number there counts since 1970: s, ms, us or ns.")] = "s",
    time_zone: Annotated[str, typer.Option(help="Of times without an offset (IANA name).")] = "UTC",
    twin: Annotated[str, typer.Option(help="The twin of the whole file.")] = "",
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Wide file: COLUMN=PROPERTY, or COLUMN=PROPERTY@UNIT (may repeat)."),
    ] = None,
    twin_column: Annotated[str, typer.Option(help="Long file: the column with the twin's id.")] = "",
    property_column: Annotated[str, typer.Option(help="Long file: the column with the property's name.")] = "",
    value_column: Annotated[str, typer.Option(help="Long file: the column with the value.")] = "",
) -> None:
    """Load years of history from a file at once; the same file again changes nothing.

    Example: gemel load 2024.parquet --time ts --twin press-7 --column 't_oil=oil_temperature@[degF]'
    """
    from gemel.history import Mapping  # DuckDB: too slow to load for the other commands

    if target.is_url:
        raise InvalidInput("load works on a plant's folder; name it with --at FOLDER")
    mapping = Mapping(
        time=time,
        time_unit=time_unit,
        time_zone=time_zone,
        twin=twin,
        twin_column=twin_column,
        property_column=property_column,
        value_column=value_column,
        columns=tuple(_column(text) for text in column or []),
    )
    with gemel.open(target.at, run_connectors=False) as plant, output.progress(f"Loading {file.name}") as bars:
        bar = bars.add_task("", total=100)
        loaded = plant.load(file, mapping, progress=lambda part: bars.update(bar, completed=round(100 * part)))
    for problem in loaded.problems[:20]:
        output.note(str(problem))
    said = (
        "was loaded before; nothing changed"
        if loaded.repeated
        else f"{loaded.rows:,} rows, {loaded.rejected:,} refused"
    )
    output.done(f"{file}: {said}", rows=loaded.rows, rejected=loaded.rejected, repeated=loaded.repeated)


def _column(text: str) -> Column:
    from gemel.history import Column

    name, equals, rest = text.partition("=")
    wanted, _, unit = rest.partition("@")
    if not equals or not wanted:
        raise InvalidInput(f"--column {text!r:.80} is not COLUMN=PROPERTY or COLUMN=PROPERTY@UNIT")
    return Column(column=name, property=wanted, unit=unit)


def print_now(values: dict[str, Any], units: dict[str, str]) -> None:
    rows = []
    for name, value in sorted(values.items()):
        state = "fresh" if value.fresh else "stale"
        rows.append(
            {
                "property": name,
                "value": value.value,
                "unit": units.get(name, ""),
                "since": output.time(value.time),
                "state": state,
            }
        )
    output.rows("", rows, ["property", "value", "unit", "since", "state"], empty="No values yet.")


def units_of(plant: Client, types: Iterable[str]) -> dict[str, str]:
    """Property → unit, of a twin of these types."""
    return {known.name: known.unit for id in types for known in plant.type(id).properties}


def names_of(plant: Client, types: Iterable[str]) -> dict[str, str]:
    """Name or alias → property, of a twin of these types."""
    return {name: one.name for id in types for one in plant.type(id).properties for name in (*one.aliases, one.name)}

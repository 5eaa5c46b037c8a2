"""How long items live: their lives, models, what is expected of each, whether it came true."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.items import PANEL, AsOf, Known, moments_of
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.clock import parse_time
from gemel.errors import InvalidInput

__all__ = ["add_to"]

lifetimes = typer.Typer(no_args_is_help=True, help="How long items live: lives, models, risks, what came true.")

Parts = Annotated[list[str], typer.Argument(metavar="PART…", help="Part numbers.")]
Counter = Annotated[str, typer.Option(help="How lives are counted: hours, cycles …, or days by the calendar.")]
Events = Annotated[list[str] | None, typer.Option("--event", help="This event says that it failed (may repeat).")]
Conditions = Annotated[
    list[str] | None, typer.Option("--condition", help="A fault of this condition says so (may repeat).")
]
Id = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")]
Named = Annotated[str, typer.Option("--model", help="Name of the model; the newest that fits if left out.")]
More = Annotated[float | None, typer.Option(help="So much use from now on; the model's horizon if left out.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(lifetimes, name="lifetimes", rich_help_panel=PANEL)


@lifetimes.command()
def lives(
    part: Parts,
    counter: Counter = "days",
    event: Events = None,
    condition: Conditions = None,
    changing: Annotated[bool, typer.Option("--changing", help="A row for each time in which nothing changed.")] = False,
    as_of: AsOf = "",
    known: Known = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Into a .parquet, .csv or .arrow file.")] = None,
) -> None:
    """The table that predictive maintenance needs: one row a life, with its configuration, counter and end.

    Example: gemel lifetimes lives PUMP --counter hours --out pumps.parquet
    """
    when: dict[str, Any] = dict(moments_of(as_of, known))
    how: dict[str, Any] = {"counter": counter, "events": event or (), "conditions": condition or ()}
    with target.open() as plant:
        if out is not None:
            form = out.suffix.lstrip(".")
            if form not in {"parquet", "csv", "arrow"}:
                raise InvalidInput(f"{out.name:.80} is no file of lives; end its name with .parquet, .csv or .arrow")
            size = plant.lifetimes.export(out, part, changing=changing, form=form, **how, **when)
            output.done(f"{out}: {size:,} bytes", file=str(out), bytes=size)
            return
        table = plant.lifetimes.table(part, changing=changing, **how, **when)
    rows = [
        row | {name: row[name].isoformat(timespec="seconds").replace("+00:00", "Z") for name in ("begin", "end")}
        for row in table.to_pylist()
    ]
    if not output.json:
        rows = [row | {"use": f"{row['entry']:,.0f} – {row['exit']:,.0f}"} for row in rows]
    columns = ["item", "revision", "machine", "position", "begin", "use", "ended", "mode"]
    output.rows("", rows, columns, empty=f"No item of {', '.join(part)} was in a machine yet.")


@lifetimes.command()
def train(
    id: Id,
    part: Parts,
    horizon: Annotated[float, typer.Option(help="Use for which risks are told, in the counter's unit.")],
    counter: Counter = "days",
    event: Events = None,
    condition: Conditions = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="Learn from this of the configuration alone (may repeat); all if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For what is drawn by lot; the same seed gives the same model.")] = 0,
    as_of: AsOf = "",
    known: Known = "",
) -> None:
    """Learn a model from lives, and judge it with and without the configuration.

    Example: gemel lifetimes train pump-wear PUMP --counter hours --horizon 500
    """
    asked = {"parts": part, "counter": counter, "failures": {"events": event or [], "conditions": condition or []}}
    draft = {"id": id, "asked": asked, "horizon": horizon, "seed": seed} | ({"features": feature} if feature else {})
    with target.open() as plant, output.progress(id) as bars:
        bar = bars.add_task("", total=100)
        found = plant.lifetimes.train(
            draft, **moments_of(as_of, known), progress=lambda told: bars.update(bar, completed=round(100 * told))
        )
    if not output.json:
        _told(found)
        return
    output.value(found)


def _told(model: dict[str, Any]) -> None:
    output.console.print(
        f"[bold]{model['id']}[/bold] version {model['version']}: {model['failures']:,} failures in "
        f"{model['lives']:,} lives of {', '.join(model['asked']['parts'])}, counted in {model['asked']['counter']}"
    )
    _scores(model)
    output.console.print(f"  {output.cell(model['why'])}" if model["why"] else "", markup=False)


def _scores(model: dict[str, Any]) -> None:
    compared = model["compared"]
    if compared is None:
        return
    output.console.print(
        f"  held against {compared['failures']:,} failures of {compared['items']:,} items after the cut:"
    )
    rows = [
        {
            "measure": one["measure"],
            "without configuration": f"{one['without']:.4f}",
            "with": f"{one['with_configuration']:.4f}",
            "gain": f"{one['gain']:+.4f}",
            "95 % interval": f"{one['low']:+.4f} – {one['high']:+.4f}",
        }
        for one in compared["scores"]
    ]
    output.rows("", rows, ["measure", "without configuration", "with", "gain", "95 % interval"], empty="")


@lifetimes.command()
def models() -> None:
    """Models that were learnt, and whether the configuration makes them better."""
    with target.open() as plant:
        found = plant.lifetimes.models()
    rows = found
    if not output.json:
        rows = [
            one
            | {
                "parts": ", ".join(one["asked"]["parts"]),
                "counter": one["asked"]["counter"],
                "uses": one["uses"] or "–",
            }
            for one in found
        ]
    columns = ["id", "version", "parts", "counter", "lives", "failures", "uses", "trained"]
    output.rows("", rows, columns, empty="No models. `gemel lifetimes train MODEL PART --horizon H` learns one.")


@lifetimes.command()
def model(id: Id, version: Annotated[int | None, typer.Option(help="The newest if left out.")] = None) -> None:
    """How good a model is, with the configuration and without, and what each level does to lives."""
    with target.open() as plant:
        found = plant.lifetimes.model(id, version)
    if output.json:
        output.value(found)
        return
    _told(found)
    rows = [
        {
            "of": f"{one['feature']} {one['level']}".strip(),
            "against": one["reference"] or "one less",
            "lives times": f"{one['times']:.2f}",
            "95 % interval": f"{one['low']:.2f} – {one['high']:.2f}",
            "lives": one["items"],
            "failures": one["failures"],
        }
        for one in found["effects"]
    ]
    if rows:
        output.rows("", rows, ["of", "against", "lives times", "95 % interval", "lives", "failures"], empty="")


@lifetimes.command()
def risks(
    model: Named = "",
    more: More = None,
    root: Annotated[str, typer.Option(help="Only what is in this machine.")] = "",
    as_of: AsOf = "",
    known: Known = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """Items that run, those most likely to fail first; of one machine, its worst.

    Example: gemel lifetimes risks --model pump-wear --more 500
    """
    with target.open() as plant:
        found = plant.lifetimes.risks(model, more=more, root=root, limit=limit, **moments_of(as_of, known))
    if output.json:
        output.value(found)
        return
    rows = [
        {
            "item": one["item"],
            "revision": one["revision"],
            "in": f"{one['machine']} › {one['position']}" if one["machine"] else "",
            "age": f"{one['age']:,.0f}",
            "fails": _percent(one["probability"]),
            "90 % interval": f"{_percent(one['low'])} – {_percent(one['high'])}",
            "median left": f"{one['left']:,.0f}",
        }
        for one in found["items"]
    ]
    columns = ["item", "revision", "in", "age", "fails", "90 % interval", "median left"]
    output.rows("", rows, columns, empty=found["why"] or "Nothing of these parts runs.")
    output.note(
        f"within {found['more']:,g} {found['counter']}: {found['expected']:.1f} failures expected of "
        f"{found['total']:,} items; model {found['model']} version {found['version']}"
    )


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


@lifetimes.command()
def predict(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Its id.")],
    model: Named = "",
    more: More = None,
    until: Annotated[str, typer.Option(help="Until this moment, at its pace: RFC 3339, or a date.")] = "",
    as_of: AsOf = "",
    known: Known = "",
) -> None:
    """What is expected of one item: risk, use left, when that is, when its life limits are reached.

    Example: gemel lifetimes predict PUMP-A --until 2027-01-01
    """
    asked: dict[str, Any] = {"model": model, "more": more} | ({"until": moment_of(until)} if until else {})
    with target.open() as plant:
        found = plant.lifetimes.predict(item, **asked, **moments_of(as_of, known))
    if output.json:
        output.value(found)
        return
    told, unit = output.console.print, found["counter"]
    told(f"[bold]{found['item']}[/bold] {found['part']}, {found['age']:,.0f} {unit} old")
    interval = "" if found["low"] is None else f" (90 %: {_percent(found['low'])} – {_percent(found['high'])})"
    told(f"  fails within {found['more']:,.0f} {unit}: [bold]{_percent(found['probability'])}[/bold]{interval}")
    if found["left"] is not None:
        told(
            f"  {found['left']:,.0f} {unit} left, by half; with 80 % between "
            f"{found['left_low']:,.0f} and {found['left_high']:,.0f}"
        )
    if found["fails"]:
        told(f"  that is {_moment(found['fails'])}, {_moment(found['fails_low'])} – {_moment(found['fails_high'])}")
    for one in found["limits"]:
        told(f"  limit of {one['limit']:,g} {one['kind']}: {_moment(one['time'])}")
    if found["failures"] is not None:
        told(f"  [dim]model {found['model']} version {found['version']}, from {found['failures']:,} failures[/dim]")
    if found["why"]:
        output.note(found["why"])


def _moment(text: str | None) -> str:
    return "not known" if text is None else output.time(parse_time(text))


@lifetimes.command()
def record(id: Id) -> None:
    """Keep what a model expects of all items now, to be held against what happens; once a day it happens by itself."""
    with target.open() as plant:
        many = plant.lifetimes.record(id)
    output.done(f"{many:,} predictions kept", recorded=many)


@lifetimes.command()
def calibration(id: Id) -> None:
    """Whether what a model said came true."""
    with target.open() as plant:
        found = plant.lifetimes.calibration(id)
    if output.json:
        output.value(found)
        return
    rows = [
        {
            "said": f"{_percent(one['low'])} – {_percent(one['high'])}",
            "predictions": one["predictions"],
            "mean": _percent(one["predicted"]),
            "failed": _percent(one["observed"]),
            "95 % interval": f"{_percent(one['observed_low'])} – {_percent(one['observed_high'])}",
        }
        for one in found["bands"]
    ]
    output.rows("", rows, ["said", "predictions", "mean", "failed", "95 % interval"], empty=found["why"])
    output.note(f"{found['predictions']:,} predictions kept, {found['open']:,} of them open")

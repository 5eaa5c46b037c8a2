"""Computed properties: how they stand, where a value comes from, the past anew, simplified against detailed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of

__all__ = ["add_to"]

compute = typer.Typer(no_args_is_help=True, help="Computed properties: how they stand, lineage, the past anew.")

From = Annotated[str, typer.Option("--from", help="RFC 3339, a date, or back from now: 15m, 8h, 3d.")]
To = Annotated[str, typer.Option("--to", help="The same, or `now`.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(compute, name="compute", rich_help_panel="Values")
    app.command(rich_help_panel="Values")(compare)


@compute.command()
def status() -> None:
    """How far the computation is behind, what cannot be computed, and how the functions are."""
    with target.open() as plant:
        found = plant.computation.standing()
    if output.json:
        output.value(found)
        return
    output.console.print(
        f"{found['properties']} computed properties, {found['computed']:,} values since the start; "
        f"{found['behind']:,} positions ({found['behind_s']:.1f} s) behind"
    )
    for name, reason in found["broken"].items():
        output.console.print(f"[yellow]![/yellow] {name}: {reason}")
    if found["error"]:
        output.console.print(f"[yellow]![/yellow] {output.cell(found['error'])}")
    if found["functions"]:
        columns = ["function", "state", "rows", "failed", "restarts", "error"]
        output.rows("", found["functions"], columns, empty="")


@compute.command()
def lineage(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    property: str,
    at: Annotated[str, typer.Option("--time", help="Of the value in force then; default now.")] = "now",
) -> None:
    """What a computed value was made of: the inputs, the expression and its version, and when.

    Example: gemel compute lineage line-1 power --time 2h
    """
    with target.open() as plant:
        found = plant.computation.lineage(twin, property, None if at == "now" else moment_of(at))
    if output.json:
        output.value(found)
        return
    how = found["expression"] or (f"{found['function']}({', '.join(found['reads'])})" if found["function"] else "")
    output.console.print(
        f"[bold]{found['twin']}.{found['property']}[/bold] = {output.cell(found['value'])} {found['unit']}  "
        f"({found['quality']}, {found['time']})"
    )
    if how:
        output.console.print(f"  = {how}", markup=False)
    told = "computed anew" if found["redone"] else "computed"
    output.console.print(f"  {told} {found['computed_at']} by {found['type']} version {found['version']}")
    rows = [one | {"value": f"{output.cell(one['value'])} {one['unit']}".rstrip()} for one in found["inputs"]]
    output.rows("", rows, ["twin", "property", "value", "time", "quality"], empty="It has no inputs now.")
    if found["hidden"]:
        output.note("it has further inputs, which you may not see")
    if any(one["corrected"] for one in found["inputs"]):
        output.note(f"readings came later: `gemel compute redo {found['type']} {found['property']}` takes them in")


@compute.command()
def redo(
    type: Annotated[str, typer.Argument(help="The type that declares it.")],
    property: str,
    since: From,
    until: To = "now",
    twin: Annotated[list[str] | None, typer.Option(help="Only of this twin; may be repeated.")] = None,
) -> None:
    """Compute a property of the past anew, as it is defined now, from what the history holds now.

    Example: gemel compute redo press efficiency --from 30d
    """
    with target.open() as plant, output.progress(f"{type}.{property}") as bars:
        bar = bars.add_task("", total=100)
        done = plant.computation.redo(
            type,
            property,
            moment_of(since),
            moment_of(until),
            twins=twin or (),
            progress=lambda part: bars.update(bar, completed=round(100 * part)),
        )
    twins = "1 twin" if done["twins"] == 1 else f"{done['twins']:,} twins"
    first = f"; first {', '.join(done['before'])}" if done["before"] else ""
    output.done(f"{done['values']:,} values of {twins}, by version {done['version']}{first}", **done)


def compare(
    twin: Annotated[str, typer.Argument(help="Id or alias.")],
    simple: Annotated[str, typer.Argument(help="The simplified property; of another twin as twin:property.")],
    detailed: Annotated[str, typer.Argument(help="The detailed one, the same way.")],
    since: From = "1h",
    until: To = "now",
    bound: Annotated[float | None, typer.Option(help="What difference is allowed.")] = None,
) -> None:
    """How far a simplified property is from the detailed one: bias, root mean square, the largest, within a bound.

    Example: gemel compare press-7 power_simple power --from 8h --bound 2
    """
    with target.open() as plant:
        span = moment_of(since), moment_of(until)
        found: dict[str, Any] = plant.computation.compare(twin, simple, detailed, *span, bound=bound)
    if output.json:
        output.value(found)
        return
    if not found["compared_s"]:
        output.console.print("[dim]At no time were both known; choose another interval.[/dim]")
        return
    unit = found["unit"]
    rows = [
        {"measure": "bias", "value": f"{found['bias']:.6g} {unit}"},
        {"measure": "root mean square", "value": f"{found['rmse']:.6g} {unit}"},
        {"measure": "largest", "value": f"{found['largest']:.6g} {unit} at {found['largest_at']}"},
        {"measure": "compared", "value": f"{found['compared_s']:,.0f} s"},
    ]
    if bound is not None:
        rows.append({"measure": f"within {bound:g} {unit}".rstrip(), "value": f"{found['within']:.2%} of the time"})
    output.rows("", rows, ["measure", "value"], empty="")

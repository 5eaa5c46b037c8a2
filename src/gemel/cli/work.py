"""Work orders, visits, stops and what they cost."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer

from gemel.cli.asked import Expects, expected
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time, to_rfc3339
from gemel.errors import InvalidInput

__all__ = ["add_to", "spent"]

PANEL = "Work"
work = typer.Typer(invoke_without_command=True, help="Work orders: what is to be done to machines, and what was.")
COLOURS = {"done": "green", "failed": "red", "cancelled": "dim"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(work, name="work", rich_help_panel=PANEL)


def state_of(text: str) -> str:
    colour = COLOURS.get(text, "cyan")
    return f"[{colour}]{text.replace('_', ' ')}[/{colour}]"


@work.callback()
def list_orders(
    context: typer.Context,
    query: Annotated[str, typer.Option("--q", help="Part of the id, the title or their id.")] = "",
    twin: Annotated[str, typer.Option(help="Only of this machine.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (may repeat).")] = None,
    system: Annotated[str, typer.Option(help="Only those that this system holds.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Work orders, the newest first.

    Example: gemel work --twin press-7 --state planned
    """
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.work(query, twin=twin, state=",".join(state or ()), system=system, limit=limit).items
    rows = found if output.json else [one | {"window": _window(one)} for one in found]
    columns = ["id", "title", "twin", "item", "maintenance", "window", "state"]
    output.rows("", rows, columns, empty="No work orders. `gemel work new TWIN TITLE` makes one.")


def _window(order: dict[str, Any]) -> str:
    return " – ".join(output.time(parse_time(one)) for one in (order["start"], order["end"]) if one)


@work.command()
def show(order: str) -> None:
    """One order, with its steps and visits."""
    with target.open() as plant:
        told = plant.work.get(order)
    if output.json:
        output.value(told)
        return
    output.console.print(f"{state_of(told['state'])} {output.cell(told['title'])} [dim]{told['id']}[/dim]")
    facts = {name: told[name] for name in ("twin", "item", "maintenance", "job", "party", "repairs", "rework")}
    facts |= {"window": _window(told), "repaired by": ", ".join(told["repaired_by"])}
    for name, value in facts.items():
        if value:
            output.console.print(f"  [dim]{name}[/dim] {output.cell(value)}")
    if told["what"]:
        output.console.print(told["what"], markup=False)
    output.rows("Steps", told["steps"], ["time", "state", "actor", "reason"], empty="")
    visits = [one | {"cause": one["cause"] or ""} for one in told["visits"]]
    output.rows("Visits", visits, ["start", "end", "who", "outcome", "cause", "note"], empty="Nobody was there yet.")
    output.note(f"What to bring: gemel work kit {order}")


@work.command()
def new(
    twin: Annotated[str, typer.Argument(help="The machine.")],
    title: Annotated[str, typer.Argument(help="What is to be done, in a few words.")],
    id: Annotated[str, typer.Option("--id", help="Of its own; left out: one is made up.")] = "",
    item: Annotated[str, typer.Option(help="The item that it is for, if not the whole machine.")] = "",
    what: Annotated[str, typer.Option(help="More about it.")] = "",
    job: Annotated[str, typer.Option(help="Record of a job plan, a bulletin, or number of a plan.")] = "",
    kind: Annotated[
        str, typer.Option(help="By EN 13306: predetermined, condition_based, predictive, immediate …")
    ] = "",
    start: Annotated[str, typer.Option(help="Of the planned window, RFC 3339.")] = "",
    end: Annotated[str, typer.Option(help="Its end.")] = "",
    skill: Annotated[list[str] | None, typer.Option(help="What who goes has to be able to do (may repeat).")] = None,
    tool: Annotated[list[str] | None, typer.Option(help="What to bring (may repeat).")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="NUMBER, NUMBER@REVISION, NUMBER*2, with :SLOT at its end (may repeat).")
    ] = None,
    repairs: Annotated[str, typer.Option(help="The order whose work it repairs.")] = "",
    because: Annotated[str, typer.Option(help="Why: wrong_configuration_data, workmanship, defective_part …")] = "",
    expects: Expects = None,
) -> None:
    """Make a work order.

    Example: gemel work new press-7 'Change the seal' --part MS-12*2:pump_a/seal --skill hydraulics
    """
    spec: dict[str, Any] = {"twin": twin, "title": title, "id": id, "item": item, "what": what, "job": job}
    spec |= {"skills": list(skill or ()), "tools": list(tool or ()), "parts": [_part(one) for one in part or ()]}
    spec |= {name: value for name, value in (("start", start), ("end", end), ("maintenance", kind)) if value}
    spec |= {"expects": expected(expects)} if expects else {}
    spec |= {"repairs": repairs, "rework": because or "unknown"} if repairs else {}
    with target.open() as plant:
        told = plant.work.put(spec)
    output.done(f"{told['order']['id']} is {told['what']}", **told)


def _part(text: str) -> dict[str, Any]:
    rest, _, slot = text.partition(":")
    rest, _, count = rest.partition("*")
    part, _, revision = rest.partition("@")
    if count and not count.isdecimal():
        raise InvalidInput(f"{text!r:.60} is no part; write NUMBER@REVISION*2:SLOT")
    return {"part": part, "revision": revision, "quantity": int(count or 1), "slot": slot}


@work.command()
def move(
    order: str,
    state: Annotated[str, typer.Argument(help="planned, assigned, on_the_way, working, done, failed, cancelled.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    time: Annotated[str, typer.Option(help="When it was so, RFC 3339; left out: now.")] = "",
    concede: Annotated[
        str, typer.Option(help="Why you begin although it is not safe, or not as the order assumes; for engineers.")
    ] = "",
) -> None:
    """Bring an order into a state."""
    with target.open() as plant:
        told = plant.work.move(order, state, time=time, reason=reason, concession=concede)
    output.done(f"{order} is {told['state'].replace('_', ' ')}", **told)


@work.command()
def visit(
    order: str,
    start: Annotated[str, typer.Argument(help="From when, RFC 3339.")],
    end: Annotated[str, typer.Option(help="Until when; left out: under way.")] = "",
    failed: Annotated[
        str,
        typer.Option(help="It failed: wrong_people, wrong_parts, wrong_tools, wrong_information, no_access, other."),
    ] = "",
    note: Annotated[str, typer.Option(help="In your words.")] = "",
    who: Annotated[str, typer.Option(help="Random id of who went; left out: you.")] = "",
    key: Annotated[str, typer.Option(help="Your own id of the visit, to tell it again.")] = "",
) -> None:
    """Note a visit.

    Example: gemel work visit WO-31 2026-06-01T08:00:00Z --end 2026-06-01T10:00:00Z --failed wrong_parts
    """
    told: dict[str, Any] = {"key": key or secrets.token_hex(8), "start": to_rfc3339(parse_time(start))}
    told |= {"note": note, "who": who} | ({"end": to_rfc3339(parse_time(end))} if end else {})
    told["outcome"] = "failed" if failed else "done" if end else "under_way"
    told |= {"cause": failed} if failed else {}
    with target.open() as plant:
        done = plant.work.visit(order, told)
    output.done(f"{order} is {done['state'].replace('_', ' ')}; the visit is {told['key']}", **done)


@work.command()
def kit(order: str) -> None:
    """Skills, tools and parts for exactly this serial number; exit code 3 if a part does not fit."""
    with target.open() as plant:
        told = plant.work.kit(order)
    wrong = [one for one in told["parts"] if one["fits"] == "no"]
    if output.json:
        output.value(told)
    else:
        if told["item"]:
            output.console.print(f"For {told['item']}, serial number {told['serial'] or 'not told'}")
        for name in ("skills", "tools"):
            output.console.print(f"  [dim]{name}[/dim] {output.cell(told[name])}")
        columns = ["part", "revision", "quantity", "slot", "fits", "why"]
        output.rows("", told["parts"], columns, empty="No parts are asked for.")
        output.rows("", told["papers"], ["document", "title", "version", "language"], empty="")
        for text in told["unsafe"]:
            output.console.print(f"[red]! {output.cell(text)}[/red]")
        if told["item"]:
            output.note(f"On paper: gemel item work-pack {told['item']} --job {order}")
    if wrong:
        raise typer.Exit(3)


@work.command()
def acts(order: str) -> None:
    """What of the configuration was changed under an order."""
    with target.open() as plant:
        found = plant.work.acts(order)
    rows = found if output.json else [one["act"] | {"items": one["items"]} for one in found]
    output.rows("", rows, ["number", "kind", "time", "items", "actor"], empty="Nothing was changed under it.")


Since = Annotated[str, typer.Option(help="RFC 3339; left out: 90 days ago.")]


@work.command()
def report(
    start: Since = "",
    end: Annotated[str, typer.Option(help="Left out: now.")] = "",
    twin: Annotated[str, typer.Option(help="Only of this machine.")] = "",
    type: Annotated[str, typer.Option("--type", help="Only of machines of this type.")] = "",
    party: Annotated[str, typer.Option(help="Only of this party's crews.")] = "",
    part: Annotated[str, typer.Option(help="Only where this part is concerned.")] = "",
    revision: Annotated[str, typer.Option(help="Of it.")] = "",
    by: Annotated[str, typer.Option(help="One for each twin, type, party, part or month.")] = "",
) -> None:
    """Failed visits by cause, first-time fixes, rework, failures by class, downtime and what it cost.

    Example: gemel work report --by twin
    """
    query = {"start": start, "end": end, "twin": twin, "type": type, "party": party, "part": part}
    with target.open() as plant:
        found = plant.work.report(**query, revision=revision, by=by)
    if output.json:
        output.value(found)
        return
    for one in found:
        _report(one, by)
    said = dict.fromkeys(text for one in found for text in one["cost"]["rests_on"])
    for text in said:
        output.note(f"Cost rests on {text}")


def _report(told: dict[str, Any], by: str) -> None:
    visits, fix = told["visits"], told["visits"]["first_time_fix"]
    if by:
        output.console.print(f"[bold]{output.cell(told['group'] or 'not known')}[/bold]")
    share = "not known" if fix is None else f"{fix:.0%} of {visits['orders']}"
    output.console.print(
        f"  {told['orders']} orders, {visits['count']} visits, {visits['failed']} failed; fixed the first time: {share}"
    )
    causes = [f"{many} {cause.replace('_', ' ')}" for cause, many in visits["causes"].items() if many]
    if causes:
        output.console.print(f"  failed visits: {', '.join(causes)}")
    for one in told["rework"]:
        cost = _cost(one["cost"])
        output.console.print(f"  rework, {one['cause'].replace('_', ' ')}: {one['count']}, {one['hours']:.1f} h{cost}")
    for one in told["failures"]:
        if one["count"]:
            kind = one["kind"].replace("_", " ")
            output.console.print(f"  {one['count']} {kind} failures, {one['hours']:.1f} h{_cost(one['cost'])}")
    for one in told["downtime"]:
        standing = ", standing now" if one["open"] else ""
        output.console.print(f"  {output.cell(one['twin'])} stood {one['hours']:.1f} h{_cost(one['cost'])}{standing}")


def spent(cost: dict[str, Any]) -> str:
    """1250.00 EUR, 0.5 h without a price; empty: there were no hours."""
    told = [f"{amount} {currency}" for currency, amount in cost["amounts"].items()]
    told += [f"{cost['unpriced_h']:.1f} h without a price"] if cost["unpriced_h"] else []
    return ", ".join(told)


def _cost(cost: dict[str, Any]) -> str:
    told = spent(cost)
    return f" ({told})" if told else ""


@work.command()
def stops(
    twin: Annotated[str, typer.Option(help="Only of this machine.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Only of this class (may repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Unplanned stops, the newest first."""
    with target.open() as plant:
        found = plant.work.stops(twin=twin, kind=",".join(kind or ()), limit=limit).items
    columns = ["id", "twin", "start", "end", "kind", "seen", "order"]
    output.rows("", found, columns, empty="No stops are noted. `gemel work find-stops TWIN` looks for them.")


@work.command()
def stop(
    twin: str,
    start: Annotated[str, typer.Argument(help="From when, RFC 3339.")],
    end: Annotated[str, typer.Option(help="Until when; left out: it stands still.")] = "",
    kind: Annotated[
        str, typer.Option(help="hardware, software, overload, user_error, security, environment, unknown, planned.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, in your words.")] = "",
    order: Annotated[str, typer.Option(help="The work order that repaired it.")] = "",
    item: Annotated[str, typer.Option(help="What failed, of the machine.")] = "",
) -> None:
    """Note an unplanned stop of a machine."""
    spec: dict[str, Any] = {"twin": twin, "start": to_rfc3339(parse_time(start)), "reason": reason}
    spec |= {"order": order, "item": item}
    spec |= ({"end": to_rfc3339(parse_time(end))} if end else {}) | ({"kind": kind} if kind else {})
    with target.open() as plant:
        told = plant.work.put_stop(spec)
    output.done(f"{told['id']} is noted as {told['kind'].replace('_', ' ')}", **told)


@work.command()
def classify(
    stop: str,
    kind: Annotated[
        str, typer.Argument(help="hardware, software, overload, user_error, security, environment, unknown, planned.")
    ],
    reason: Annotated[str, typer.Option(help="Why, in your words.")] = "",
) -> None:
    """Say what failed; what was said before stays on record."""
    with target.open() as plant:
        told = plant.work.classify(stop, kind, reason=reason)
    output.done(f"{stop} is {told['kind'].replace('_', ' ')}", **told)


@work.command("find-stops")
def find_stops(
    twin: str,
    start: Annotated[str, typer.Option(help="RFC 3339; left out: a day ago.")] = "",
    end: Annotated[str, typer.Option(help="Left out: now.")] = "",
    value: Annotated[list[str] | None, typer.Option(help="Of states: what means that it stands (may repeat).")] = None,
    at_least: Annotated[float, typer.Option(help="Seconds; shorter ones are left out.")] = 60.0,
    note: Annotated[
        bool, typer.Option("--note", help="Note those that are not yet, and when noted ones ended.")
    ] = False,
) -> None:
    """When a machine's own conditions and states say that it stood."""
    with target.open() as plant:
        values = ",".join(value or ())
        found = plant.work.find_stops(twin, start=start, end=end, values=values, at_least_s=at_least)
        if note:
            for one in found:
                if one["key"]:
                    one["known"] = plant.work.put_stop(_stop(one))["id"]
    columns = ["start", "end", "seen", "known", "during"]
    output.rows("", found, columns, empty="Nothing says that it stood; --value names other states.")
    if not note and any(one["key"] for one in found):
        output.note("Note them with --note, then say what failed: gemel work classify STOP KIND")


def _stop(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("twin", "start", "end", "key")} | {"seen": found["seen"][0]}


@work.command()
def prices() -> None:
    """What an hour of downtime or of work costs, and on what that rests."""
    with target.open() as plant:
        found = plant.work.prices()
    columns = ["kind", "twin", "type", "per_hour", "currency", "since", "rests_on"]
    output.rows("", found, columns, empty="No prices. `gemel work price AMOUNT CURRENCY --rests-on …` tells one.")


@work.command()
def price(
    per_hour: Annotated[str, typer.Argument(help="Decimal, like 1250.00; empty: there is none any more.")],
    currency: Annotated[str, typer.Argument(help="ISO 4217, like EUR.")],
    rests_on: Annotated[str, typer.Option("--rests-on", help="The assumption: who estimated it, from what.")],
    twin: Annotated[str, typer.Option(help="Of this machine; neither twin nor type: of all.")] = "",
    type: Annotated[str, typer.Option("--type", help="Of machines of this type.")] = "",
    work_hour: Annotated[bool, typer.Option("--work", help="Of an hour of work, not of downtime.")] = False,
    since: Annotated[str, typer.Option(help="From when on, RFC 3339; left out: for ever.")] = "",
) -> None:
    """Say what an hour of downtime (or of work) costs.

    Example: gemel work price 1250 EUR --type press --rests-on "plan of 2026, finance"
    """
    spec: dict[str, Any] = {"kind": "work" if work_hour else "downtime", "twin": twin, "type": type}
    spec |= {"per_hour": per_hour, "currency": currency, "rests_on": rests_on} | ({"since": since} if since else {})
    with target.open() as plant:
        found = plant.work.put_price(spec)
    output.done(f"{per_hour} {currency} an hour", prices=found)

"""How configurations are kept up: promises, snapshots, events that become operations."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.items import PANEL, AsOf
from gemel.cli.show import output
from gemel.cli.sources import Document, document_of
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.errors import InvalidInput

__all__ = ["add_to"]

upkeep = typer.Typer(no_args_is_help=True, help="How up to date configurations are kept, and whether they are.")
translations = typer.Typer(no_args_is_help=True, help="Which events of machines become which operations.")
COLOURS = {"kept": "green", "broken": "red", "never": "red"}
Number = Annotated[int, typer.Argument(min=1)]


def add_to(app: typer.Typer) -> None:
    app.add_typer(upkeep, name="upkeep", rich_help_panel=PANEL)
    app.add_typer(translations, name="translations", rich_help_panel=PANEL)


# promises and snapshots


@upkeep.command("list")
def list_(
    broken: Annotated[bool, typer.Option("--broken", help="Only promises that are broken.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """What is promised of configurations, and how it stands; exit code 3 if a promise is broken.

    Example: gemel upkeep list --broken
    """
    with target.open() as plant:
        page = plant.upkeep(broken=broken, limit=limit)
        rows = page.items
        while page.next and len(rows) < limit:
            page = plant.upkeep(broken=broken, limit=limit - len(rows), cursor=page.next)
            rows += page.items
    empty = "Nothing is promised; `gemel upkeep promise ITEM --within DAYS` does." if not broken else "All is kept."
    columns = ["item", "confirmed within", "confirmed", "age", "state", "broken since", "snapshots", "next"]
    output.rows("", rows if output.json else [_row(one) for one in rows], columns, empty=empty)
    if page.next:
        output.note(f"There may be more than {limit}; --limit shows more.")
    if any(one["state"] != "kept" for one in rows):
        raise typer.Exit(3)


def _row(one: dict[str, Any]) -> dict[str, Any]:
    promise = one["promise"]
    return {
        "item": one["root"],
        "confirmed within": _days(promise["within_days"] or None),
        "confirmed": output.moment(one["confirmed"]),
        "age": _days(one["age_days"]),
        "state": one["state"] if promise["within_days"] else None,
        "broken since": output.moment(one["broken_since"]),
        "snapshots": promise["every"] or None,
        "next": output.moment(one["next_snapshot"]),
    }


def _days(days: float | None) -> str | None:
    return None if days is None else f"{days:,.1f} days".replace(".0 ", " ")


@upkeep.command()
def show(item: str) -> None:
    """How one is kept up: what is promised, how old its confirmation is, by which slots, and what comes next."""
    with target.open() as plant:
        found = plant.upkeep.of(item)
        whole = plant.configurations.about(item, "completeness")
    counted = [one for one in whole["slots"] if one["confirmed"] or one["mandatory"] or one["safety"]]
    oldest = sorted(counted, key=lambda slot: slot["confirmed"] or "")
    if output.json:
        output.value({**found, "oldest": oldest[:5]})
        return
    standing = found["standing"]
    promise, last = standing["promise"], found["last_snapshot"]
    state = f"[{COLOURS[standing['state']]}]{standing['state']}[/]" if promise["within_days"] else "nothing is promised"
    within = f" (every slot within {_days(promise['within_days'])})" if promise["within_days"] else ""
    output.console.print(f"[bold]{output.cell(item)}[/bold]: {state}{within}")
    age = (
        f"{output.moment(standing['confirmed'])}, {_days(standing['age_days'])} ago"
        if standing["confirmed"]
        else "never"
    )
    output.console.print(f"  all of it was confirmed: {age}")
    for slot in oldest[:5]:
        when = output.moment(slot["confirmed"]) or "[yellow]never[/yellow]"
        output.console.print(f"    {output.cell(' › '.join(slot['path']))}: {when}")
    often = (
        f"each {promise['every']}, next {output.moment(standing['next_snapshot'])}"
        if promise["every"]
        else "when asked for"
    )
    latest = f"last: {last['number']} of {output.moment(last['valid'])}" if last else "none yet"
    output.console.print(f"  snapshots: {often}; {latest}")
    if found["events"] is not None:
        refused = f"; [yellow]{found['refused']} refused[/yellow]" if found["refused"] else ""
        output.console.print(f"  events that become operations: {output.cell(found['events'])}{refused}")


@upkeep.command()
def promise(
    item: str,
    within: Annotated[
        float,
        typer.Option("--within", min=0, metavar="DAYS", help="Every slot is confirmed so long ago at most; 0: no."),
    ] = 0.0,
    snapshots: Annotated[str, typer.Option("--snapshots", help="Taken every month, quarter or year.")] = "",
) -> None:
    """Promise how up to date a configuration is, and how often snapshots are taken; without options, end it.

    Example: gemel upkeep promise M1 --within 90 --snapshots month
    """
    if snapshots not in ("", "month", "quarter", "year"):
        raise InvalidInput(f"snapshots are taken every month, quarter or year, not every {snapshots:.40}")
    with target.open() as plant:
        told = plant.upkeep.promise(item, within_days=within, every=snapshots)
    said = [f"every slot is confirmed at most {_days(within)} ago"] if within else []
    said += [f"a snapshot is taken every {snapshots}"] if snapshots else []
    what = " and ".join(said) or "nothing is promised any more"
    output.done(f"of {item}: {what}; {told['standing']['state']}" if within else f"of {item}: {what}", **told)


@upkeep.command()
def snapshot(
    item: str,
    as_of: AsOf = "",
    title: Annotated[str, typer.Option(help="What for.")] = "",
) -> None:
    """Take a snapshot: a hash over all that is known of a moment.

    Example: gemel upkeep snapshot M1 --title "as delivered"
    """
    with target.open() as plant:
        made = plant.upkeep.snapshot(item, at=moment_of(as_of) if as_of else None, title=title)
    output.done(f"snapshot {made['number']}: {made['items']} items, {made['hash']}", **made)


@upkeep.command()
def snapshots(item: str) -> None:
    """The dated snapshots of an item."""
    with target.open() as plant:
        rows = plant.upkeep.snapshots(item)
    told = [{**one, "of": output.moment(one["valid"]), "known": output.moment(one["known"])} for one in rows]
    columns = ["number", "of", "known", "items", "every", "title", "hash"]
    output.rows("", rows if output.json else told, columns, empty=f"None; `gemel upkeep snapshot {item}` takes one.")


@upkeep.command()
def changed(number: Number, to: Annotated[int, typer.Argument(min=0, help="Left out: now.")] = 0) -> None:
    """What changed since a snapshot, up to another one or now.

    Example: gemel upkeep changed 3
    """
    with target.open() as plant:
        rows = plant.upkeep.changed(number, to)
    told = [
        {"slot": " › ".join(one["path"]), "then": _brief(one["before"]), "later": _brief(one["after"])} for one in rows
    ]
    output.rows("", rows if output.json else told, ["slot", "then", "later"], empty="Nothing has changed since.")


def _brief(item: dict[str, Any] | None) -> str:
    return "nothing" if item is None else f"{item['id']} ({item['part']} {item['revision']})".replace(" )", ")")


# events that become operations


@translations.command("list")
def list_translations() -> None:
    """Which events become which operations."""
    with target.open() as plant:
        rows = plant.translations()
    told = [
        {
            "id": one["id"],
            "event": one["event"],
            "of": one.get("types") or "all twins",
            "becomes": one["operation"],
            "enabled": one.get("enabled", True),
        }
        for one in rows
    ]
    empty = "None; `gemel translations declare FILE` says which event becomes which operation."
    output.rows("", rows if output.json else told, ["id", "event", "of", "becomes", "enabled"], empty=empty)


@translations.command("declare")
def declare(file: Document) -> None:
    """Say which event becomes which operation, from now on: id, event, operation, types, make.

    Example: gemel translations declare replaced.yaml
    """
    with target.open() as plant:
        said = document_of(file)
        told = plant.translations.declare(said["id"], said)
    output.done(f"{told['event']} becomes {told['operation'].get('do')}", **told)


@translations.command("remove")
def remove_translation(id: str) -> None:
    """Translate an event no more; what it became stays."""
    with target.open() as plant:
        plant.translations.remove(id)
    output.done(f"{id} is translated no more", id=id)


@translations.command()
def refused(
    state: Annotated[str, typer.Option(help="open, done (tried again) or discarded.")] = "open",
    twin: Annotated[str, typer.Option(help="Only events of this twin.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Events of which no operation came, and why, the oldest first; exit code 3 if some are open."""
    with target.open() as plant:
        page = plant.translations.refusals(state=state, twin=twin, limit=limit)
    told = [{**one, "time": output.moment(one["time"])} for one in page.items]
    columns = ["number", "translation", "twin", "time", "fields", "reason"]
    output.rows("", page.items if output.json else told, columns, empty="None.")
    if page.next:
        output.note(f"There are more than {limit}; --limit shows more.")
    if state == "open" and page.items:
        raise typer.Exit(3)


@translations.command()
def retry(number: Number) -> None:
    """Try an event again, with the translation as it is now."""
    with target.open() as plant:
        told = plant.translations.retry(number)
    output.done(f"{number} is done", **told)


@translations.command()
def discard(number: Number) -> None:
    """Let an event become no operation."""
    with target.open() as plant:
        told = plant.translations.discard(number)
    output.done(f"{number} is discarded", **told)

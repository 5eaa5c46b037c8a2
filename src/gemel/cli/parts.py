"""The parts book, and questions to all machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.items import PANEL, AsOf, Known, moments_of
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of

__all__ = ["add_to"]

parts = typer.Typer(no_args_is_help=True, help="What part types are, and what may be in their slots.")
configuration = typer.Typer(no_args_is_help=True, help="Questions to one machine or to all of them.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(parts, name="parts", rich_help_panel=PANEL)
    app.add_typer(configuration, name="configuration", rich_help_panel=PANEL)


@parts.command()
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A parts document, YAML or JSON.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take out what the document does not have.")] = False,
) -> None:
    """Make the parts book as the document says; show the difference.

    Example: gemel parts apply parts.yaml --dry-run
    """
    with target.open(create=not dry_run, scratch=dry_run) as plant:
        told = plant.parts_book.apply(file.read_bytes(), dry_run=dry_run, prune=prune)
    if output.json:
        output.value(told)
        return
    output.console.print(told["text"], markup=False)
    if not told["empty"]:
        said = "[dim]Nothing was changed (--dry-run).[/dim]" if dry_run else "[green]✓[/green] Applied."
        output.console.print(said)


@parts.command("list")
def list_(
    query: Annotated[str, typer.Argument(help="Part of the number, the name or the maker.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 200,
) -> None:
    """Parts of the book."""
    with target.open() as plant:
        page = plant.parts_book(query, limit=limit)
    rows = [
        {
            "part": one["part"],
            "maker": one.get("maker", ""),
            "name": one.get("name", ""),
            "revisions": [revision["revision"] for revision in one.get("revisions", ())],
            "slots": [slot["slot"] for slot in one.get("slots", ())],
        }
        for one in page.items
    ]
    columns = ["part", "maker", "name", "revisions", "slots"]
    output.rows(
        "", page.items if output.json else rows, columns, empty="The book is empty; `gemel parts apply` fills it."
    )


@parts.command()
def show(part: str, maker: Annotated[str, typer.Option(help="Where several makers use the number.")] = "") -> None:
    """One part: revisions, slots, rules, limits."""
    with target.open() as plant:
        found = plant.parts_book.get(part, maker=maker)
    if output.json:
        output.value(found)
        return
    output.console.print(f"[bold]{output.cell(found['part'])}[/bold]  {output.cell(found.get('name', ''))}")
    for what in ("revisions", "slots", "rules", "limits"):
        for one in found.get(what, ()):
            output.console.print(f"  {what.removesuffix('s')}: {output.cell(one)}")


@parts.command("where-used")
def where_used(part: str) -> None:
    """The slots that a part may be in, by the book."""
    with target.open() as plant:
        rows = plant.parts_book.where_used(part)
    empty = f"No rule of the book allows {part} anywhere."
    output.rows("", rows, ["part", "maker", "slot", "revisions"], empty=empty)


def _span(span: dict[str, Any], *, whole: bool) -> str:
    """From when to when; of a question to one moment only that."""
    start, end = output.moment(span["start"]), output.moment(span["end"])
    return f"{start} – {end or ''}" if whole else str(start)


@configuration.command("find")
def find_(
    having: Annotated[list[str], typer.Argument(help="P-7, P-7:<C, P-7:>C, P-7:=B,C, P-7:?<C (also unknown).")],
    since: Annotated[str, typer.Option("--from", help="At any time from then on.")] = "",
    until: Annotated[str, typer.Option("--to", help="Before then.")] = "",
    source: Annotated[
        str, typer.Option(help="Of an attached source, by its id; several as one: own,ID; left out: our own.")
    ] = "",
    as_of: AsOf = "",
    known: Known = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 200,
) -> None:
    """Which machines have all of it at once, and when.

    Example: gemel configuration find 'P-7:<C' 'CTL-FW:<2.1' --from 2026-01-01
    """
    span: dict[str, Any] = {"start": moment_of(since)} if since else {}
    span |= {"end": moment_of(until)} if until else {}
    with target.open() as plant:
        found = plant.configurations(having, source=source, limit=limit, **span, **moments_of(as_of, known))
    if output.json:
        output.value(found)
        return
    rows = [{**one, "when": [_span(each, whole=bool(span)) for each in one["spans"]]} for one in found["items"]]
    output.rows("", rows, ["root", "part", "serial", "items", "when"], empty="No machine has all of that.")
    if found["unknown"]:
        output.note(f"of {found['unknown']} items the revision is not known; ask for them with :? (P-7:?<C)")
    if found["next"]:
        output.note(f"{found['total']:,} in all; raise --limit")


@configuration.command()
def remaining(
    kind: Annotated[str, typer.Option(help="Only this kind of use: hours, strokes …")] = "",
    part: Annotated[str, typer.Option(help="Only of this part.")] = "",
    root: Annotated[
        str, typer.Option("--in", metavar="ITEM", help="Only what this machine or assembly consists of.")
    ] = "",
    as_of: AsOf = "",
    known: Known = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Items with a life limit, those with the least left first."""
    with target.open() as plant:
        found = plant.configurations.remaining(kind=kind, part=part, root=root, limit=limit, **moments_of(as_of, known))
    rows = found["items"]
    told = [{**one, "used": f"{one['share']:.0%}", "where": f"{one['root']} {' › '.join(one['path'])}"} for one in rows]
    columns = ["item", "part", "kind", "remaining", "used", "where"]
    output.rows(
        "", rows if output.json else told, columns, empty="Nothing has a life limit; the parts book declares them."
    )


@configuration.command()
def check(item: str, as_of: AsOf = "", known: Known = "") -> None:
    """How complete the record of a machine is, and which rules it does not keep; exit code 3 if any."""
    with target.open() as plant:
        when = moments_of(as_of, known)
        whole = plant.configurations.about(item, "completeness", **when)
        findings = plant.configurations.about(item, "findings", **when)
    if output.json:
        output.value({"completeness": whole, "findings": findings})
    else:
        counts = ", ".join(f"{whole[name]} {name}" for name in ("held", "empty", "unknown", "differing", "missing"))
        output.console.print(f"[bold]{output.cell(item)}[/bold]: {whole['share']:.0%} known; slots: {counts}")
        for text in whole["threatens"]:
            output.console.print(f"[red]not safe[/red] {output.cell(text)}")
        columns = ["level", "rule", "slot", "item", "text"]
        output.rows("", findings, columns, empty="It keeps all rules of the parts book.")
    if findings or whole["threatens"]:
        raise typer.Exit(3)


@configuration.command()
def threats(
    item: Annotated[str, typer.Argument(help="Only this machine; left out: all.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many machines at most.")] = 100,
) -> None:
    """Which gaps of configurations threaten operation: unsafe, wrong, worn out, missing or not known; exit code 3 if
    any.

    Example: gemel configuration threats
    """
    with target.open() as plant:
        if item:
            found = [{"item": item, "serial": "", "threats": plant.configurations.about(item, "threats")}]
        else:
            found, page = [], plant.configurations.threats(limit=limit)
            found += page.items
            while page.next and len(found) < limit:
                page = plant.configurations.threats(limit=limit - len(found), cursor=page.next)
                found += page.items
            if page.next:
                output.note(f"There are more than {limit} machines; --limit shows more.")
    rows = [
        {"machine": one["item"], **threat, "slot": threat["slot"].replace("/", " › ")}
        for one in found
        for threat in one["threats"]
    ]
    columns = ["machine", "gravity", "kind", "slot", "item", "text"]
    output.rows("", found if output.json else rows, columns, empty="Nothing that is known threatens operation.")
    if rows:
        raise typer.Exit(3)


@configuration.command()
def materials(item: str, as_of: AsOf = "", known: Known = "") -> None:
    """What a machine is made of, for whoever takes it apart: the materials of all that is in it, in kg.

    Example: gemel --json configuration materials M1 > passport.json
    """
    with target.open() as plant:
        found = plant.configurations.about(item, "materials", **moments_of(as_of, known))
    if output.json:
        output.value(found)
        return
    rows = [
        one | {"mass": f"{one['mass']:,.3f}", "recycled": f"{one['recycled'] / one['mass']:.0%}"}
        for one in found["materials"]
    ]
    columns = ["material", "mass", "recycled", "hazard", "recovery", "items"]
    output.rows("", rows, columns, empty="No part in it declares `materials` in the parts book.")
    output.note(f"{found['mass']:,.3f} kg are declared, of {found['declared']} items.")
    if found["undeclared"]:
        output.note(f"Of these it is not declared what they are made of: {', '.join(found['undeclared'][:20])}")


@configuration.command()
def sides(item: str, as_of: AsOf = "", known: Known = "") -> None:
    """A machine as designed, built, delivered and maintained, slot by slot."""
    with target.open() as plant:
        found = plant.configurations.about(item, "sides", **moments_of(as_of, known))
    rows = [
        {
            "slot": " › ".join(one["path"]),
            "designed": [line["part"] for line in one["designed"]],
            "built": [side["item"] for side in one["built"]],
            "delivered": [side["item"] for side in one["delivered"]],
            "maintained": [side["item"] for side in one["maintained"]],
            "verdict": one["verdict"],
        }
        for one in found["slots"]
    ]
    columns = ["slot", "designed", "built", "delivered", "maintained", "verdict"]
    output.rows(
        "", found["slots"] if output.json else rows, columns, empty="It has no slots, and the book knows of none."
    )

"""The digital thread on the command line: follow it, trace what was out of tolerance, import folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import told_at
from gemel.clock import to_rfc3339

__all__ = ["add_to"]

thread = typer.Typer(no_args_is_help=True, help="What leads to what: documents, requirements, work, and what was made.")
At = Annotated[str, typer.Option("--as-of", help="As it was then: RFC 3339, a date, or back from now: 3d.")]
Known = Annotated[str, typer.Option(help="As it was believed then; the same.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(thread, name="thread", rich_help_panel="Configuration")


@thread.command()
def follow(
    node: Annotated[
        str, typer.Argument(help="KIND:ID, like item:box-3, part:PN#B, act:17, record:nc-7, twin:mill@START/END.")
    ],
    depth: Annotated[int, typer.Option(min=1, max=10, help="So many links at most.")] = 3,
    direction: Annotated[str, typer.Option(help="both, forward or back.")] = "both",
    phase: Annotated[str, typer.Option(help="Only of these phases, with commas.")] = "",
    siblings: Annotated[bool, typer.Option(help="Also back the way one came.")] = False,
    after: Annotated[str, typer.Option(help="Of a part with very many items: those after this one.")] = "",
    as_of: At = "",
    known: Known = "",
) -> None:
    """Everything that something leads to, both ways, with the path to each.

    Example: gemel thread follow item:box-3
    """
    from gemel.thread import Node  # with all that follows links

    start = Node.parse(node)
    how: dict[str, Any] = {"sub": start.sub, "depth": depth, "direction": direction, "phase": phase}
    if start.start is not None and start.end is not None:
        how |= {"start": to_rfc3339(start.start), "end": to_rfc3339(start.end)}
    with target.open() as plant:
        found = plant.thread.follow(
            start.kind, start.id, at=told_at(as_of), known=told_at(known), siblings=siblings or None, after=after, **how
        )
    if output.json:
        output.value(found)
        return
    nodes = found["nodes"]
    rows = []
    for one in found["reached"]:
        told = nodes[one["node"]]
        last = one["path"][-1]
        way = " → ".join(step["phrase"] for step in one["path"])
        rows.append(
            {"": "  " * (one["depth"] - 1) + told["title"], "what": told["what"] or told["kind"],
             "phase": told["phase"], "way": way, "node": told["key"], "said": _origin(found, last)}
        )  # fmt: skip
    output.rows(
        nodes[found["start"]]["title"],
        rows,
        ["", "what", "phase", "way", "node", "said"],
        empty=f"Nothing is linked to {node}. `gemel thread link` and `gemel thread import` link things.",
    )
    if found["next"]:
        output.note(f"it has more items: --after {found['next']} shows them")
    if found["more"]:
        output.note("there is more: a larger --depth shows it")


def _origin(found: dict[str, Any], step: dict[str, Any]) -> str:
    source = found["sources"].get(str(step["origin"])) if step["origin"] is not None else None
    return "" if source is None else f"{source['name']} {step['place']}".strip()


@thread.command()
def trace(
    items: Annotated[list[str], typer.Argument(help="Ids of items.")],
    status: Annotated[str, typer.Option(help="fail, pass, unknown, or all.")] = "fail",
    known: Known = "",
) -> None:
    """From what was out of tolerance to the runs that made it: machine, program, tools, readings while they cut.

    Example: gemel thread trace box-3 box-6
    """
    with target.open() as plant:
        found = plant.thread.trace(items, status="" if status == "all" else status, known=told_at(known))
    if output.json:
        output.value(found)
        return
    for one in found["items"]:
        output.console.print(f"\n[bold]{one['item']}[/bold] {one['part']} {one['serial']}", highlight=False)
        rows = [
            {"characteristic": m["characteristic"], "value": f"{output.cell(m['value'])} {m['unit']}",
             "bounds": f"{output.cell(m['lower'])} … {output.cell(m['upper'])}", "status": m["status"],
             "inspection": m["inspection"], "said": _said(found, m["origin"])}
            for m in one["measurements"]
        ]  # fmt: skip
        output.rows("", rows, ["characteristic", "value", "bounds", "status", "inspection", "said"],
                    empty=f"Nothing of it is {status}.")  # fmt: skip
        runs = [
            {"run": run["run"], "machine": run["machine"], "from": run["start"], "until": run["end"],
             "program": f"{run['program_name']} ({run['confidence']:.0%})" if run["program"] else "",
             "drawing": run["drawings"], "tools": [_tool(tool) for tool in run["tools"]]}
            for run in one["runs"]
        ]  # fmt: skip
        output.rows("", runs, ["run", "machine", "from", "until", "program", "drawing", "tools"], empty="")
        for missing in one["unmatched"]:
            output.console.print(f"  [dim]not known: {missing}[/dim]", highlight=False)


def _tool(tool: dict[str, Any]) -> str:
    speed = tool["readings"].get("spindle_speed")
    told = f" at {speed['mean']:,.0f} {speed['unit']}" if speed else ""
    return f"{tool['tool']}{' ' + tool['name'] if tool['name'] else ''}{told}"


def _said(found: dict[str, Any], origin: dict[str, Any] | None) -> str:
    if origin is None:
        return ""
    source = found["sources"].get(str(origin["source"]))
    return f"{source['name']} {origin['place']}" if source else ""


@thread.command()
def records(
    q: Annotated[str, typer.Argument(help="Part of the id, title or external id.")] = "",
    kind: Annotated[str, typer.Option(help="drawing, nc-program, operation, inspection …")] = "",
    phase: Annotated[str, typer.Option(help="concept, design, manufacturing, quality or service.")] = "",
    system: Annotated[str, typer.Option(help="The system that holds them.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Records of other systems, and of files that were imported."""
    with target.open() as plant:
        rows = plant.thread.records(q, kind=kind, phase=phase, system=system, limit=limit)["items"]
    columns = ["id", "kind", "phase", "title", "revision", "system", "external"]
    output.rows("", rows, columns, empty="There are none. `gemel thread record` and `gemel thread import` make some.")


@thread.command()
def record(
    id: str,
    kind: Annotated[str, typer.Argument(help="requirement, drawing, change-order, work-order, certificate …")],
    title: Annotated[str, typer.Option(help="For people.")] = "",
    phase: Annotated[str, typer.Option(help="Where it belongs, if not where its kind usually does.")] = "",
    revision: str = "",
    system: Annotated[str, typer.Option(help="The system that holds it.")] = "",
    external: Annotated[str, typer.Option(help="Its id there.")] = "",
    url: Annotated[str, typer.Option(help="Where people find it; it is never fetched.")] = "",
    about: Annotated[list[str] | None, typer.Option(help="KIND:ID that it concerns; may be repeated.")] = None,
) -> None:
    """Make a record of another system known, and link it to what it concerns.

    Example: gemel thread record ECO-17 change-order --system plm --about part:PN-4711#B
    """
    told = {"id": id, "kind": kind, "title": title, "revision": revision, "system": system}
    told |= {"external": external, "url": url} | ({"phase": phase} if phase else {})
    links = [{"kind": "concerns", "source": {"kind": "record", "id": id}, "target": _node(one)} for one in about or ()]
    with target.open() as plant:
        done = plant.thread.weave([told], links, basis={"source": "cli"})
    output.done(f"{id} is known", **done)


@thread.command()
def link(
    source: Annotated[str, typer.Argument(help="KIND:ID")],
    kind: Annotated[str, typer.Argument(help="describes, derived_from, executed, made, satisfies, concerns …")],
    to: Annotated[str, typer.Argument(help="KIND:ID")],
    reason: Annotated[str, typer.Option(help="Why it is believed.")] = "",
    confidence: Annotated[float, typer.Option(min=0, max=1)] = 1.0,
) -> None:
    """Link two things: SOURCE KIND TARGET.

    Example: gemel thread link record:nc-7 derived_from record:drawing-12
    """
    given = {"kind": kind, "source": _node(source), "target": _node(to)}
    with target.open() as plant:
        done = plant.thread.weave(links=[given], basis={"source": "cli", "reason": reason, "confidence": confidence})
    output.done(f"{source} {kind.replace('_', ' ')} {to}" if done["links"] else "that was known already", **done)


def _node(text: str) -> dict[str, Any]:
    from gemel.thread import Node

    node = Node.parse(text)
    told: dict[str, Any] = {"kind": str(node.kind), "id": node.id, "sub": node.sub}
    if node.start is not None and node.end is not None:
        told |= {"start": to_rfc3339(node.start), "end": to_rfc3339(node.end)}
    return told


@thread.command()
def end(
    link: Annotated[int, typer.Argument(help="Number of the link.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    until: Annotated[
        str, typer.Option(help="It was so until then: RFC 3339, a date, 3d; left out: it never was.")
    ] = "",
) -> None:
    """End a link, or say that it never was."""
    with target.open() as plant:
        done = plant.thread.end(link, reason=reason, at=told_at(until))
    output.done(f"link {link} has ended" if until else f"link {link} is not believed any more", **done)


@thread.command()
def source(
    number: Annotated[int, typer.Argument(help="Of the file, as answers name it.")],
    place: Annotated[str, typer.Option(help='Like "line 12" or "lines 5-19".')] = "",
) -> None:
    """The file that a statement was read from, and its lines."""
    with target.open() as plant:
        found = plant.thread.source(number, place)
    if output.json:
        output.value(found)
        return
    file = found["source"]
    output.console.print(f"[bold]{file['name']}[/bold] {file['size']:,} bytes, SHA-256 {file['sha256']}")
    for number, line in enumerate(found["lines"], found["first"]):
        output.console.print(f"{number:>8} {line}", markup=False)


@thread.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="With the files; those that the mapping names are read. Or one file.")],
    mapping: Annotated[str, typer.Option(help="Name of a mapping (`gemel thread mappings`), or a YAML file.")],
    receive: Annotated[
        bool, typer.Option("--receive", help="What as-built lists say was seen: the record becomes as they say.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of it.")] = False,
) -> None:
    """Import a folder into the thread: product structures, as-built lists, inspections, machine logs, drawings.

    Example: gemel thread import nist_thread --mapping nist-box-assembly --dry-run
    What a supplier's list says otherwise than the record: gemel thread import list.xlsx --mapping as-built --dry-run
    """
    with target.open(create=not dry_run, scratch=dry_run) as plant, output.progress("reading") as bars:
        bar = bars.add_task("", total=100)
        found = plant.thread.import_folder(
            folder,
            mapping,
            receive=receive,
            dry_run=dry_run,
            progress=lambda part: bars.update(bar, completed=round(100 * part)),
        )
    if output.json:
        output.value(found)
    else:
        _told(found)
    if found["errors"]:
        raise typer.Exit(3)


def _told(found: dict[str, Any]) -> None:
    for changes in (found["plan"], found["book"]):
        if changes:
            output.console.print(changes, markup=False)
    rows = [row | {"faults": len(row["faults"]) + row["untold"]} for row in found["files"]]
    columns = [
        "name",
        "reader",
        "items",
        "records",
        "links",
        "measurements",
        "failed",
        "readings",
        "same",
        "left_out",
        "faults",
    ]
    output.rows(found["title"], rows, columns, empty="The mapping names none of the files.")
    _compared(found)
    for row in found["files"]:
        told = sorted(row["faults"], key=lambda fault: ("error", "left out", "note").index(fault["level"]))
        for fault in told[:5]:
            colour = {"error": "red", "left out": "yellow"}.get(fault["level"], "dim")
            place = f"{row['name']} {fault['place']}".strip()
            output.console.print(f"[{colour}]{fault['level']}[/{colour}] {output.cell(place)}: ", end="")
            output.console.print(fault["message"], markup=False)
        if len(row["faults"]) > 5:
            output.console.print(f"  [dim]… {len(row['faults']) - 5 + row['untold']} more of {row['name']}[/dim]")
    for name in found["unmatched"]:
        output.console.print(f"[dim]not read, the mapping does not name it: {output.cell(name)}[/dim]")
    for pattern in found["missing"]:
        output.console.print(f"[dim]no file is like {output.cell(pattern)}[/dim]")
    if found["acknowledgement"]:
        output.console.print(f"[dim]{found['acknowledgement']}[/dim]")
    if found["errors"]:
        output.console.print(f"[red]{found['errors']} errors: nothing would be taken in[/red]")
    elif found["done"]:
        repeated = sum(row["repeated"] for row in found["files"])
        output.done(f"{len(found['files']) - repeated} files were taken in; {repeated} had been before")
    else:
        output.note("Nothing was changed. Without --dry-run it is taken in.")


def _compared(found: dict[str, Any]) -> None:
    """What as-built lists say otherwise than the record."""
    rows = [
        {
            "machine": one["item"] or one["machine"],
            "slot": slot["slot"],
            "": slot["verdict"],
            "list": " ".join(filter(None, (slot["part"], slot["revision"], slot["serial"] or slot["lot"]))),
            "record": slot["recorded"],
            "in the list": slot["place"],
        }
        for one in found["compared"]
        for slot in one["slots"]
    ]
    if rows:
        columns = ["machine", "slot", "", "list", "record", "in the list"]
        output.rows("The list beside the record", rows, columns, empty="")
    more = found["unseen"] + sum(one["untold"] for one in found["compared"])
    if more:
        output.note(f"and {more:,} more; --json tells up to 500 slots of 200 machines")


@thread.command()
def mappings() -> None:
    """The mappings that come with Gemel."""
    with target.open(scratch=True) as plant:
        rows = plant.thread.mappings()
    output.rows("", rows, ["name", "title"], empty="There are none.")

"""What is known: types, twins, links; declared with `apply`, made with `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.tree import Tree

from gemel.cli import archives
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import print_now, units_of
from gemel.errors import InvalidInput
from gemel.twin import json_schema

__all__ = ["add_to"]

importing = typer.Typer(no_args_is_help=True, help="Twins from what machines say; history from other systems.")


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Twins")(apply)
    app.add_typer(importing, name="import", rich_help_panel="Twins")
    archives.add_to(importing)
    for command in (twins, twin, types, schema):
        app.command(rich_help_panel="Twins")(command)


def apply(
    files: Annotated[
        list[Path], typer.Argument(exists=True, help="Plant documents (YAML or JSON), or folders of them.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also retire what an earlier apply declared and these do not.")
    ] = False,
) -> None:
    """Make the plant as the documents say; show the difference.

    Example: gemel apply plant.yaml --dry-run
    """
    from gemel.registry import load_plant  # SQLAlchemy: too slow to load for the other commands

    with target.open(create=not dry_run, scratch=dry_run) as plant:
        plan = plant.apply(load_plant(*files), dry_run=dry_run, prune=prune)
    if output.json:
        output.value(plan)
        return
    output.console.print(plan.text, markup=False)
    if not plan.empty:
        said = "[dim]Nothing was changed (--dry-run).[/dim]" if dry_run else "[green]✓[/green] Applied."
        output.console.print(said)


@importing.command("everything")
def import_all(
    source: Annotated[Path, typer.Argument(help="The folder that `gemel export --everything` wrote.")],
    database: Annotated[str, typer.Option(help="URL of an empty PostgreSQL database for registry and journal.")] = "",
    catalogue: Annotated[str, typer.Option(help="URL of another one, for the history's catalogue.")] = "",
) -> None:
    """Make a new plant (--at FOLDER) with everything that another one exported; every file is checked first.

    Example: gemel --at plant-again import everything leaving
    """
    from gemel.transfer import import_everything  # DuckDB: too slow to load for the other commands

    if target.is_url:
        raise InvalidInput("import everything makes a plant's folder; name it with --at FOLDER")
    with output.progress(f"Importing {source}") as bars:
        bar = bars.add_task("", total=1.0)
        made = import_everything(
            source,
            Path(target.at),
            database=database,
            catalogue=catalogue,
            progress=lambda part: bars.update(bar, completed=part),
        )
    people = f"; {made.people} people need new passwords: serve it and set up the administrator" if made.people else ""
    output.done(f"{target.at} is the plant at position {made.position:,}{people}", **msgspec.to_builtins(made))


@importing.command("mtconnect")
def import_mtconnect(
    source: Annotated[str, typer.Argument(help="Devices.xml, or the URL of an agent (its /probe).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the plant document here (YAML).")] = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", help="Where a device is reached: NAME=shdr://host:7878 (may repeat).")
    ] = None,
    now: Annotated[bool, typer.Option("--apply", help="Apply it at once.")] = False,
) -> None:
    """Types and twins of every device of an MTConnect model: composition, units, bindings.

    Example: gemel import mtconnect Devices.xml -o shop.yaml
    """
    from gemel.connectors.mtconnect import import_devices, plant_yaml

    urls = dict(pair.split("=", 1) for pair in url or [] if "=" in pair)
    wire: Any = "agent" if any(one.startswith("http") for one in [source, *urls.values()]) else "shdr"
    document = import_devices(_read(source), wire=wire, urls=urls, name=source)
    _imported(plant_yaml(document), out, now)


@importing.command("opcua")
def import_opcua(
    url: Annotated[str, typer.Argument(help="opc.tcp://host:port/…")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the plant document here (YAML).")] = None,
    now: Annotated[bool, typer.Option("--apply", help="Apply it at once.")] = False,
) -> None:
    """Browse an OPC UA server and propose a type, a twin and bindings.

    Example: gemel import opcua opc.tcp://127.0.0.1:4840 -o press.yaml
    """
    import asyncio

    from gemel.connectors.mtconnect import plant_yaml
    from gemel.connectors.opcua import OpcuaSettings, propose

    document = asyncio.run(propose(OpcuaSettings(url=url)))
    _imported(plant_yaml(document), out, now)


def twins(
    query: Annotated[str, typer.Argument(help="Part of an id, name, serial number or alias.")] = "",
    type: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only at this life-cycle stage.")] = None,
    linked: Annotated[
        str | None, typer.Option(help="Linked so: part_of:line-1, or part_of*:line-1 at any depth.")
    ] = None,
    roots: Annotated[bool, typer.Option("--roots", help="Only twins that are part of no other.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200,
) -> None:
    """Find twins.

    Examples: gemel twins mazak · gemel twins --type linear_axis --linked 'part_of*:mazak01'
    """
    asked: dict[str, Any] = {"q": query, "type": type, "stage": stage, "linked": linked, "roots": roots, "limit": limit}
    with target.open() as plant:
        page = plant.twins(**{key: value for key, value in asked.items() if value})
        rows = [msgspec.to_builtins(twin) for twin in page.items]
        planned = [row for row in rows if row["stage"] == "planned"]
        designs = plant.design_models(**{key: value for key, value in asked.items() if value}) if planned else set()
    for row in planned:
        row["design_model"] = row["id"] in designs
        if row["design_model"] and not output.json:
            row["stage"] = "design model"
    output.rows("", rows, ["id", "name", "types", "serial", "stage"], empty="No twin fits; see all with `gemel twins`.")
    if page.next and not output.json:
        output.note(f"more than {limit}; narrow the search, or raise --limit")


def twin(
    id: Annotated[str, typer.Argument(help="Id or alias.")],
    depth: Annotated[int, typer.Option(help="How many levels of parts.")] = 3,
) -> None:
    """One twin: who it is, its values now, its parts."""
    with target.open() as plant:
        known, now, tree = plant.twin(id), plant.now(id), plant.parts(id, depth=depth)
        design = known.stage == "planned" and known.id in plant.design_models(known.id, stage="planned", limit=1000)
        if output.json:
            output.value({"twin": msgspec.to_builtins(known) | {"design_model": design}, "now": now, "parts": tree})
            return
        stage = "design model" if design else known.stage
        output.console.print(
            f"[bold]{known.name or known.id}[/bold]  [dim]{known.id} · {', '.join(known.types)} · {stage}[/dim]"
        )
        if now:
            print_now(now, units_of(plant, known.types))
        if tree["parts"]:
            output.console.print(_branch(tree, Tree(f"[bold]{known.id}[/bold]")))


def types(
    id: Annotated[str, typer.Argument(help="Show this type in full.")] = "",
    version: Annotated[int | None, typer.Option(help="An earlier version of it.")] = None,
) -> None:
    """Twin types, or one of them with its properties."""
    with target.open() as plant:
        if not id:
            rows = [
                {"id": t.id, "version": t.version, "title": t.title, "properties": len(t.properties)}
                for t in plant.types()
            ]
            output.rows(
                "", rows, ["id", "version", "title", "properties"], empty="No types yet; `gemel apply plant.yaml`."
            )
            return
        found = msgspec.to_builtins(plant.type(id, version))
    if output.json:
        output.value(found)
        return
    output.console.print(f"[bold]{found['title'] or id}[/bold]  [dim]{id} · version {found['version']}[/dim]")
    columns = ["name", "kind", "unit", "minimum", "maximum", "normal", "values", "deprecated"]
    output.rows("", found["properties"], columns, empty="It has no properties.")


def schema(document: Annotated[str, typer.Argument(help="plant or twin-type")] = "plant") -> None:
    """The JSON Schema of a document, for editors and checks."""
    output.value(json_schema(document))


def _read(source: str) -> bytes:
    if source.startswith(("http://", "https://")):
        import httpx

        return httpx.get(source, follow_redirects=True, timeout=30).raise_for_status().content
    return Path(source).read_bytes()


def _imported(text: str, out: Path | None, now: bool) -> None:
    if out:
        out.write_text(text)
        output.done(f"{out}: look at it, then `gemel apply {out}`", file=str(out))
    if now:
        with target.open(create=True) as plant:
            output.console.print(plant.apply(text).text, markup=False)
    if not out and not now:
        output.console.print(text, markup=False, end="", soft_wrap=True)


def _branch(node: dict[str, Any], tree: Tree) -> Tree:
    for part in node["parts"]:
        _branch(part, tree.add(f"{part['id']} [dim]{', '.join(part['types'])}[/dim]"))
    return tree

"""Items: which serialised part was where, as of two moments, and its life."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from gemel.cli import operations
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.errors import InvalidInput

__all__ = ["PANEL", "AsOf", "Known", "add_to", "drawn", "moments_of"]

item = typer.Typer(
    no_args_is_help=True, help="One part: where it is and was, what it consists of, what was done to it."
)

PANEL = "Configuration"
AsOf = Annotated[str, typer.Option("--as-of", help="As it was then: RFC 3339, a date, or back from now: 3d.")]
Known = Annotated[str, typer.Option("--known", help="As it was believed then; the same.")]
Id = Annotated[str, typer.Argument(metavar="ITEM", help="Its id; `gemel item find` knows it by any other name.")]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(items)
    operations.add_to(item)
    app.add_typer(item, name="item", rich_help_panel=PANEL)


def moments_of(as_of: str, known: str, before: str = "") -> dict[str, int]:
    """Both moments of a question, as far as they are given. Raises InvalidTime."""
    given = {f"{before}at": as_of, f"{before}known": known}
    return {name: moment_of(text) for name, text in given.items() if text}


def items(
    query: Annotated[str, typer.Argument(help="Part of an id, another name, part, serial number, maker, lot.")] = "",
    part: Annotated[str, typer.Option(help="Only of this part number.")] = "",
    revision: Annotated[str, typer.Option(help="Only at this revision.")] = "",
    root: Annotated[str, typer.Option(help="Only what this machine consists of.")] = "",
    loose: Annotated[bool, typer.Option("--loose", help="Only what is in nothing: machines, stores, spares.")] = False,
    retired: Annotated[bool, typer.Option("--retired", help="Also what exists no more.")] = False,
    as_of: AsOf = "",
    known: Known = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 200,
) -> None:
    """Find items, and where they are.

    Examples: gemel items P-7 · gemel items --root M1 --as-of 2026-03-11 --known 2026-03-20
    """
    asked: dict[str, Any] = {"part": part, "revision": revision, "root": root, "loose": loose, "retired": retired}
    with target.open() as plant:
        given = {name: value for name, value in asked.items() if value}
        page = plant.items(query, **given, **moments_of(as_of, known), limit=limit)
    if output.json:
        output.value(page.items)
        return
    rows = [{**one["item"], "where": _where(one)} for one in page.items]
    columns = ["id", "part", "revision", "serial", "maker", "where"]
    output.rows("", rows, columns, empty="No item fits; `gemel item create ID --part PART` makes one known.")
    if page.next:
        output.note(f"more than {limit}; narrow the search, or raise --limit")


def _where(one: dict[str, Any]) -> str:
    return f"{one['root']} › {' › '.join(one['path'])}" if one["root"] else ""


@item.command()
def find(code: Annotated[str, typer.Argument(help="As scanned or typed: id, alias, serial number, GS1, QR.")]) -> None:
    """What a code means: a label, a serial number, the address of a page."""
    with target.open() as plant:
        rows = plant.items.find(code)
    empty = "Nothing is called so; look for a part of it with `gemel items` or `gemel twins`."
    output.rows(
        "",
        [{**one, "where": _where(one)} for one in rows],
        ["kind", "id", "title", "serial", "by", "where"],
        empty=empty,
    )


@item.command()
def show(id: Id, as_of: AsOf = "", known: Known = "") -> None:
    """One item: what it is, where it is, how much it was used."""
    with target.open() as plant:
        when = moments_of(as_of, known)
        found, counters = plant.items.get(id, **when), plant.items.counters(id, **when)
    if output.json:
        output.value({**found, "counters": counters})
        return
    output.console.print(_named(found["item"]))
    where = (
        f"in [bold]{escape(_where(found))}[/bold] since {output.moment(found['since'])}"
        if found["root"]
        else "in nothing"
    )
    output.console.print(f"  {where}")
    for kind, count in counters.items():
        untold = f" [dim]({count['untold_s'] / 3600:,.0f} h of its life nobody told)[/dim]" if count["untold_s"] else ""
        output.console.print(f"  {kind}: [bold]{count['amount']:,.6g}[/bold]{untold}")


@item.command()
def tree(id: Id, as_of: AsOf = "", known: Known = "") -> None:
    """What it consists of: slots, parts, revisions, serial numbers; and the software that runs, as it was reported.

    Example: gemel item tree M1 --as-of 2026-03-11 --known 2026-03-20
    """
    when = moments_of(as_of, known)
    with target.open() as plant:
        found = plant.items.tree(id, **when)
        told = not known or found["parts"] or plant.items.acts(id, known=when["known"])
    drawn(found)
    if not told:
        output.note(f"nothing that you are told of {id} was known then; --as-of asks how it was, by what is known now")


def drawn(found: dict[str, Any]) -> None:
    """A tree as it is answered."""
    if output.json:
        output.value(found)
        return
    output.console.print(_branch(found, Tree(_named(found["item"]))))


def _branch(node: dict[str, Any], tree: Tree) -> Tree:
    for one in node.get("software", ()):
        tree.add(f"[cyan]{escape(one['slot'])}[/cyan]  {_software(one)}")
    for part in node["parts"]:
        planned = f" [yellow]planned: {part['planned']}[/yellow]" if part.get("planned") else ""
        slot = escape(part["path"][-1])
        since = f"[dim]since {output.moment(part['since'])}[/dim]" if part["since"] else ""
        _branch(part, tree.add(f"[cyan]{slot}[/cyan]  {_named(part['item'])}  {since}{planned}"))
    return tree


def _software(one: dict[str, Any]) -> str:
    """What runs, and what should."""
    version = f"[bold]{escape(one['version'])}[/bold]" if one["version"] else "[yellow]never told its version[/yellow]"
    told = [f"{escape(one['part'] or 'software')} {version}"]
    if one["since"]:
        told.append(f"[dim]since {output.moment(one['since'])}[/dim]")
    colour = "red" if one["state"] in ("behind", "forbidden") else "dim"
    if one["required"]:
        told.append(f"[{colour}]required: {escape(', '.join(one['required']))}[/{colour}]")
    if colour == "red":
        told.append(f"[red]{one['state']}[/red]")
    return "  ".join(told)


def _named(item: dict[str, Any]) -> str:
    revision = f" {escape(item['revision'])}" if item["revision"] else ""
    named = (("SN", item["serial"]), ("lot", item["lot"]))
    serial = next((f" · {what} {escape(text)}" for what, text in named if text), "")
    gone = " [red]retired[/red]" if item["retired"] else ""
    return f"[bold]{escape(item['id'])}[/bold]  {escape(item['part'])}{revision}{serial}{gone}"


@item.command()
def history(id: Id, known: Known = "") -> None:
    """In which slot of what it was, from–to."""
    with target.open() as plant:
        rows = plant.items.history(id, known=moment_of(known) if known else None)
    told = [
        {
            "from": output.moment(one["valid"]["start"]),
            "to": output.moment(one["valid"]["end"]),
            "in": one["parent"] or "elsewhere",
            "slot": one["slot"],
            "by act": one["begun_by"] or "",
            "ended by act": one["ended_by"] or "",
        }
        for one in rows
    ]
    columns = ["from", "to", "in", "slot", "by act", "ended by act"]
    output.rows("", rows if output.json else told, columns, empty=f"Nobody said where {id} was.")


@item.command()
def acts(id: Id, known: Known = "") -> None:
    """Who said what of it, in the order of its becoming known."""
    with target.open() as plant:
        rows = plant.items.acts(id, known=moment_of(known) if known else None)
    told = [
        {
            "act": one["number"],
            "what": one["kind"],
            "when": output.moment(one["time"]),
            "known since": output.moment(one["recorded"]),
            "by": one["actor"],
            "work order": one["basis"]["work_order"],
            "reason": one["basis"]["reason"],
            "amends": one["amends"] or "",
        }
        for one in rows
    ]
    columns = ["act", "what", "when", "known since", "by", "work order", "reason", "amends"]
    output.rows("", rows if output.json else told, columns, empty="Nobody said anything of it.")


@item.command()
def nonconformances(
    id: Id,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are closed.")] = False,
    as_of: AsOf = "",
    known: Known = "",
) -> None:
    """What of it, and of all that is in it, breaks a rule or is not as it should be, and how it stands with it."""
    with target.open() as plant:
        rows = plant.configurations.about(id, "nonconformances", **moments_of(as_of, known))
    rows = [one for one in rows if all_ or one["state"] != "closed"]
    told = [
        {
            "no.": one["number"],
            "where": f"{one['parent']} › {one['slot']}" if one["slot"] else one["item"],
            "level": one["level"],
            "state": one["state"] + (f" until {output.moment(one['until'])}" if one["until"] else ""),
            "what": one["text"],
            "since": output.moment(one["time"]),
            "evidence": one["evidence"],
        }
        for one in rows
    ]
    columns = ["no.", "where", "level", "state", "what", "since", "evidence"]
    output.rows("", rows if output.json else told, columns, empty="Nothing is amiss, as far as is known.")


@item.command()
def compare(
    id: Id,
    other: Annotated[str, typer.Argument(help="Another machine; left out: the same one.")] = "",
    as_of: AsOf = "",
    known: Known = "",
    with_as_of: Annotated[str, typer.Option("--with-as-of", help="As the other was then.")] = "",
    with_known: Annotated[str, typer.Option("--with-known", help="As the other was believed then.")] = "",
) -> None:
    """What differs between two machines, two moments of one, or what was believed of it.

    Example: gemel item compare M1 --as-of 2026-02-01
    """
    with target.open() as plant:
        when = moments_of(as_of, known) | moments_of(with_as_of, with_known, "with_")
        rows = plant.items.compare(id, other, **when)
    told = [{"slot": " › ".join(one["path"]), **_sides(one)} for one in rows]
    output.rows("", rows if output.json else told, ["slot", "here", "there"], empty="They do not differ.")


def _sides(one: dict[str, Any]) -> dict[str, str]:
    ran, runs = one["ran"], one["runs"]
    if ran or runs:
        return {"here": _version(ran), "there": _version(runs)}
    return {"here": _brief(one["before"]), "there": _brief(one["after"])}


def _version(software: dict[str, Any] | None) -> str:
    return "nothing" if software is None else f"{software['part'] or 'software'} {software['version']}"


def _brief(item: dict[str, Any] | None) -> str:
    return "nothing" if item is None else f"{item['id']} ({item['part']} {item['revision']})".replace(" )", ")")


@item.command()
def life(
    id: Id,
    property: Annotated[str, typer.Argument(help="Of the item; left out: where it was and who tells of it.")] = "",
    since: Annotated[str, typer.Option("--from", help="RFC 3339, a date, or back from now; left out: all.")] = "",
    until: Annotated[str, typer.Option("--to", help="The same.")] = "now",
    around: Annotated[
        bool, typer.Option("--around", help="Of the machine that it was in, in place of its own.")
    ] = False,
    points: Annotated[int, typer.Option(min=1, max=100_000, help="About how many in all.")] = 200,
    known: Known = "",
) -> None:
    """What was reported of it, in whatever machine it was.

    Example: gemel item life PUMP-A vibration --from 90d
    """
    span: dict[str, Any] = {"end": moment_of(until)} | ({"start": moment_of(since)} if since else {})
    span |= {"known": moment_of(known)} if known else {}
    with target.open() as plant:
        if not property:
            rows = plant.items.life(id, **span)
            told = [{**_piece(one["piece"]), "properties": one["properties"]} for one in rows]
            columns = ["from", "to", "in", "twin", "properties"]
            output.rows("", rows if output.json else told, columns, empty="Nobody said where it was.")
            return
        found = plant.items.series(id, property, points=points, around=around, **span)
    if output.json:
        output.value(found)
        return
    rows = [_piece(one["piece"]) | _told(one) for one in found["stretches"]]
    output.console.print(
        f"[bold]{escape(property)}[/bold] of {escape(id)}{' in ' + found['unit'] if found['unit'] else ''}"
    )
    output.rows("", rows, ["from", "to", "in", "twin", "readings", "from–to value"], empty="")


def _piece(piece: dict[str, Any]) -> dict[str, Any]:
    span = piece["span"]
    return {
        "from": output.moment(span["start"]),
        "to": output.moment(span["end"]),
        "in": _where(piece),
        "twin": piece["twin"],
    }


def _told(stretch: dict[str, Any]) -> dict[str, Any]:
    if stretch["series"] is None:
        return {"readings": 0, "from–to value": stretch["missing"]}
    columns = stretch["series"]["columns"]
    numbers = [one for name in ("value", "min", "max") for one in columns.get(name, ()) if isinstance(one, int | float)]
    told = f"{min(numbers):,.6g} – {max(numbers):,.6g}" if numbers else ""
    return {"readings": len(next(iter(columns.values()), ())), "from–to value": told}


@item.command()
def events(
    id: Id,
    since: Annotated[str, typer.Option("--from", help="RFC 3339, a date, or back from now; left out: all.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """What happened to it, its faults too, in whatever machine it was; the newest first."""
    with target.open() as plant:
        found = plant.items.events(id, limit=limit, **({"start": moment_of(since)} if since else {}))
    told = [
        {
            "time": output.moment(one["event"]["time"]),
            "in": _where(one["piece"]),
            "what": one["event"]["kind"],
            "of": one["event"]["body"],
        }
        for one in found["items"]
    ]
    output.rows(
        "", found["items"] if output.json else told, ["time", "in", "what", "of"], empty="Nothing is known of it."
    )
    if found["more"] and not output.json:
        output.note(f"more than {limit}; raise --limit")


@item.command()
def qr(id: Id, out: Annotated[Path, typer.Option("--out", "-o", help="The picture, SVG.")] = Path("item.svg")) -> None:
    """A QR code to stick on it, that leads to its page."""
    with target.open() as plant:
        out.write_bytes(plant.items.qr(id))
    output.done(f"{out} leads to {id}", file=str(out))


@item.command("work-pack")
def work_pack(
    id: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="The PDF.")] = Path("work-pack.pdf"),
    job: Annotated[str, typer.Option(help="Number of a plan, or id of a work order or job plan; all plans.")] = "",
    send: Annotated[bool, typer.Option("--send", help="Keep that a crew is sent with it.")] = False,
    as_of: AsOf = "",
    known: Known = "",
) -> None:
    """What a crew takes along, to print: for exactly this serial number, as it is configured.

    Example: gemel item work-pack M1 --job WO-17 --send -o WO-17.pdf
    """
    with target.open() as plant:
        out.write_bytes(plant.items.work_pack(id, job=job, send=send, **moments_of(as_of, known)))
    output.done(f"{out} is the work pack of {id}", file=str(out))


@item.command()
def dossier(
    id: Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: .json with all of it, or .pdf.")] = Path(
        "dossier.json"
    ),
    as_of: AsOf = "",
    known: Known = "",
) -> None:
    """All that is known of a machine, dated and signed, to hand over: to a regulator, an insurer, a recycler.

    Example: gemel item dossier M1 --as-of 2026-03-11 -o M1.pdf
    """
    if out.suffix.lower() not in (".json", ".pdf"):
        raise InvalidInput(f"{out} is neither .json nor .pdf; name one of them")
    with target.open() as plant:
        out.write_bytes(plant.items.dossier(id, pdf=out.suffix.lower() == ".pdf", **moments_of(as_of, known)))
    output.done(f"{out} is the dossier of {id}", file=str(out))


@item.command("check-dossier")
def check_dossier(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The dossier, .json.")],
    key: Annotated[str, typer.Option(help="The plant's public key, as it gave it to you.")] = "",
) -> None:
    """Whether a dossier says what its plant signed; needs no plant. Exit code 1 if not."""
    from gemel.work_pack import check_sealed  # it draws paper, too, which takes its time to load

    one = check_sealed(file.read_bytes(), key)
    told = one.dossier
    item = told["item"]
    output.done(
        f"{file}: {item['id']} ({item['part']} {item['serial']}) as of {told['at']}, as known at {told['known']}; "
        f"SHA-256 {one.sha256}; signed by {one.key}" + ("" if key else ", as it says itself: compare that key"),
        item=item["id"], at=told["at"], known=told["known"], sha256=one.sha256, key=one.key,
    )  # fmt: skip

"""Forms that are declared, and filled in beside the machine."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from gemel.cli.items import PANEL
from gemel.cli.offers import declared
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time, to_rfc3339
from gemel.errors import InvalidInput, NotFound
from gemel.twin.yaml import parse_yaml

__all__ = ["add_to"]

forms = typer.Typer(
    invoke_without_command=True, help="Checklists that are declared as documents, and filled in beside the machine."
)
_TRUE, _FALSE = {"yes", "true", "y"}, {"no", "false", "n"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(forms, name="forms", rich_help_panel=PANEL)
    app.command("fill", rich_help_panel=PANEL)(fill)


@forms.callback()
def list_forms(context: typer.Context) -> None:
    """Forms that are declared."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.forms()
    rows = found if output.json else [_row(one) for one in found]
    columns = ["id", "title", "version", "for", "fields"]
    output.rows("", rows, columns, empty="No forms. `gemel forms apply FILE` declares them.")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    form = one["form"]
    parts = [told["part"] for told in form["applies"]]
    where = [*parts, *(name for kind in ("types", "slots", "stages", "jobs") for name in form[kind])]
    return {**form, "version": one["version"], "for": ", ".join(where), "fields": len(form["fields"])}


@forms.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A document of forms.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Declare forms. A changed one is a new version; what was filled in keeps its own.

    Example: gemel forms apply forms.yaml --dry-run
    """
    with target.open() as plant:
        declared(plant.forms.declare(file, dry_run=dry_run), dry_run=dry_run)


@forms.command("withdraw")
def withdraw(form: str) -> None:
    """Offer a form no more; what was filled in stays."""
    with target.open() as plant:
        plant.forms.withdraw(form)
    output.done(f"{form} is offered no more.", form=form)


@forms.command("show")
def show(
    form: str, version: Annotated[int | None, typer.Option(min=1, help="As this version was; the newest.")] = None
) -> None:
    """What a form asks."""
    with target.open() as plant:
        told = plant.forms.version(form, version)
    if output.json:
        output.value(told)
        return
    output.console.print(f"[bold]{output.cell(told['form']['title'])}[/bold], version {told['version']}")
    output.rows("", told["form"]["fields"], ["name", "kind", "ask", "unit", "required", "shown"], empty="")


@forms.command("of")
def of(
    item: Annotated[str, typer.Argument(help="Item; left out with --twin or --order.")] = "",
    twin: Annotated[str, typer.Option(help="At this twin.")] = "",
    order: Annotated[str, typer.Option(help="Of the job plan of this work order.")] = "",
) -> None:
    """The forms that may be filled in at an item, a twin, or under a work order.

    Example: gemel forms of mill-7
    """
    if sum(map(bool, (item, twin, order))) != 1:
        raise InvalidInput("name an item, or --twin, or --order")
    with target.open() as plant:
        found = plant.forms.of(item, twin=twin, order=order)
    rows = found
    if not output.json:
        rows = [
            {"id": one["form"]["id"], "title": one["form"]["title"], "version": one["version"], "order": one["order"]}
            | {"filled": (one["filled"] or {}).get("at"), "amiss": len((one["filled"] or {}).get("amiss", ())) or None}
            for one in found
        ]
    columns = ["id", "title", "version", "order", "filled", "amiss"]
    output.rows("", rows, columns, empty="No form is for it.")


@forms.command("filled")
def filled(
    filled: Annotated[str, typer.Argument(help="Id of one, to see its answers; left out: a list.")] = "",
    form: Annotated[str, typer.Option(help="Only of this form.")] = "",
    item: Annotated[str, typer.Option(help="Only at this item.")] = "",
    twin: Annotated[str, typer.Option(help="Only at this twin.")] = "",
    order: Annotated[str, typer.Option(help="Only under this work order.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """What was filled in, the newest first; or one of them with its answers.

    Example: gemel forms filled --item mill-7
    """
    with target.open() as plant:
        if filled:
            _told(plant.forms.get(filled))
            return
        found = plant.forms.filled(form=form, item=item, twin=twin, order=order, limit=limit).items
    rows = found if output.json else [one | {"amiss": len(one["amiss"]) or None} for one in found]
    columns = ["id", "at", "title", "version", "item", "serial", "order", "amiss"]
    output.rows("", rows, columns, empty="Nothing was filled in. `gemel forms of ITEM` says what may be.")


def fill(
    form: Annotated[str, typer.Argument(help="Id of the form.")],
    item: Annotated[str, typer.Argument(help="Item; left out with --twin.")] = "",
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", "-a", help="NAME=ANSWER (may repeat); of a file NAME=@PATH. Yes or no: yes, no."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", exists=True, dir_okay=False, help="Answers as YAML.")] = None,
    twin: Annotated[str, typer.Option(help="At this twin.")] = "",
    order: Annotated[str, typer.Option(help="Under this work order.")] = "",
    at: Annotated[str, typer.Option("--time", help="When it was, RFC 3339; now, or as told first with --key.")] = "",
    key: Annotated[str, typer.Option(help="Your own id of it: told again, it has no second effect.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check it.")] = False,
) -> None:
    """Fill in a form at an item: all of it is taken, or nothing.

    Example: gemel fill weekly mill-7 -a guard=yes -a pressure=510
    """
    answers: dict[str, Any] = {}
    if file is not None:
        told = parse_yaml(file.read_text(), file.name)
        if not isinstance(told, dict):
            raise InvalidInput(f"{file} holds answers by the names of fields, like `guard: true`")
        answers |= told
    with target.open() as plant:
        offered = [*(plant.forms.of(order=order) if order else ()), *plant.forms.of(item, twin=twin)]
        asked = {
            field["name"]: field for one in offered if one["form"]["id"] == form for field in one["form"]["fields"]
        }
        for text in answer or ():
            name, equals, said = text.partition("=")
            if not equals:
                raise InvalidInput(f"{text!r:.80} is no answer; write it as NAME=ANSWER")
            answers[name] = _answer(asked.get(name, {}).get("kind", ""), said)
        filling = {"form": form, "item": item, "twin": twin, "order": order, "key": key}
        filling |= {"at": to_rfc3339(parse_time(at))} if at else {}
        done = plant.forms.fill({**filling, "answers": answers}, dry_run=dry_run)
        _told(done if dry_run else plant.forms.get(done["id"]))
    if dry_run:
        output.note("It could be handed in; nothing was kept (--dry-run).")


def _answer(kind: str, said: str) -> Any:
    """As the kind of its field has it; what does not fit is left for the platform to refuse."""
    if kind == "file" and said.startswith("@"):
        path = Path(said[1:])
        if not path.is_file():
            raise NotFound(f"there is no file {path}")
        return {"name": path.name, "data": base64.b64encode(path.read_bytes()).decode()}
    if kind == "yes_no" and said.lower() in _TRUE | _FALSE:
        return said.lower() in _TRUE
    if kind == "number":
        try:
            return float(said)
        except ValueError:
            return said
    return said


def _told(one: dict[str, Any]) -> None:
    if output.json:
        output.value(one)
        return
    where = " ".join(filter(None, (one["item"] or one["twin"], one["serial"] and f"({one['serial']})")))
    output.console.print(
        f"[bold]{output.cell(one['title'])}[/bold], version {one['version']}, of {output.cell(where)} at {one['at']} "
        f"[dim]{one['id']}[/dim]"
    )
    asked = {field["name"]: field for field in one.get("asked", {}).get("fields", ())}
    wrong = {told["field"]: told["text"] for told in one["amiss"]}
    rows = [
        {"asked": asked.get(name, {}).get("ask", name), "answer": _said(said, asked.get(name, {}))}
        | {"amiss": wrong.get(name)}
        for name, said in one["answers"].items()
    ]
    output.rows("", rows, ["asked", "answer", "amiss"], empty="Its answers are not shared with you.")


def _said(answer: Any, field: dict[str, Any]) -> str:
    if isinstance(answer, dict):
        return str(answer.get("name", ""))
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return f"{answer:g} {field.get('unit', '')}".rstrip() if isinstance(answer, float) else str(answer)

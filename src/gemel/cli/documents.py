"""Documents on the command line: hand them in, find the one that applies, take it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import told_at
from gemel.errors import InvalidInput

__all__ = ["add_to"]

documents = typer.Typer(invoke_without_command=True, help="Manuals, drawings, certificates: versions, and for what.")
_LOT = "lot:"
COLUMNS = ["document", "version", "language", "title", "applies", "from", "until", "media", "size"]


def add_to(app: typer.Typer) -> None:
    app.add_typer(documents, name="documents", rich_help_panel="Configuration")


@documents.callback()
def list_(
    context: typer.Context,
    q: Annotated[str, typer.Option(help="Part of the id or title.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Documents with the versions that are in use, the newest first."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.documents.search(q, limit=limit)["items"]
    rows = found if output.json else [_row(v, one["title"]) for one in found for v in one["versions"]]
    output.rows("", rows, COLUMNS, empty="There are none. `gemel documents add` hands one in.")


def _row(version: dict[str, Any], title: str = "") -> dict[str, Any]:
    applies = [_applies(one) for one in version["applies"]]
    content = version["content"]
    return version | {
        "title": title, "applies": applies, "from": version["valid"]["start"], "until": version["valid"]["end"],
        "media": content["media_type"], "size": content["size"],
    }  # fmt: skip


def _applies(one: dict[str, Any]) -> str:
    revisions = f" {'/'.join(one['revisions'])}" if one["revisions"] else ""
    machines = [*one["serials"], *(f"lot {lot}" for lot in one["lots"])]
    return f"{one['part']}{revisions}" + (f" in {', '.join(machines)}" if machines else "")


@documents.command("for")
def for_(
    item: Annotated[str, typer.Argument(help="Id of the item.")],
    as_of: Annotated[str, typer.Option(help="As it was then, RFC 3339; now if left out.")] = "",
    known: Annotated[str, typer.Option(help="As it was believed then; the same.")] = "",
    language: Annotated[str, typer.Option(help="Only in this one, or in none.")] = "",
) -> None:
    """The documents that apply to an item: by part, revision, serial number of its machine, and date.

    Example: gemel documents for pump-4711
    """
    with target.open() as plant:
        found = plant.documents.valid(item, at=told_at(as_of), known=told_at(known), language=language)
    rows = found if output.json else [_row(one) for one in found]
    output.rows("", rows, [name for name in COLUMNS if name != "title"], empty=f"None applies to {item} then.")


@documents.command()
def add(
    document: Annotated[str, typer.Argument(help="Id of the document; the same for all its versions.")],
    version: Annotated[str, typer.Argument(help="Like 3 or B.")],
    file: Path,
    kind: Annotated[str, typer.Option(help="manual, drawing, certificate, bulletin, photograph …")] = "manual",
    title: Annotated[str, typer.Option(help="For people.")] = "",
    language: Annotated[str, typer.Option(help="Like de or en-GB.")] = "",
    part: Annotated[
        list[str] | None, typer.Option(help="PART[#REVISIONS][@SERIALS]: what it applies to; may be repeated.")
    ] = None,
    having: Annotated[
        list[str] | None,
        typer.Option(help="Of a bulletin: P-7, P-7:<C, P-7:>C, P-7:=B,C, P-7:?<C in a machine; all at once."),
    ] = None,
    about: Annotated[list[str] | None, typer.Option(help="KIND:ID that it describes; may be repeated.")] = None,
    start: Annotated[str, typer.Option(help="From when on it applies: RFC 3339, or a date.")] = "",
    phase: Annotated[str, typer.Option(help="Where it belongs, if not where its kind usually does.")] = "",
) -> None:
    """Hand in a version; the one before it applies until this one begins to.

    Revisions are like B, B..D or B.., in the order of the part; serial numbers are those of the machine, like
    1000..1999; its lots are written lot:L7.

    A bulletin says which machines it is for by what they have: --having 'PUMP:<C' --having 'CTL-FW:<2.1'; see
    `gemel bulletins`.

    Example: gemel documents add pump-manual 3 manual.pdf --part PN-4711#B..D@1000..1999,lot:L7
    """
    applies = msgspec.json.encode([_applied(one) for one in part or ()]).decode() if part else ""
    about_text = ",".join(about or ())
    given: dict[str, Any] = {"kind": kind, "title": title, "language": language, "applies": applies}
    given |= {"links": about_text, "having": tuple(having or ())}
    with target.open() as plant:
        done = plant.documents.hand_in(document, version, file, start=told_at(start) or "", phase=phase, **given)
    output.done(f"version {version} of {document} is kept", **done)


def _applied(text: str) -> dict[str, Any]:
    rest, _, serials = text.partition("@")
    part, _, revisions = rest.partition("#")
    if not part:
        raise InvalidInput(f"{text!r:.80} is no PART[#REVISIONS][@SERIALS], like PN-4711#B..D@1000..1999")
    told = [one.strip() for one in serials.split(",") if one.strip()]
    return {
        "part": part,
        "revisions": [one.strip() for one in revisions.split(",") if one.strip()],
        "serials": [one for one in told if not one.startswith(_LOT)],
        "lots": [one.removeprefix(_LOT) for one in told if one.startswith(_LOT)],
    }


@documents.command()
def get(
    document: str,
    version: str,
    to: Annotated[Path, typer.Argument(help="File to write.")],
    language: Annotated[str, typer.Option(help="Of several languages, this one.")] = "",
) -> None:
    """Write a version into a file."""
    if to.exists():
        raise InvalidInput(f"{to} is there already; name another file")
    with target.open() as plant:
        data = plant.documents.content(document, version, language=language)
    to.write_bytes(data)
    output.done(f"{to} has {len(data):,} bytes", file=str(to), size=len(data))


@documents.command()
def withdraw(document: str, version: str, reason: Annotated[str, typer.Option(help="Why.")]) -> None:
    """A version is not to be used any more; who asks as of then still finds it."""
    with target.open() as plant:
        done = plant.documents.withdraw(document, version, reason=reason)
    output.done(f"version {version} of {document} is withdrawn", **done)

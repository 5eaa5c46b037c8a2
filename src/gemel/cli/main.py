"""The commands' root: global options, and errors as sentences."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import gemel
from gemel.cli.commands import Commands
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.errors import GemelError, InvalidInput

__all__ = ["app", "main"]

FLAGS = {"--json"}
WITH_VALUE = {"--at", "--token", "--cacert"}

app = typer.Typer(
    name="gemel",
    cls=Commands,
    help="Digital twins of machines: live, with their whole history, verifiable.",
    epilog="Start with `gemel demo`, or with `gemel apply plant.yaml` and `gemel serve`.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def version(wanted: bool) -> None:
    if wanted:
        typer.echo(gemel.__version__)
        raise typer.Exit


@app.callback()
def options(
    at: Annotated[
        str, typer.Option("--at", envvar="GEMEL_AT", help="The plant: a folder, or the URL of a server.")
    ] = "plant",
    token: Annotated[
        str | None, typer.Option("--token", help="API token for a URL; better in the environment as GEMEL_TOKEN.")
    ] = None,
    cacert: Annotated[
        str | None,
        typer.Option(
            "--cacert", envvar="GEMEL_CACERT", help="Certificate (PEM) to trust, of a server that made its own."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    target.at, target.token, target.cacert, output.json = at, token, cacert, json


def hoisted(arguments: list[str]) -> list[str]:
    """The arguments with the global options first: people write them last. What follows `--` stays."""
    first: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(arguments) and arguments[at] != "--":
        one = arguments[at]
        name, equals, _ = one.partition("=")
        width = 1 if name in FLAGS or equals else 2
        if name in FLAGS or name in WITH_VALUE:
            first += arguments[at : at + width]
            at += width
        else:
            rest.append(one)
            at += 1
    return [*first, *rest, *arguments[at:]]


def main() -> None:
    """Entry point of the `gemel` program; exit code 1 for a deliberate error, 2 for a wrong command line."""
    try:
        app(hoisted(sys.argv[1:]))
    except GemelError as error:
        output.error(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has gone: nothing more to say
    except OSError as error:
        if error.filename is None:
            raise
        output.error(InvalidInput(f"{error.filename}: {error.strerror}; name another file or folder"))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

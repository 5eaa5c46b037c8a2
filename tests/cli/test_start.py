"""The command line is quick to start: what is heavy is imported by whom it serves."""

import json
import subprocess
import sys

import pytest
from typer.main import get_command

import gemel.client
import gemel.folder
import gemel.twin
from gemel.cli import app
from gemel.cli.commands import COMMANDS, Later, commands_of

HEAVY = {
    *("alembic", "asyncua", "cedarpy", "cryptography", "duckdb", "litestar", "lxml", "numpy", "opentelemetry", "pint"),
    *("pyarrow", "reportlab", "sqlalchemy", "structlog", "uvicorn"),
}
TELLS = """
import json, sys
{code}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
RUNS = """
sys.argv = ["gemel", *{arguments}]
from gemel.cli import main
try:
    main()
except SystemExit:
    pass
"""


def imported(code: str) -> set[str]:
    """What is imported after it, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", TELLS.format(code=code)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["twins", "--help"], ["--at", "http://127.0.0.1:1", "twin", "press-7"]],
    ids=" ".join,
)
def test_no_heavy_library_is_imported_by_the_command_line(arguments: list[str]) -> None:
    told = imported(RUNS.format(arguments=arguments))
    assert "typer" in told
    assert not told & HEAVY


def test_no_heavy_library_is_imported_by_a_client() -> None:
    told = imported('import gemel, gemel.client; gemel.connect("http://127.0.0.1:1").close()')
    assert "httpx" in told
    assert not told & (HEAVY | {"typer", "websockets"})


def test_the_help_of_all_commands_says_what_each_says() -> None:
    listed = get_command(app).commands  # type: ignore[attr-defined]
    assert list(listed) == [name for panel in COMMANDS.values() for name in panel]
    for name, one in listed.items():
        assert isinstance(one, Later)
        loaded = one.loaded
        told = (loaded.name, loaded.rich_help_panel, (loaded.help or "").partition("\n\n")[0].replace("\n", " "))
        assert told == (name, one.rich_help_panel, one.help)


def test_every_command_of_a_module_is_listed() -> None:
    listed = {(module, name) for panel in COMMANDS.values() for name, (module, _) in panel.items()}
    for module in {module for module, _ in listed}:
        assert {(module, name) for name in commands_of(module)} <= listed


@pytest.mark.parametrize("package", [gemel.twin, gemel.folder, gemel.client])
def test_what_is_imported_later_is_there(package) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018

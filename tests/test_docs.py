"""The documentation tells the truth: its examples run, and everything a user can set or call has its heading."""

import re
from pathlib import Path

import pytest
import typer

import gemel.errors
from gemel.cli import app
from gemel.errors import GemelError
from gemel.folder import Settings
from gemel.registry import load_plant
from tests.nursery import Nursery

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STRICT = "import warnings; warnings.filterwarnings('error', category=DeprecationWarning, module='__main__')\n"
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def blocks(language: str) -> list[pytest.param]:
    """Every block of a language; one that starts with `# needs …` is told apart by that line."""
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (name, text) in enumerate(BLOCK.findall(page.read_text()))
        if name == language
    ]


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as one:
        yield one


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(nursery, code, tmp_path):
    if code.startswith("# needs "):
        compile(code, "example", "exec")
        pytest.skip(code.splitlines()[0].removeprefix("# "))
    done = nursery.run(["-c", STRICT + code], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for line, printed in zip(re.findall(r"print\(.*\)  # (.*)", code), done.stdout.splitlines(), strict=False):
        assert line.split(",")[0] in printed


@pytest.mark.parametrize(
    "document", [block for block in blocks("yaml") if block.values[0].lstrip().startswith("gemel: 1")]
)
def test_plant_documents_are_valid(document):
    assert load_plant(document).gemel == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page} links to {target}"


def commands(group: typer.core.TyperGroup, prefix: str = "gemel") -> list[str]:
    found = []
    for name, listed in group.commands.items():
        command = getattr(listed, "loaded", listed)
        found += commands(command, f"{prefix} {name}") if hasattr(command, "commands") else [f"{prefix} {name}"]
    return found


def test_every_command_has_its_heading():
    page = (ROOT / "docs/reference/cli.md").read_text()
    for command in commands(typer.main.get_command(app)):
        assert f"`{command}`" in page, f"{command} is not in docs/reference/cli.md"


def test_every_heading_of_a_command_is_a_command():
    page = (ROOT / "docs/reference/cli.md").read_text()
    headings = re.findall(r"^#+ `(gemel [a-z -]+)`", page, re.MULTILINE)
    assert len(headings) > 50
    known = commands(typer.main.get_command(app))
    unknown = [one for one in headings if not any(f"{command} ".startswith(f"{one} ") for command in known)]
    assert not unknown, f"docs/reference/cli.md has {', '.join(unknown)}"


def test_every_setting_has_its_line():
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert not [name for name in Settings.__struct_fields__ if f"| `{name}` |" not in page]


def test_every_error_code_has_its_line():
    page = (ROOT / "docs/reference/errors.md").read_text()

    def codes(error: type[GemelError]) -> set[str]:
        return {error.code}.union(*(codes(below) for below in error.__subclasses__()))

    missing = sorted(code for code in codes(gemel.errors.GemelError) if f"`{code}`" not in page)
    assert not missing

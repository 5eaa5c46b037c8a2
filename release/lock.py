"""`python -m release.lock`: write the exact versions and hashes of everything that is installed, for every system.

`locks/demo.txt` is what runs the product and its demonstration, `locks/dev.txt` what builds and tests it too,
`locks/release.txt` what makes a release. No file names a registry: where packages come from is the choice of who
installs them; the hashes decide what is taken.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"
COMPILE = "uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url"
COMPILE += " --no-annotate --no-header --quiet"


def main() -> None:
    upgrade = "--upgrade" if "--upgrade" in sys.argv else ""
    _run(f"{COMPILE} --all-extras --group dev --group web {upgrade} --output-file locks/dev.txt")
    _run(f"{COMPILE} --extra demo --constraints locks/dev.txt {upgrade} --output-file locks/demo.txt")
    only = COMPILE.replace("pyproject.toml", "--group release")
    _run(f"{only} --constraints locks/dev.txt {upgrade} --output-file locks/release.txt")


def _run(command: str) -> None:
    subprocess.run([sys.executable, "-m", *command.split()], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()

"""`python -m release.wheels`: whether everything that `locks/demo.txt` installs comes as a wheel, for each system.

Asks the package index of this machine; installs nothing. What docs/how-to/install.md says of systems is found so.
"""

import subprocess
import sys
import tempfile

from release.lock import LOCKS, ROOT

SYSTEMS = {
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, ARM 64 bit": "aarch64-manylinux_2_28",
    "macOS, Apple silicon": "aarch64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
}
PYTHONS = ("3.11", "3.12", "3.13")


def missing(system: str, python: str) -> str:
    """What has no wheel for a system, as uv tells it; empty if all have one."""
    with tempfile.TemporaryDirectory() as nowhere:
        command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--target", nowhere, "--quiet"]
        command += ["--python-platform", system, "--python-version", python, "--only-binary", ":all:"]
        command += ["--require-hashes", "--requirement", str(LOCKS / "demo.txt")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stderr.strip() or "uv failed" if done.returncode else ""


def main() -> None:
    wrong = 0
    for name, system in SYSTEMS.items():
        for python in PYTHONS:
            told = missing(system, python)
            wrong += bool(told)
            sys.stdout.write(f"{name}, Python {python}: {told or 'wheels for everything'}\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

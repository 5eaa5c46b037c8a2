"""`python -m release.make [--key KEY]`: make a release in `dist/` out of what is committed.

A wheel (built twice: both must be the same bytes) and an sdist, the bill of materials (CycloneDX) of what the lock
installs with them, SHA256SUMS over all, and its signature when a key (SSH) is given.
`python -m release.make --verify SIGNERS` checks what lies in `dist/`.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from release import licences

ROOT = Path(__file__).parent.parent
SUMS = "SHA256SUMS"
NAMESPACE = "gemel"
SIGNER = "release@gemel"
"""Whose signature it is: how the file of allowed signers names the key."""


def check_clean(root: Path) -> None:
    """Raises SystemExit with what is not committed."""
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    if told := subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout:
        raise SystemExit(f"a release is made of what is committed; commit or remove first:\n{told.rstrip()}")


def build(out: Path) -> None:
    """Wheel and sdist, with the time of the last commit in them. Raises SystemExit if two builds differ."""
    time = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": time.stdout.strip()}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    subprocess.run([*command, str(out)], cwd=ROOT, env=environment, check=True)
    with tempfile.TemporaryDirectory() as again:
        subprocess.run([*command, again], cwd=ROOT, env=environment, check=True)
        for made in out.iterdir():
            if made.read_bytes() != (Path(again) / made.name).read_bytes():
                raise SystemExit(f"two builds of {made.name} differ; something of this machine or moment is in it")


def bill_of_materials(out: Path) -> None:
    """Every package that the lock installs, with versions and hashes, as CycloneDX."""
    (wheel,) = out.glob("*.whl")
    target = out / f"{wheel.name.split('-py3')[0]}.cdx.json"
    command = ["requirements", "locks/demo.txt", "--pyproject", "pyproject.toml", "--output-reproducible"]
    command += ["--output-format", "JSON", "--output-file", str(target)]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *command], cwd=ROOT, check=True)
    told = json.loads(target.read_text())
    told["metadata"]["component"]["version"] = wheel.name.split("-")[1]
    for part in told["components"]:  # the lock says what, not where from: no registry is implied
        for reference in part.get("externalReferences", ()):
            if reference["type"] == "distribution":
                reference["url"] = part["purl"]
    target.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    check_bill(target)


def check_bill(bill: Path) -> None:
    """Raises SystemExit where it is not as CycloneDX's own schema wants it."""
    from cyclonedx.schema import SchemaVersion  # of locks/release.txt
    from cyclonedx.validation.json import JsonStrictValidator

    text = bill.read_text()
    validator = JsonStrictValidator(SchemaVersion.from_version(json.loads(text)["specVersion"]))
    if (fault := validator.validate_str(text)) is not None:
        raise SystemExit(f"{bill.name} is no valid bill of materials: {fault}")


def sums(out: Path) -> None:
    """Write SHA256SUMS over all other files."""
    names = sorted(path.name for path in out.iterdir() if not path.name.startswith(SUMS))
    (out / SUMS).write_text("".join(f"{_digest(out / name)}  {name}\n" for name in names))


def sign(out: Path, key: Path) -> None:
    """Write SHA256SUMS.sig with an SSH key."""
    (out / f"{SUMS}.sig").unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(out / SUMS)], check=True)


def verify(out: Path, signers: Path) -> None:
    """Check signature and sums. Raises SystemExit with what is not as it was signed."""
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", SIGNER, "-n", NAMESPACE]
    command += ["-s", str(out / f"{SUMS}.sig")]
    text = (out / SUMS).read_bytes()
    for line in text.decode().splitlines():
        digest, _, name = line.partition("  ")
        if not (out / name).is_file() or _digest(out / name) != digest:
            raise SystemExit(f"{name} is not the file that {SUMS} names")
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"the signature of {SUMS} is not good: {done.stderr.decode().strip()}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m release.make", description="Make a release in dist/.")
    parser.add_argument("--key", type=Path, help="SSH key that signs")
    parser.add_argument("--verify", type=Path, metavar="SIGNERS", help="check dist/ against allowed signers instead")
    given = parser.parse_args()
    out = ROOT / "dist"
    if given.verify:
        verify(out, given.verify)
        return
    check_clean(ROOT)
    told = licences.page(licences.installed(sys.executable) | licences.STATED)
    if licences.PAGE.read_text() != told:
        raise SystemExit("docs/licences.md is not up to date; run `python -m release.licences` and commit it")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    build(out)
    bill_of_materials(out)
    sums(out)
    if given.key:
        sign(out, given.key)
    sys.stdout.write((out / SUMS).read_text())


if __name__ == "__main__":
    main()

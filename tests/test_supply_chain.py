"""What is installed is what was locked: every dependency by version and hash, from no registry in particular."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from release import licences, make

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*])?==(?P<version>\S+)")


def locked(name: str) -> dict[str, set[str]]:
    """Package → versions (one for each kind of system) in a lock."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "locks" / f"{name}.txt").read_text().splitlines():
        if entry := ENTRY.match(line):
            found.setdefault(canonicalize_name(entry["name"]), set()).add(entry["version"])
    return found


def asked(*, extras: list[str], groups: list[str]) -> list[Requirement]:
    project = PROJECT["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    lists += [PROJECT["dependency-groups"][group] for group in groups]
    return [Requirement(line) for lines in lists for line in lines]


LOCKS = {
    "demo": asked(extras=["demo"], groups=[]),
    "dev": asked(extras=list(PROJECT["project"]["optional-dependencies"]), groups=["dev", "web"]),
    "release": [Requirement(line) for line in PROJECT["dependency-groups"]["release"]],
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(name):
    versions = locked(name)
    for requirement in LOCKS[name]:
        found = versions.get(canonicalize_name(requirement.name))
        assert found, f"{requirement} is not in locks/{name}.txt: run `make lock`"
        assert all(version in requirement.specifier for version in found), f"{requirement}: locked is {found}"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_its_hashes_and_no_address(name):
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    assert "://" not in text
    entries = text.replace("\\\n", " ").splitlines()
    assert len(entries) == sum(len(versions) for versions in locked(name).values())
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


def test_the_demonstration_runs_on_what_is_tested():
    tested = locked("dev")
    assert all(versions == tested[package] for package, versions in locked("demo").items())


def listed() -> dict[str, tuple[str, str]]:
    """Package → version and licence, as docs/licences.md has them."""
    rows = re.findall(r"^\| (\S+) \| ([\w., ]+) \| ([\w. -]+) \|$", licences.PAGE.read_text(), re.MULTILINE)
    return {name: (version, licence) for name, version, licence in rows if name != "package"}


def test_the_list_of_licences_names_exactly_what_runs():
    versions = {name: version for name, (version, _) in listed().items()}
    web = {name: version for name, (version, _) in licences.bundled().items()}
    assert versions == licences.locked() | web, "run `python -m release.licences`"


def test_every_licence_was_looked_at_and_is_allowed():
    assert {name: licence for name, (_, licence) in listed().items() if not licences.is_allowed(licence)} == {}


@pytest.mark.parametrize(
    ("told", "allowed"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND MIT", True),
        ("EPL-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-only OR AGPL-3.0-only", False),
        ("MIT AND GPL-3.0-or-later", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_unknown_and_strong_copyleft_licences_are_refused(told, allowed):
    assert licences.is_allowed(told) == allowed


def test_a_licence_that_nobody_looked_at_stops_the_list():
    told = dict.fromkeys(licences.locked(), "MIT")
    assert "| duckdb |" in licences.page(told)
    with pytest.raises(SystemExit, match=r"duckdb: GPL-3\.0-only"):
        licences.page(told | {"duckdb": "GPL-3.0-only"})
    with pytest.raises(SystemExit, match=r"lxml: unknown"):
        licences.page({name: licence for name, licence in told.items() if name != "lxml"})


@pytest.fixture
def key(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("needs ssh-keygen (Debian package openssh-client)")
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / "key")]
    subprocess.run(command, check=True)
    return tmp_path / "key"


def test_a_release_is_signed_and_what_was_changed_is_found(tmp_path, key):
    out = tmp_path / "dist"
    out.mkdir()
    (out / "gemel-1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (out / "gemel-1.0.tar.gz").write_bytes(b"an sdist")
    make.sums(out)
    make.sign(out, key)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"{make.SIGNER} {key.with_suffix('.pub').read_text()}")
    make.verify(out, signers)
    (out / "gemel-1.0.tar.gz").write_bytes(b"another")
    with pytest.raises(SystemExit, match=r"gemel-1\.0\.tar\.gz"):
        make.verify(out, signers)
    make.sums(out)
    with pytest.raises(SystemExit, match="signature"):
        make.verify(out, signers)


def test_nobody_elses_signature_is_taken(tmp_path, key):
    out = tmp_path / "dist"
    out.mkdir()
    (out / "a").write_bytes(b"a")
    make.sums(out)
    make.sign(out, key)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"somebody@else {key.with_suffix('.pub').read_text()}")
    with pytest.raises(SystemExit, match="signature"):
        make.verify(out, signers)


def test_a_release_is_made_of_what_was_committed(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "forgotten.py").write_text("")
    with pytest.raises(SystemExit, match=r"forgotten\.py"):
        make.check_clean(tmp_path)

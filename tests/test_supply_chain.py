"""What is installed is what was locked: every dependency by version and hash, from no registry in particular."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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

"""What is said for running Gemel as a service, in a container, behind a proxy, is what Gemel has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
import typer

from gemel.cli import app
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.options import Options

ROOT = Path(__file__).parent.parent.parent
PACKAGING = ROOT / "packaging"
UNIT = (PACKAGING / "gemel.service").read_text()
CONTAINER = (PACKAGING / "Containerfile").read_text()


def serve_takes() -> set[str]:
    command = typer.main.get_command(app).commands["serve"].loaded  # type: ignore[attr-defined]
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


def test_the_units_command_is_one() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
    program, verb, *rest = line.split()
    assert (Path(program).name, verb) == ("gemel", "serve")
    assert {word for word in rest if word.startswith("--")} <= serve_takes()
    state = re.search(r"^StateDirectory=(\S+)$", UNIT, re.MULTILINE)
    assert state is not None
    assert rest[0] == f"/var/lib/{state[1]}"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (Debian package systemd)")
def test_systemd_finds_no_fault_in_the_unit_and_little_exposure(tmp_path: Path) -> None:
    program = tmp_path / "gemel"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "gemel.service"
    unit.write_text(UNIT.replace("/opt/gemel/bin/gemel", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "gemel.service" in line]
    assert (done.returncode, told) == (0, [])
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", CONTAINER)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def test_the_containers_commands_and_files_are_there() -> None:
    told = instructions()
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    for what, rest in told:
        if what == "COPY" and not rest.startswith("--from"):
            source = rest.split()[0]
            assert source == f"dist/{name}-*-py3-none-any.whl" or (ROOT / source).is_file(), source
    (entry,) = [msgspec.json.decode(rest) for what, rest in told if what == "ENTRYPOINT"]
    (command,) = [msgspec.json.decode(rest) for what, rest in told if what == "CMD"]
    assert entry == ["gemel"]
    assert command[0] == "serve"
    assert {word for word in command if word.startswith("--")} <= serve_takes()
    (volume,) = [rest for what, rest in told if what == "VOLUME"]
    (port,) = [rest for what, rest in told if what == "EXPOSE"]
    assert (volume, port) == (command[1], command[command.index("--port") + 1])


def test_the_container_is_nobodys_root_and_names_no_registry() -> None:
    told = instructions()
    bases = [rest.split()[0] for what, rest in told if what == "FROM"]
    assert set(bases) == {"${BASE}"}
    (base,) = [rest.partition("=")[2] for what, rest in told if what == "ARG"]
    assert "/" not in base
    after = told[max(i for i, (what, _) in enumerate(told) if what == "FROM") :]
    (user,) = [rest for what, rest in after if what == "USER"]
    assert user.split(":")[0].isdigit()
    assert user != "0"


def test_the_containers_health_is_asked_where_the_server_tells_it(tmp_path: Path) -> None:
    (check,) = [rest for what, rest in instructions() if what == "HEALTHCHECK"]
    program = msgspec.json.decode(check.partition("CMD ")[2])
    with Platform.open(tmp_path / "plant") as platform, Server(platform, port=0) as server:
        asked = [word.replace("http://127.0.0.1:8080", server.url) for word in program]
        assert asked != program
        assert asked[0] == "python"
        asked[0] = sys.executable
        assert subprocess.run(asked, capture_output=True, check=False).returncode == 0
    assert subprocess.run(asked, capture_output=True, check=False).returncode != 0


def test_proxies_take_bodies_as_large_as_the_server_does() -> None:
    most = Options().body_bytes // 2**20
    assert f"client_max_body_size {most}m;" in (PACKAGING / "proxy/nginx.conf").read_text()
    assert f"max_size {most}MiB" in (PACKAGING / "proxy/Caddyfile").read_text()

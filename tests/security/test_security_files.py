"""Files that others made: a backup, an export, a document cannot write, or be read, outside of where they belong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gemel.backup import Vault, restore
from gemel.errors import Corrupt, GemelError
from gemel.platform import Platform
from gemel.transfer import export_everything, import_everything

SECRET = "hunter2-in-the-environment"
PLANT = """
gemel: 1
types: [{id: press, properties: [{name: strokes, kind: integer}]}]
twins: [{id: press-7, types: [press]}]
connectors:
  - {id: line, kind: mqtt, settings: {url: "mqtt://127.0.0.1:1", user: u, password: {env: GEMEL_SECRET_LINE}}}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    with Platform.open(tmp_path / "plant", run_connectors=False) as platform:
        platform.apply(PLANT)
        platform.write("press-7", "strokes", 7)
    return tmp_path / "plant"


def test_a_backup_that_names_files_outside_of_it_is_refused(plant: Path, tmp_path: Path) -> None:
    with Platform.open(plant, run_connectors=False) as platform:
        made = platform.backup(tmp_path / "vault")
    vault = Vault(tmp_path / "vault")
    (tmp_path / "escaped").write_text("poison")
    poison = {"size": len(b"poison"), "sha256": hashlib.sha256(b"poison").hexdigest()}
    path = vault.place(made.id) / "manifest.json"
    whole = json.loads(path.read_bytes())
    before = sorted(tmp_path.rglob("*"))
    for name in ("../../../escaped", "/escaped", "a/../../../escaped", "..\\escaped", "a//b", "C:x", "."):
        path.write_text(json.dumps(whole | {"files": [*whole["files"], {"path": name, **poison}]}))
        with pytest.raises(Corrupt, match="leads out of the folder"):
            restore(vault, tmp_path / "deep" / "again")
        assert sorted(tmp_path.rglob("*")) == before, name
    path.write_text(json.dumps(whole))
    restore(vault, tmp_path / "deep" / "again")


def test_an_export_that_names_files_outside_of_it_is_refused(plant: Path, tmp_path: Path) -> None:
    with Platform.open(plant, run_connectors=False) as platform:
        export_everything(platform, tmp_path / "out", Platform.open)
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["files"].append({"path": "../plant/gemel.sqlite", "size": 1, "sha256": "0" * 64})
    path.write_text(json.dumps(manifest))
    with pytest.raises(Corrupt):
        import_everything(tmp_path / "out", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_no_secret_leaves_with_an_export_or_a_backup(
    plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMEL_SECRET_LINE", SECRET)
    (plant / "secrets").mkdir(exist_ok=True)
    (plant / "secrets" / "plc").write_text("hunter2-in-a-file")
    with Platform.open(plant, run_connectors=False) as platform:
        token = platform.gate.tokens.add("script", "viewer")[1]
        platform.gate.accounts.add("Ada", "hunter2 is a long password", "administrator")
        export_everything(platform, tmp_path / "out", Platform.open)
        platform.backup(tmp_path / "vault")
    for folder in ("out", "vault"):
        files = [path for path in (tmp_path / folder).rglob("*") if path.is_file()]
        everything = b"".join(path.read_bytes() for path in files)
        assert files
        for secret in (SECRET, "hunter2", token):
            assert secret.encode() not in everything, f"{secret} in {folder}"


def test_a_name_that_would_be_a_path_is_no_name(plant: Path) -> None:
    with Platform.open(plant, run_connectors=False) as platform:
        for name in ("../x", "a/b", "..", "\x00", "-rf", "a b;c", "press\n7", "x" * 500):
            with pytest.raises(GemelError):
                platform.apply({"gemel": 1, "twins": [{"id": name, "types": ["press"]}]})

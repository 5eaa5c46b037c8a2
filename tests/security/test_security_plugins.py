"""A package that is installed is not yet run: connectors of other distributions wait until the operator names them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.connectors import kinds, plugin
from gemel.connectors.mqtt import MqttSource
from gemel.errors import InvalidDocument, UnknownConnector
from gemel.platform import Platform

MODULE = """
import threading
from gemel.connectors import Settings

ran = threading.Event()

class PressSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str

class PressSource:
    Settings = PressSettings

    def __init__(self, settings, bindings):
        self.settings = settings

    async def run(self, port):
        ran.set()
"""
DOCUMENT = {"gemel": 1, "connectors": [{"id": "p1", "kind": "press", "settings": {"host": "press-7"}}]}


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A distribution as an installer leaves it: a module and its dist-info; it also claims a kind that is ours."""
    place = tmp_path / "site"
    info = place / "acme_press-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "acme_press_plugin.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: Acme.Press\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gemel.connectors]\npress = acme_press_plugin:PressSource\nmqtt = acme_press_plugin:PressSource\n"
    )
    monkeypatch.syspath_prepend(str(place))
    importlib.invalidate_caches()
    yield "acme-press"
    sys.modules.pop("acme_press_plugin", None)


def test_an_installed_plug_in_is_refused_until_the_operator_names_it(acme: str) -> None:
    assert "press" not in kinds()
    with pytest.raises(UnknownConnector, match=r"`plugins: \[acme-press\]` in the plant's gemel.yaml"):
        plugin("press")
    assert "acme_press_plugin" not in sys.modules  # none of its code was run
    for written in ("acme-press", "acme_press", "Acme.Press"):
        assert "press" in kinds([written])
        assert plugin("press", [written]).__name__ == "PressSource"


def test_a_plug_in_takes_no_kind_of_ours(acme: str) -> None:
    assert plugin("mqtt") is MqttSource
    assert plugin("mqtt", [acme]) is MqttSource


def test_a_plant_runs_a_plug_in_that_its_settings_name(acme: str, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    with Platform.open(folder) as platform, pytest.raises(InvalidDocument, match="acme-press"):
        platform.apply(DOCUMENT)
    assert "acme_press_plugin" not in sys.modules
    (folder / "gemel.yaml").write_text(f"plugins: [{acme}]\n")
    with Platform.open(folder) as platform:
        assert platform.apply(DOCUMENT)
        platform.supervisor.apply(platform.registry.connectors())
        assert sys.modules["acme_press_plugin"].ran.wait(60)


def test_a_plug_in_whose_name_was_taken_away_is_not_started_again(acme: str, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text(f"plugins: [{acme}]\n")
    with Platform.open(folder, run_connectors=False) as platform:
        platform.apply(DOCUMENT)
    (folder / "gemel.yaml").unlink()
    sys.modules.pop("acme_press_plugin", None)
    with Platform.open(folder) as platform:
        (spec,) = platform.registry.connectors()
        assert [problem.field for problem in platform.supervisor.problems(spec)] == ["kind"]
        platform.supervisor.apply([spec])
    assert "acme_press_plugin" not in sys.modules

"""Plug-ins of other distributions: the guide's example, installed as an installer leaves it; and what goes wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gemel import plugins
from gemel.cli import app
from gemel.errors import InvalidDocument, PluginFailed, UnknownConnector, UnknownPlugin
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.work import WorkQuery, WorkSpec
from gemel.thread import MeasurementQuery
from gemel.thread.importing import load_mapping

GUIDE = (Path(__file__).parent.parent / "docs/how-to/write-a-plugin.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
(CODE,) = [text for language, text in BLOCKS if language == "python"]
(PROJECT,) = [text for language, text in BLOCKS if language == "toml"]
MAPPING, EXCHANGE = (text for language, text in BLOCKS if language == "yaml")
BROKEN = 'raise RuntimeError("made for another version")\n'
BAD = """
import msgspec

class Bad:
    class Settings(msgspec.Struct, frozen=True):
        part: str
    def __init__(self, settings): pass
    def read(self, given, record): return 1 / 0
"""


def install(site: Path, name: str, module: str, code: str, points: str) -> None:
    """A distribution as an installer leaves it."""
    info = site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(points)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("site")
    points = re.sub(r'\[project\.entry-points\."(.*?)"\]', r"[\1]", PROJECT.partition("\n\n")[2]).replace('"', "")
    install(place, "acme-shop", "acme_shop", CODE, points)
    install(
        place,
        "acme-broken",
        "acme_broken",
        BROKEN,
        "[gemel.connectors]\nbroken = acme_broken:Press\n[gemel.importers]\ntorque = acme_broken:Wrench\n"
        "[gemel.functions]\nwear = acme_broken:wear\n",
    )
    install(place, "acme-bad", "acme_bad", BAD, "[gemel.importers]\nbad = acme_bad:Bad\n")
    install(place, "acme-stranger", "acme_stranger", BROKEN, "[gemel.exchanges]\nstrange = acme_stranger:Way\n")
    sys.path.insert(0, str(place))
    yield place
    sys.path.remove(str(place))
    for name in ("acme_shop", "acme_broken", "acme_bad"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def plant(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("plugged") / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text("plugins: [Acme_Shop, acme-broken, acme-bad]\n")
    with Platform.open(folder) as opened:
        yield opened


def found(plant: Platform) -> dict[tuple[str, str], plugins.PlugIn]:
    return {(one.distribution, one.name): one for one in plant.plugins()}


def test_all_that_is_installed_is_listed_with_how_it_stands(plant: Platform) -> None:
    told = found(plant)
    shop = told["acme-shop", "torque"]
    assert (shop.group, shop.version, shop.standing, shop.reason) == ("gemel.importers", "1.2", "ready", "")
    assert told["acme-shop", "folder"].standing == "ready"
    broken = told["acme-broken", "broken"]
    assert broken.standing == "failed"
    assert "connector kind 'broken' of acme-broken 1.2" in broken.reason
    assert "RuntimeError: made for another version" in broken.reason
    assert told["acme-broken", "wear"].standing == "apart"
    stranger = told["acme-stranger", "strange"]
    assert stranger.standing == "not named"
    assert "`plugins: [acme-stranger]`" in stranger.reason
    assert "acme_stranger" not in sys.modules  # none of its code was run
    assert told["gemel", "opcua"].standing == "ready"


def test_of_two_of_one_name_one_is_told_to_be_taken(plant: Platform) -> None:
    shadowed = {one.distribution: one for one in found(plant).values() if one.name == "torque"}
    assert {owner: one.standing for owner, one in shadowed.items()} == {"acme-shop": "ready", "acme-broken": "taken"}
    assert "acme-shop has a plug-in" in shadowed["acme-broken"].reason


def test_a_plug_in_that_fails_takes_nothing_with_it(plant: Platform) -> None:
    with pytest.raises(InvalidDocument, match="made for another version"):
        plant.apply({"gemel": 1, "connectors": [{"id": "b", "kind": "broken"}]})
    assert plant.apply({"gemel": 1, "types": [{"id": "mill", "properties": [{"name": "load"}]}]})
    with pytest.raises(UnknownConnector, match="no connector kind 'nothing'"):
        plugins.load(plugins.CONNECTORS, "nothing", unknown=UnknownConnector)


def test_an_importer_reads_a_form_that_nobody_here_knows(plant: Platform, tmp_path: Path) -> None:
    (tmp_path / "night.torque").write_text("4711;J1;12.5\nnonsense\n4711;J2;12.0\n")
    mapping = load_mapping(MAPPING)
    looked = plant.imports.preview(tmp_path, mapping)
    (file,) = looked.files
    assert (file.reader, file.items, file.records, file.measurements, file.left_out) == ("torque", 1, 1, 2, 1)
    assert [(one.place, one.level) for one in file.faults] == [("line 2", "left out")]
    assert plant.imports.carry_out(tmp_path, mapping).done
    measured = plant.thread.measurements(MeasurementQuery(items=("flange-4711",))).items
    assert sorted(one.value for one in measured) == [12.0, 12.5]
    assert plant.imports.preview(tmp_path, mapping).files[0].repeated
    wrong = plant.imports.preview(tmp_path, load_mapping(MAPPING.replace("least: 11.0", "least: much")))
    assert "Expected `float`, got `str`" in wrong.files[0].faults[0].message
    fell = plant.imports.preview(tmp_path, load_mapping(MAPPING.replace("importer: torque", "importer: bad")))
    assert "ZeroDivisionError" in fell.files[0].faults[0].message
    unknown = plant.imports.preview(tmp_path, load_mapping(MAPPING.replace("importer: torque", "importer: tork")))
    assert "installed are bad, torque" in unknown.files[0].faults[0].message


def test_an_exchange_goes_the_way_of_a_plug_in(plant: Platform, tmp_path: Path) -> None:
    plant.apply({"gemel": 1, "types": [{"id": "drill"}], "twins": [{"id": "mill-1", "types": ["drill"]}]})
    document = EXCHANGE.replace("/srv/orders", str(tmp_path)).replace("pull: {}", "pull: {}\n    every_s: 0")
    with pytest.raises(UnknownPlugin, match="no exchange 'carrier'; installed are folder"):
        plant.work.exchanges.apply(document.replace("plugin: folder", "plugin: carrier"))
    with pytest.raises(InvalidDocument, match="path"):
        plant.work.exchanges.apply(document.replace("{path:", "{paths:"))
    with pytest.raises(InvalidDocument, match="the plug-in folder is the way"):
        plant.work.exchanges.apply(document.replace("pull: {}", "pull: {folder: inbox/shop}"))
    plant.work.exchanges.apply(document)
    (tmp_path / "A7.json").write_text(json.dumps({"text": "Grease the spindle", "machine": "mill-1"}))
    pulled, _ = plant.work.exchanges.run("shop")
    assert (pulled.counts["new"], pulled.detail) == (1, "")
    (order,) = [one for one in plant.work.orders.each(WorkQuery()) if one.external == "A7"]
    assert order.title == "Grease the spindle"
    ours = plant.work.orders.put(WorkSpec(twin="mill-1", title="Change the seal")).order
    plant.work.orders.put(WorkSpec(twin="mill-1", title="forbidden"))
    _, pushed = plant.work.exchanges.run("shop")
    assert (pushed.counts["sent"], pushed.counts["refused"]) == (1, 1)
    (external,) = [one.external for one in plant.work.orders.each(WorkQuery()) if one.id == ours.id]
    assert json.loads((tmp_path / f"{external}.json").read_text())["text"] == "Change the seal"
    (tmp_path / "B.json").write_text("no JSON")
    failed = plant.work.exchanges.run("shop", only="pull")[0]
    assert failed.outcome == "failed"
    assert "the plug-in folder fell over (JSONDecodeError" in failed.detail


def test_the_list_is_for_operators_over_http_and_on_the_command_line(plant: Platform) -> None:
    with Server(plant, port=0) as server:
        secrets = {role: plant.gate.tokens.add(role, role)[1] for role in ("viewer", "operator")}
        url = f"{server.url}/api/v1/plugins"
        status = {
            role: httpx.get(url, headers={"Authorization": f"Bearer {secret}"}, timeout=60).status_code
            for role, secret in secrets.items()
        }
        assert status == {"viewer": 403, "operator": 200}
        shown = CliRunner().invoke(app, ["--at", server.url, "--token", secrets["operator"], "plugins"])
        assert shown.exit_code == 0, shown.output
        assert "acme-shop" in shown.output
        assert "opcua" not in shown.output
        assert "made for another version" in " ".join(shown.output.split())
        assert "plugins: [acme-stranger]" in " ".join(shown.output.split())


def test_what_is_no_plug_in_is_told_so() -> None:
    with pytest.raises(PluginFailed, match="has no Settings"):
        plugins.settings_for(object, {}, "importer x")

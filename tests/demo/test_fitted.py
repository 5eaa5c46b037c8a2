"""The configuration of the demo: parts of its machines, with readings that go with them."""

from __future__ import annotations

from pathlib import Path

from gemel.access import Principal, Role
from gemel.configuration import Life, Seen
from gemel.demo.machines import plant
from gemel.demo.trial.documents import document
from gemel.demo.trial.fitted import fit
from gemel.demo.trial.past import load_past
from gemel.platform import Platform


def test_parts_of_the_demo_take_their_readings_along(tmp_path: Path) -> None:
    with Platform.open(tmp_path, run_connectors=False) as platform:
        platform.apply(plant())
        platform.apply(document())
        now = platform.clock.now()
        load_past(platform, now=now)
        assert fit(platform) == 30
        assert platform.configuration.findings("SKID") == [], "the demo keeps the rules of its own book"
        view = platform.view(Principal(id="user-1", kind="User", role=Role.VIEWER))
        life = Life(Seen(platform.database, platform.clock, view), view, platform.registry)
        platform.past()
        told = life.series("CP-40-1002", "vibration", now - 40 * 3_600_000_000, now, points=50).stretches
        assert [(one.piece.root, one.piece.twin) for one in told] == [("SKID", "skid.pump-a"), ("STORE", "")]
        assert told[0].series is not None
        assert len(told[0].series.columns["time"]) > 10
        moved = [one.twin for one in life.pieces("HPU-5-502", now - 40 * 3_600_000_000, now)]
        assert moved == ["mazak03.hydraulic", "mazak01.hydraulic"]

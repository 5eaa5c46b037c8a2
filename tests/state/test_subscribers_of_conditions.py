"""A subscriber hears of conditions like of anything else."""

import gemel
from gemel.intake import Message, Reported
from gemel.state import Selection

PLANT = """
gemel: 1
types: [{id: pump, properties: [{name: health, kind: condition}, {name: curve, kind: array}]}]
twins: [{id: pump-1, types: [pump]}]
"""


def test_a_condition_reaches_a_subscriber_of_every_reading(tmp_path):
    with gemel.open(tmp_path / "plant") as plant:
        plant.apply(PLANT)
        with plant.subscribe(Selection(twins=("pump-1",))) as changes:
            assert changes.get(60) is not None  # the snapshot
            told = [
                Reported(twin="pump-1", property="health", value={"level": "fault", "code": "7", "text": "dry"}),
                Reported(twin="pump-1", property="curve", value=[1.0, 2.0]),
            ]
            plant.ingest([Message(readings=told)])
            assert changes.get(60) is not None
            assert plant.now("pump-1")["health"].value[0]["code"] == "7"

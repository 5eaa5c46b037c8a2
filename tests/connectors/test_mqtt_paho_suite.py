"""The interoperability tests of Eclipse Paho, run against the endpoint where they are at hand.

GEMEL_PAHO_SUITE=/…/paho.mqtt.testing/interoperability names the folder of client_test.py and client_test5.py
(https://github.com/eclipse/paho.mqtt.testing); they are not part of this repository.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gemel.platform import Platform

SUITE = os.environ.get("GEMEL_PAHO_SUITE", "")
ROOMS = ["client_test5/**", "TopicA/**", "Topic/C", "/TopicA", "TopicA"]
"""Topics of the tests, which are no twin's: passed on between clients."""
RUN = """
import importlib, sys, unittest
module = importlib.import_module(sys.argv[1])
module.host, module.port = "127.0.0.1", int(sys.argv[2])
prefix = module.topic_prefix = "client_test5/" if sys.argv[1].endswith("5") else ""
module.topics = [prefix + t for t in ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")]
module.wildtopics = [prefix + t for t in ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")]
module.nosubscribe_topics = ("test/nosubscribe",)
module.setData = lambda: None
unittest.main(module=module, argv=["suite", *sys.argv[3:]], verbosity=2)
"""
NOT_OURS = {
    # topics that begin with $ are nobody's here; the suite says that it is then to be left out. It cannot read an
    # answer with a reason either
    "client_test5": {"test_dollar_topics"},
    "client_test": set(),
}


@pytest.mark.slow
@pytest.mark.skipif(not SUITE, reason="GEMEL_PAHO_SUITE does not name the folder of Eclipse Paho's client tests")
@pytest.mark.parametrize("module", ["client_test", "client_test5"])
def test_the_client_tests_of_eclipse_paho_pass(module: str, tmp_path: Path):
    names = re.findall(r"^    def (test\w+)\(self", (Path(SUITE) / f"{module}.py").read_text(), re.MULTILINE)
    wanted = [f"Test.{name}" for name in names if name not in NOT_OURS[module]]
    assert len(wanted) > 8
    settings = {"listen": ["mqtt://127.0.0.1:0"], "anonymous": True, "relay": ROOMS}
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply({"gemel": 1, "connectors": [{"id": "gate", "kind": "mqtt_endpoint", "settings": settings}]})
        port = 0
        while not port:
            platform.state.wait(platform.position + 1, 0.2)
            health = platform.supervisor.health().get("gate")
            if health is not None and health.state == "connected":
                port = int(health.detail.split(",")[0].rsplit(":", 1)[1])
        ran = subprocess.run(
            [sys.executable, "-c", RUN, module, str(port), *wanted],
            cwd=SUITE,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert f"Ran {len(wanted)} tests" in ran.stderr

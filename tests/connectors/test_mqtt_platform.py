"""MQTT through the whole platform, which is killed again and again: every message is in the journal, once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gemel.connectors.mqtt.broker import Broker
from gemel.platform import Platform
from gemel.twin import Form

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300
"""A killed process is gone only when the disk has answered the last fsync of each of its threads."""
PLATFORM = """
import os, sys
from gemel.platform import Platform
def say(what):
    os.write(1, b"%d\\n" % what)  # at once: print writes the end of a line on its own where nothing is buffered
for line in sys.stdin:  # each in a fork of its own: importing takes longer than a life
    child = os.fork()
    if child == 0:
        say(os.getpid())
        platform = Platform.open(line.strip())
        position = platform.position
        while True:
            platform.journal.wait(position + 1, 0.5)
            position = platform.position
            health = platform.supervisor.health().get("hall-2")
            if health is not None and health.state == "connected":
                say(position)
    os.waitpid(child, 0)
    say(0)
"""


def plant(broker: Broker) -> dict[str, Any]:
    return {
        "gemel": 1,
        "types": [{"id": "line", "properties": [{"name": "count", "kind": "integer"}]}],
        "twins": [{"id": "line-1", "types": ["line"]}],
        "connectors": [
            {
                "id": "hall-2",
                "kind": "mqtt",
                "settings": {"url": broker.url, "payload": {"id": "id"}},
                "bindings": [{"address": "line/count#n", "twin": "line-1", "property": "count"}],
            }
        ],
    }


def counts(platform: Platform) -> list[int]:
    """All counts in the journal, in order."""
    entry = platform.registry.directory.twin("line-1")
    assert entry is not None
    found: list[int] = []
    for block in platform.journal.blocks():
        frame = block.frames.get(Form.INTEGER)
        if frame is not None:
            told = zip(frame.series.tolist(), frame.value.to_pylist(), strict=True)
            found += [value for series, value in told if series >> 20 == entry.number]
    return found


async def test_a_platform_that_is_killed_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    with Broker(tmp_path / "broker") as broker:
        with Platform.open(folder, run_connectors=False) as platform:
            platform.apply(plant(broker))
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        sent = 0
        lives = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PLATFORM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        assert lives.stdin is not None
        assert lives.stdout is not None
        for _ in range(4):
            lives.stdin.write(f"{folder}\n".encode())
            child = int(await asyncio.wait_for(lives.stdout.readline(), PATIENCE_S))
            assert await asyncio.wait_for(lives.stdout.readline(), PATIENCE_S)  # connected: now the broker keeps all
            for number in range(sent, sent + 200):
                client.publish("line/count", json.dumps({"n": number, "id": f"m-{number}"}), 1)
            sent += 200
            assert await asyncio.wait_for(lives.stdout.readline(), PATIENCE_S)
            os.kill(child, signal.SIGKILL)  # somewhere among them
            while (told := await asyncio.wait_for(lives.stdout.readline(), PATIENCE_S)) != b"0\n":
                assert told, "the process that forks has ended"
        await lives.communicate(b"")
        last = client.publish("line/count", json.dumps({"n": sent, "id": f"m-{sent}"}), 1)
        await asyncio.to_thread(last.wait_for_publish, 30)
        client.disconnect()
        client.loop_stop()
        found = await asyncio.to_thread(_collect, folder, sent + 1)
    assert sorted(found) == list(range(sent + 1))


def _collect(folder: Path, wanted: int) -> list[int]:
    """Let the platform run until `wanted` counts are in its journal, or nothing comes for 20 s."""
    with Platform.open(folder) as platform:
        while len(found := counts(platform)) < wanted:
            if not platform.journal.wait(platform.journal.head().position + 1, 60):
                break
        return found

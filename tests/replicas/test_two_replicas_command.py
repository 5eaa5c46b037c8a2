"""Two processes, each with a replica of its own, command one machine at once: one order everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gemel.access import Role
from gemel.platform import Platform
from gemel.server import Server
from tests.replicas.commanding import COUNT

ROOT = Path(__file__).parents[2]
BENCH = """
gemel: 1
types:
  - id: bench
    properties: [{name: threshold, unit: bar}]
    commands:
      - {name: watch, input: [{name: pressure, unit: bar}], effect: {threshold: {expression: input.pressure}}}
twins:
  - {id: bench-1, types: [bench]}
"""


def begun(server: Server, secret: str, base: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.replicas.commanding", server.url, secret, str(base)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    print(line, file=process.stdin, flush=True)


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_that_command_through_replicas_of_their_own_see_one_order(platform: Platform, server: Server) -> None:
    platform.apply(BENCH)
    secret = platform.gate.tokens.add("operator", Role.OPERATOR)[1]
    with begun(server, secret, 100) as one, begun(server, secret, 200) as other:
        both = (one, other)
        assert [hear(process) for process in both] == ["ready", "ready"]
        for process in both:
            say(process, "go")
        assert [hear(process) for process in both] == ["done", "done"]
        for process in both:
            say(process, str(platform.position))
        mine, theirs = (json.loads(hear(process)) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert mine == theirs, "each replica tells the same values at the same positions, and holds the same"
    values = [value for _, value in mine["heard"]]
    assert sorted(values) == [base + number for base in (100, 200) for number in range(COUNT)]
    positions = [position for position, _ in mine["heard"]]
    assert positions == sorted(positions)
    assert platform.now("bench-1")["threshold"].value == values[-1]
    orders = {order.id: order.input["pressure"] for order in platform.orders("bench-1").items}
    changes = [change for block in platform.journal.blocks() for change in block.changes]
    applied = [orders[change.body["order"]] for change in changes if change.kind == "command.applied"]
    assert applied == values, "the journal tells it in the same order"

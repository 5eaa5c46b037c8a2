"""A process that holds a replica of a bench, and commands it: python -m tests.replicas.commanding URL TOKEN BASE.

Says `ready`; at a line on standard input it commands, one after another, and says `done`; at a line with a position it
follows up to there and says what it heard, in order, and the hash of its copy.
"""

import json
import sys
from typing import Any

import gemel

COUNT = 8
PATIENCE_S = 60.0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(url: str, token: str, base: float) -> None:
    heard: list[tuple[int, Any]] = []

    def hear(_: int, changed: Any) -> None:  # what comes late comes together, in one step
        heard.extend((one.position, one.value) for one in changed if one.property == "threshold")

    with gemel.connect(url, token=token) as client, gemel.replica(url, token=token, select="bench-1") as replica:
        replica.on_change(hear)
        say("ready")
        sys.stdin.readline()
        for number in range(COUNT):
            order = client.command("bench-1", "watch", {"pressure": base + number}, wait_s=PATIENCE_S)
            assert order["state"] == "applied", order
        say("done")
        replica.wait(int(sys.stdin.readline()), PATIENCE_S)
        say(json.dumps({"heard": heard, "hash": replica.hash()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))

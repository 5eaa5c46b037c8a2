"""A plant on a disk of a few MiB, written full: `python -m tests.guarantees.faults.small_disk FOLDER SEED`.

The disk is a tmpfs, mounted over FOLDER in a mount namespace of this process alone: it goes when the process ends.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
import pytest

from gemel.clock import SECOND
from gemel.errors import StorageFull
from gemel.intake import Message, Reported
from gemel.platform import Platform
from tests.disorder.house import PLANT, journaled
from tests.guarantees.faults.failing import settled
from tests.guarantees.faults.work import T0

__all__ = ["run"]

ROOT = Path(__file__).parents[3]
SIZE_MIB, BALLAST_MIB = 64, 40
TEXT, TEXTS = 60_000, 8
"""Characters of one reading, random, so that nothing makes them small; and of these in a message."""
TRIES = 6
"""How often the full disk is tried, with more and less."""


@cache
def namespace() -> list[str]:
    """The command that gives a child mounts of its own; skips the test where that is not allowed."""
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        tried = [*command, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
        if shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("a small disk needs a tmpfs of its own: run as root, or where `unshare -rm` may mount one (Linux)")


def run(folder: Path, number: int) -> dict[str, int]:
    """What was found; raises what went wrong inside."""
    mount = f"mount -t tmpfs -o size={SIZE_MIB}m tmpfs '{folder}' && exec \"$@\""
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(folder), str(number)]
    done = subprocess.run(
        [*namespace(), "sh", "-c", mount, "sh", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"GEMEL_SEED={number}: {done.stdout[-1000:]}\n{done.stderr[-4000:]}"
    found: dict[str, int] = msgspec.json.decode(done.stdout.splitlines()[-1])
    return found


def of(number: int, length: int, chance: random.Random) -> Message:
    """A message of a number, and of texts of this length."""
    time = T0 + number * SECOND
    readings = [Reported(twin="press-a", property="count", value=number, time=time)]
    for place in range(TEXTS):
        text = chance.randbytes(length // 2).hex()
        readings.append(Reported(twin="press-b", property="program", value=text, time=time + place))
    return Message(readings=readings, id=f"m-{number}")


def fill(folder: Path, chance: random.Random) -> dict[str, int]:
    """Until it is full; then with space; then opened anew."""
    plant, ballast = folder / "plant", folder / "ballast"
    told: Counter[str] = Counter()
    waiting: dict[int, Message] = {}
    acknowledged: set[int] = set()
    ballast.write_bytes(bytes(BALLAST_MIB << 20))
    plant.mkdir()
    (plant / "gemel.yaml").write_text("keyframe_every_s: 0.2\nhistory_every_s: 0.2\n")
    with Platform.open(plant) as platform:
        platform.apply(PLANT)

        def say(number: int, message: Message) -> bool:
            try:
                receipt = platform.ingest([message], source="plc")
            except StorageFull:
                told["refused"] += 1
                waiting[number] = message
                return False
            assert receipt.accepted == 1 + TEXTS
            acknowledged.add(number)
            waiting.pop(number, None)
            return True

        def holds() -> None:
            """Whoever asks gets all that was acknowledged, and nothing that was refused."""
            counts = platform.range("press-a", "count", T0, T0 + 9999 * SECOND, method="raw").columns["value"]
            assert counts.tolist() == sorted(acknowledged), "what was acknowledged is not there"
            assert platform.now("press-a")["count"].value == max(acknowledged)

        number = 0
        while say(number, of(number, TEXT, chance)):
            number += 1
            assert number < 2_000, "it is never full"
        for more in range(1, TRIES):
            say(number + more, of(number + more, chance.randrange(2, TEXT), chance))
        holds()
        ballast.unlink()
        for one, message in sorted(waiting.items()):
            assert say(one, message), "there is space, and it is refused"
        for one in range(number + TRIES, number + TRIES + 20):
            assert say(one, of(one, 200, chance))
        holds()
        settled(platform)
    with Platform.open(plant) as platform:
        assert platform.verify().ok
        found = Counter(value for _, name, _, value, _ in journaled(platform) if name == "count")
    assert set(found) == acknowledged
    assert set(found.values()) == {1}, "something is there twice"
    return {"ok": len(acknowledged), **told}


def main() -> None:
    folder, number = sys.argv[1:]
    told = fill(Path(folder), random.Random(int(number)))
    sys.stdout.write("\n" + msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main()

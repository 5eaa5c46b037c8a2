"""Writes `<version>.tar.xz` here: a small plant as the present version writes it, with its answers.

Run it once for each release, when a form on disk has changed: `python tests/data/formats/make.py`. Later versions open
every one of these and must give the same answers.
"""

import json
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[3]))
import gemel
from gemel.backup import ask, draw
from gemel.clock import SteppedClock, parse_time
from gemel.platform import Platform
from tests.transfer.conftest import fill

HERE = Path(__file__).parent
GROUPS = ("types", "twins", "links", "connectors", "site", "people", "now", "as of", "ranges")


def answers(platform, questions):
    """Group → question → answer, as JSON holds it."""
    found = {group: ask(platform, questions, group) for group in GROUPS}
    found["rows"] = {name: told[:3] for name, told in ask(platform, questions, "rows").items()}
    return json.loads(msgspec.json.encode(found, enc_hook=str))


def main():
    clock = SteppedClock(parse_time("2026-03-01T10:00:00Z"))
    opened = partial(Platform.open, clock=clock, run_connectors=False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with opened(folder / "plant") as platform:
            fill(platform, clock)
            platform.history.flush()
            platform.write("press-7", "oil_temperature", 301.0)  # the end is in the journal alone
            questions = draw(platform, platform.position, clock.now(), count=20)
            platform.past()
            told = {"now": clock.now(), "questions": questions, "answers": answers(platform, questions)}
        (folder / "answers.json").write_bytes(msgspec.json.encode(told))
        for left in ("gemel.lock", "gemel.owner"):
            (folder / "plant" / left).unlink(missing_ok=True)
        target = HERE / f"{gemel.__version__}.tar.xz"
        with tarfile.open(target, "w:xz", preset=9) as out:
            out.add(folder / "plant", "plant")
            out.add(folder / "answers.json", "answers.json")
        sys.stdout.write(f"{target}: {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()

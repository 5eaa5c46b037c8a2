"""The disorder of the real logs that the project ships, counted in their raw lines, whatever reads them."""

import gzip
from collections import Counter
from datetime import datetime
from pathlib import Path

import gemel

LOGS = sorted((Path(gemel.__file__).parent / "demo" / "data").glob("*.shdr.gz"))


def test_the_real_logs_hold_equal_times_and_steps_back_in_these_numbers():
    """How each is counted, in each file by itself.

    lines back: lines whose time is before the latest of the file so far, of whatever item.
    items back: lines whose time is before that of the item's previous line.
    equal: lines with the time of the item's previous line. Of these, recovered: a condition that was unavailable and is
    normal in the same microsecond, all else equal; repeated: every field equal.
    """
    found: Counter[str] = Counter()
    for path in LOGS:
        latest, before = datetime.min, dict[str, tuple[datetime, list[str]]]()
        with gzip.open(path, "rt") as log:
            for line in log:
                text, item, *fields = line.rstrip("\r\n").split("|")
                time = datetime.fromisoformat(text.removesuffix("Z"))
                found["lines"] += 1
                found["lines back"] += time < latest
                latest = max(latest, time)
                if item in before:
                    previous, told = before[item]
                    found["items back"] += time < previous
                    if time == previous:
                        found["equal"] += 1
                        found["repeated"] += told == fields
                        recovered = (told[0].lower(), fields[0].lower()) == ("unavailable", "normal")
                        found["recovered"] += recovered and told[1:] == fields[1:]
                before[item] = (time, fields)
    assert len(LOGS) == 11
    assert found == {
        "lines": 535_005,
        "lines back": 2_198,
        "items back": 243,
        "equal": 881,
        "recovered": 856,
        "repeated": 16,
    }

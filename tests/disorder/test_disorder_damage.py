"""Damaged files: opening refuses with a clear error, or everything acknowledged is there; never silently less."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gemel.errors import Corrupt
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.twin import Quality
from tests.disorder.house import PLANT, Reading, journaled, stored

COUNT = 120
WRITTEN = list(range(COUNT))


def write(platform: Platform, start: int, end: int) -> None:
    base = platform.clock.now() - 3_600_000_000
    for number in range(start, end):
        message = Message(
            readings=[
                Reported(twin="press-a", property="count", value=number, time=base + number, quality=Quality.GOOD),
                Reported(twin="press-b", property="program", value=f"O{number}" * 20, time=base + number),
            ]
        )
        platform.ingest([message])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was closed in order: its history partly in Parquet, its state in a keyframe."""
    folder = tmp_path_factory.mktemp("sound")
    with Platform.open(folder) as platform:
        platform.apply(PLANT)
        write(platform, 0, COUNT // 2)
        platform.history.flush()
        write(platform, COUNT // 2, COUNT * 3 // 4)
        platform.history.flush()
        write(platform, COUNT * 3 // 4, COUNT)
    return folder


@pytest.fixture(scope="module")
def killed(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a kill leaves it: the last blocks are in the write-ahead log only."""
    folder = tmp_path_factory.mktemp("killed") / "plant"
    with Platform.open(sound) as platform:
        platform.write("press-plc", "count", 7)
        assert platform.history.position < platform.position
        for _ in range(5):
            platform.write("press-plc", "count", 7)
        shutil.copytree(sound, folder)
        (folder / "gemel.owner").unlink()
    return folder


def counts(readings: list[Reading]) -> list[int]:
    return [value for twin, name, _, value, _ in readings if (twin, name) == ("press-a", "count")]


def judge(folder: Path) -> str:
    """`refused`, `told` (a read or `verify` says what is damaged) or `whole`; anything else is a failure."""
    try:
        platform = Platform.open(folder)
    except Corrupt as error:
        return "refused" if len(error.detail) > 40 else error.detail
    with platform:
        try:
            assert counts(stored(platform)) == WRITTEN
            assert platform.now("press-a")["count"].value == COUNT - 1
            assert counts(journaled(platform)) == WRITTEN
        except Corrupt:
            return "told"
        return "whole" if platform.verify().ok else "told"


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x5A]))


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


def parquet(folder: Path) -> list[Path]:
    return sorted((folder / "history" / "data").rglob("*.parquet"))


def log(folder: Path) -> Path:
    return folder / "gemel.sqlite-wal"


@pytest.mark.parametrize("part", [0.2, 0.6, 0.99])
def test_a_torn_log_of_the_journal_is_refused_or_whole(killed: Path, tmp_path: Path, part: float) -> None:
    folder = copied(killed, tmp_path / "plant")
    size = log(folder).stat().st_size
    with log(folder).open("r+b") as file:
        file.truncate(int(size * part))
    assert judge(folder) in ("refused", "whole")


@pytest.mark.parametrize("file", [log, lambda folder: folder / "gemel.sqlite"], ids=["log", "database"])
def test_flipped_bytes_of_the_journal_are_refused_or_told(
    killed: Path, tmp_path: Path, file: Callable[[Path], Path]
) -> None:
    chance, seen = random.Random(11), set()
    for _ in range(4):
        folder = copied(killed, tmp_path / "plant")
        flip(file(folder), chance.randrange(file(folder).stat().st_size))
        seen.add(judge(folder))
    assert seen <= {"refused", "told", "whole"}


def test_a_missing_or_shorter_file_of_the_history_is_refused(sound: Path, tmp_path: Path) -> None:
    for number in range(len(parquet(sound))):
        folder = copied(sound, tmp_path / "plant")
        victim = parquet(folder)[number]
        if number % 2:
            victim.unlink()
        else:
            victim.write_bytes(victim.read_bytes()[:-1])
        with pytest.raises(Corrupt, match=r"data/main/.*remove it|bulk loads"):
            Platform.open(folder)
        shutil.rmtree(folder / "history")  # as the error says
        assert judge(folder) == "whole"


def test_a_flipped_byte_in_the_foot_of_a_parquet_file_is_told(sound: Path, tmp_path: Path) -> None:
    for at in (1, 6):
        folder = copied(sound, tmp_path / "plant")
        for victim in parquet(folder):
            flip(victim, victim.stat().st_size - at)
        assert judge(folder) in ("refused", "told")


@pytest.mark.parametrize("how", ["missing", "empty", "half", "junk"])
def test_a_damaged_catalogue_is_refused_and_its_files_stay(sound: Path, tmp_path: Path, how: str) -> None:
    folder = copied(sound, tmp_path / "plant")
    (folder / "history" / "open").touch()  # as a crash leaves it
    catalogue, before = folder / "history" / "catalogue.sqlite", parquet(folder)
    whole = catalogue.read_bytes()
    catalogue.unlink()
    if how != "missing":
        catalogue.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "junk": b"junk" * 5000}[how])
    with pytest.raises(Corrupt, match="history"):
        Platform.open(folder)
    assert parquet(folder) == before


def test_flipped_bytes_of_the_catalogue_are_never_silently_less(sound: Path, tmp_path: Path) -> None:
    chance, seen = random.Random(5), set()
    for _ in range(6):
        folder = copied(sound, tmp_path / "plant")
        catalogue = folder / "history" / "catalogue.sqlite"
        flip(catalogue, chance.randrange(catalogue.stat().st_size))
        seen.add(judge(folder))
    assert seen <= {"refused", "told", "whole"}


def test_a_history_that_is_ahead_of_its_journal_is_refused(sound: Path, tmp_path: Path) -> None:
    folder = copied(sound, tmp_path / "plant")
    for name in ("gemel.sqlite", "gemel.sqlite-wal", "gemel.sqlite-shm", "gemel.sqlite.main.head"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "state")
    with pytest.raises(Corrupt, match="the journal only to 0"):
        Platform.open(folder)


def test_a_damaged_keyframe_of_the_state_is_left_out(sound: Path, tmp_path: Path) -> None:
    chance = random.Random(3)
    (keyframe,) = (sound / "state").iterdir()
    files = sorted(path.name for path in keyframe.iterdir())
    for number in range(4):
        folder = copied(sound, tmp_path / "plant")
        victim = folder / "state" / keyframe.name / files[number % len(files)]
        if number % 4 == 3:
            victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
        else:
            flip(victim, chance.randrange(victim.stat().st_size))
        assert judge(folder) == "whole"

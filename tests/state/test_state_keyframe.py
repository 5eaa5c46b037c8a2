"""Keyframes: a restart continues where the state was."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.errors import Conflict, Corrupt
from gemel.state import Keyframe, State
from tests.state.conftest import Plant


def restarted(plant: Plant, keyframe: Keyframe) -> State:
    state = State(plant.registry.directory, plant.clock, blocks=plant.after)
    state.restore(keyframe)
    for block in plant.after(keyframe.position):
        state.fold(block)
    return state


def assert_equal(plant: Plant, state: State) -> None:
    assert state.position == plant.state.position
    for id in ("press-1", "press-2"):
        entry = plant.registry.directory.twin(id)
        assert entry is not None
        assert state.twin(entry) == plant.state.twin(entry)


def fill(plant: Plant) -> None:
    plant.report(
        ("press-1", "temperature", 1.5, 0),
        ("press-2", "temperature", None, 0),
        ("press-1", "strokes", 2**60, 0),
        ("press-1", "mode", "AUTO", 0),
        ("press-2", "mode", None, 0),
        ("press-1", "profile", [1.0, 2.0], 0),
        ("press-1", "health", '{"level":"fault","code":"E1"}', 1),
        ("press-1", "pressure", 4.0, 2),
    )


def test_a_restart_from_a_keyframe_and_the_blocks_after_it_is_the_same_state(plant: Plant, tmp_path: Path) -> None:
    fill(plant)
    keyframe = plant.state.snapshot()
    plant.report(("press-1", "temperature", 9.0, 5), ("press-1", "health", '{"level":"normal","code":"E1"}', 6))
    keyframe.save(tmp_path / "keyframes")
    loaded = Keyframe.load(tmp_path / "keyframes")
    assert loaded is not None
    for kept in (keyframe, loaded):
        state = restarted(plant, kept)
        assert_equal(plant, state)
        state.close()


def test_a_keyframe_stays_as_it_was_while_the_fold_goes_on(plant: Plant) -> None:
    fill(plant)
    keyframe = plant.state.snapshot()
    before = {name: table.to_pylist() for name, table in keyframe.tables.items()}
    plant.report(("press-1", "temperature", 9.0, 5), ("press-1", "mode", "X", 5))
    assert {name: table.to_pylist() for name, table in keyframe.tables.items()} == before


def test_only_the_newest_keyframe_is_kept(plant: Plant, tmp_path: Path) -> None:
    fill(plant)
    plant.state.snapshot().save(tmp_path / "k")
    plant.report(("press-1", "temperature", 9.0, 5))
    newest = plant.state.snapshot().save(tmp_path / "k")
    assert list((tmp_path / "k").iterdir()) == [newest]
    loaded = Keyframe.load(tmp_path / "k")
    assert loaded is not None
    assert loaded.position == plant.state.position


def test_a_damaged_keyframe_is_refused_by_name(plant: Plant, tmp_path: Path) -> None:
    assert Keyframe.load(tmp_path / "none") is None
    fill(plant)
    path = plant.state.snapshot().save(tmp_path / "k")
    (path / "0.arrow").write_bytes(b"nonsense")
    with pytest.raises(Corrupt, match=path.name):
        Keyframe.load(tmp_path / "k")


def test_a_state_that_has_folded_is_not_overwritten(plant: Plant) -> None:
    fill(plant)
    with pytest.raises(Conflict):
        plant.state.restore(plant.state.snapshot())

"""docs/reliability.md says what the tests promise and what their last runs found; nobody copies it by hand."""

import re

import pytest

from tests.guarantees.page import HERE, PAGE, ROOT, RUNS, filled, read

GUARANTEES = [f"G{number}" for number in range(1, 19)]


def test_the_tables_are_those_of_the_tests_and_results():
    told = PAGE.read_text()
    assert told == filled(told), "fill it: python -m tests.guarantees.page"
    paths = re.findall(r"`(tests/guarantees/test_[^`…]+)`", told)
    assert len(paths) >= len(GUARANTEES)
    for path in paths:
        assert (ROOT / path).exists()


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_every_guarantee_has_results_of_a_short_and_a_full_run(guarantee):
    whats = read()[guarantee].values()
    for run in RUNS:
        found = [runs[run] for runs in whats if run in runs]
        assert sum(one["ok"] for one in found) > 0, run
        assert [one["lost"] for one in found] == [0] * len(found), run
        assert all(one["seed"] and one["date"] for one in found), run


def test_every_test_of_a_guarantee_begins_with_its_promise():
    for path in HERE.glob("test_g*.py"):
        number = int(re.match(r"test_g(\d+)_", path.name)[1])
        assert path.read_text().startswith(f'"""G{number}: '), path.name

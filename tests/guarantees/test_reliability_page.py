"""docs/reliability.md says what the tests promise and what their last runs found; nobody copies it by hand."""

import re

from tests.guarantees.page import HERE, PAGE, ROOT, filled


def rows(text):
    """Rows that name a test, by guarantee."""
    return {line.split(" ")[1]: line for line in text.splitlines() if re.match(r"\| G\d+ \|.*`tests/", line)}


def test_the_table_is_that_of_the_tests_and_results():
    told, now = rows(PAGE.read_text()), rows(filled(PAGE.read_text()))
    assert len(told) >= 5
    for guarantee, row in told.items():
        assert row == now.get(guarantee), "fill it: python -m tests.guarantees.page"
        for path in re.findall(r"`(tests/[^`]+)`", row):
            assert (ROOT / path).exists()


def test_every_test_of_a_guarantee_begins_with_its_promise():
    for path in HERE.glob("test_g*.py"):
        number = int(re.match(r"test_g(\d+)_", path.name)[1])
        assert path.read_text().startswith(f'"""G{number}: '), path.name

"""The books of a run: each record that was sent is ok, lost or unknown. Lost must be none, doubled neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import hypothesis
from hypothesis import HealthCheck

from tests.guarantees.faults.results import seed, tell

__all__ = ["Ledger", "Verdict", "drawn", "seed", "tell"]


def drawn(body: Callable[..., None], examples: int, **strategies: Any) -> None:
    """Run `body` with so many examples that Hypothesis draws from the seed of this run, and makes small if it fails."""
    settings = hypothesis.settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    settings(hypothesis.seed(seed())(hypothesis.given(**strategies)(body)))()


@dataclass(frozen=True)
class Verdict:
    """How many were acknowledged and found, and how many were sent without an answer; found or not."""

    ok: int
    unknown: int


@dataclass
class Ledger:
    """What was sent, and what was said of it."""

    sent: set[Hashable] = field(default_factory=set)
    acknowledged: set[Hashable] = field(default_factory=set)
    refused: set[Hashable] = field(default_factory=set)

    @property
    def unknown(self) -> set[Hashable]:
        """Sent, and nothing heard since."""
        return self.sent - self.acknowledged - self.refused

    def check(self, found: Iterable[Hashable], where: str) -> Verdict:
        """Hold what is there against the books; `where` (the seed, the step) is said when they do not agree."""
        there = Counter(found)
        doubled = sorted(map(str, (key for key, count in there.items() if count > 1)))
        assert not doubled, f"{where}: doubled {doubled[:10]}"
        lost = self.acknowledged - set(there)
        assert not lost, f"{where}: lost {sorted(map(str, lost))[:10]}"
        strange = set(there) - self.sent
        assert not strange, f"{where}: never sent {sorted(map(str, strange))[:10]}"
        wrong = self.refused & set(there)
        assert not wrong, f"{where}: refused, and taken all the same {sorted(map(str, wrong))[:10]}"
        assert not self.acknowledged & self.refused, f"{where}: both acknowledged and refused"
        return Verdict(len(self.acknowledged), len(self.unknown))

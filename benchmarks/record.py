"""Results of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """One measured figure; `reference` is the bare engine's figure for the same work in the same run."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    reference: float | None = None
    higher_is_better: bool = True

    @property
    def ratio(self) -> float | None:
        """Measured over reference, in the direction that more is better."""
        if not self.reference or not self.value:
            return None
        return self.value / self.reference if self.higher_is_better else self.reference / self.value

    @property
    def ok(self) -> bool | None:
        if self.budget is None:
            return None
        return self.value >= self.budget if self.higher_is_better else self.value <= self.budget

    def as_dict(self) -> dict[str, Any]:
        known = asdict(self)
        del known["higher_is_better"]
        return known | {"ratio": self.ratio, "ok": self.ok}


@dataclass
class Record:
    """Collects results; `small` asks for data that only shows that the benchmark runs."""

    small: bool = False
    results: list[Result] = field(default_factory=list)

    def __call__(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        budget: float | None = None,
        reference: float | None = None,
        higher_is_better: bool = True,
        note: str = "",
    ) -> None:
        """`note` is printed beside it, and not kept: what it took of the processors, say."""
        result = Result(name, float(value), unit, budget, reference, higher_is_better)
        self.results.append(result)
        bound = "" if budget is None else f" ({'≥' if higher_is_better else '≤'} {budget:,.4g})"
        missed = "  MISSED" if result.ok is False else ""
        print(f"   {name}: {value:,.4g} {unit}{bound}{missed}{note and f'  [{note}]'}", flush=True)

    @property
    def names(self) -> set[str]:
        return {result.name for result in self.results}

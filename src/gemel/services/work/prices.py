"""What an hour costs: of downtime, and of a crew's work. Each price says on which assumption it rests."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, insert, select

from gemel.clock import Clock
from gemel.configuration import Span
from gemel.database import Database
from gemel.errors import InvalidInput, NotFound
from gemel.registry import Directory
from gemel.services.base import Run
from gemel.services.work import tables
from gemel.services.work.order import in_range
from gemel.twin import Change

__all__ = [
    "Cost",
    "Costs",
    "Price",
    "PriceBook",
    "PriceKind",
    "PriceSpec",
    "Priced",
    "Prices",
    "cost_of",
    "rounded",
    "summed",
    "together",
]

_NO_MINOR = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_THREE = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
"""ISO 4217, table A.1: currencies whose minor unit is not a hundredth."""
HOUR = Decimal(3_600_000_000)


class PriceKind(StrEnum):
    """An hour of what."""

    DOWNTIME = "downtime"
    WORK = "work"
    """Of one person of a crew at a machine."""


class PriceSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price as it is told: of a twin, of a type, or (neither) of all."""

    kind: PriceKind = PriceKind.DOWNTIME
    twin: str = ""
    type: str = ""
    per_hour: str = ""
    """Decimal, as text; empty: there is no price any more."""
    currency: str = ""
    """ISO 4217: EUR."""
    since: int | None = None
    """None: for ever."""
    rests_on: str = ""
    """The assumption: who estimated it, from what."""

    def checked(self) -> PriceSpec:
        """Itself. Raises InvalidInput."""
        in_range(self.since)
        if self.twin and self.type:
            raise InvalidInput("a price is of a twin or of a type, not of both")
        if not self.rests_on.strip() or len(self.rests_on) > 1000:
            raise InvalidInput("say on what the price rests, in up to 1000 characters: it is told with every cost")
        if not self.per_hour:
            return self
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise InvalidInput(f"{self.currency!r:.20} is no currency; write it as ISO 4217 has it, like EUR")
        try:
            amount = Decimal(self.per_hour)
        except InvalidOperation:
            raise InvalidInput(f"{self.per_hour!r:.40} is no amount; write it like 1250.00") from None
        if not amount.is_finite() or not 0 <= amount < Decimal("1e12") or len(self.per_hour) > 40:
            raise InvalidInput(f"{self.per_hour:.40} per hour is not between 0 and 1e12")
        return self


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A price that holds, from a moment on."""

    number: int
    kind: PriceKind
    twin: str
    type: str
    per_hour: Decimal | None
    """None: from then on there is none."""
    currency: str
    since: int
    rests_on: str
    recorded: int
    actor: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What hours cost, and why so much."""

    amount: Decimal
    currency: str
    hours: float
    per_hour: Decimal
    rests_on: str


class Prices:
    """`platform.work.prices`."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, directory: Directory) -> None:
        self._database, self._clock, self._run, self._directory = database, clock, run, directory

    def put(self, spec: PriceSpec, *, actor: str = "") -> None:
        """From now on it is known so. Raises InvalidInput, NotFound (twin, type)."""
        spec = spec.checked()
        twin = spec.twin
        if twin:
            entry = self._directory.twin(twin)
            if entry is None:
                raise NotFound(f"there is no twin {twin!r:.100}; search for a part of its name")
            twin = entry.id
        if spec.type and spec.type not in self._directory.types:
            raise NotFound(f"there is no type {spec.type!r:.100}")
        now = self._clock.now()
        values = {name: getattr(spec, name) for name in ("type", "per_hour", "currency", "rests_on")}
        values |= {"kind": str(spec.kind), "since": _ALWAYS if spec.since is None else spec.since}
        told = Change(
            kind="work.priced",
            subject=twin or spec.type or "plant",
            time=now,
            actor=actor,
            body={"price": str(spec.kind)},  # the amount is told to whoever may see it, not with every event
        )

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(insert(tables.price).values(**values, twin=twin, recorded=now, actor=actor))
            return [told]

        self._run(work, actor=actor)

    def all(self) -> list[Price]:
        """Those that hold now or will, the last told of each kind, thing and moment, in order of their moments."""
        latest: dict[tuple[str, str, str, int], Price] = {}
        with self._database.read() as tx:
            for row in tx.execute(select(tables.price).order_by(tables.price.c.number)):
                values = dict(row._mapping) | {"kind": PriceKind(row.kind)}
                values["per_hour"] = Decimal(row.per_hour) if row.per_hour else None
                latest[row.kind, row.twin, row.type, row.since] = Price(**values)
        return sorted(latest.values(), key=lambda one: (one.since, one.number))

    def book(self) -> PriceBook:
        """All of them, as of now, for many questions."""
        return PriceBook(self.all(), self._directory)


class PriceBook:
    """Prices at one moment of our knowing."""

    def __init__(self, prices: Sequence[Price], directory: Directory) -> None:
        self._prices, self._directory = prices, directory

    def at(self, kind: PriceKind, twin: str, moment: int) -> Price | None:
        """The price that held for a machine: its own, else of its type, else of all."""
        entry = self._directory.twin(twin) if twin else None
        types = set(entry.types) if entry is not None else set()
        best: tuple[int, Price] | None = None
        for one in self._prices:
            if one.kind is not kind or one.since > moment:
                continue
            rank = 2 if one.twin else 1 if one.type else 0
            if (one.twin and one.twin != twin) or (one.type and one.type not in types):
                continue
            if best is None or rank >= best[0]:
                best = rank, one
        return None if best is None or best[1].per_hour is None else best[1]

    def cost(self, kind: PriceKind, twin: str, start: int, end: int) -> list[Cost]:
        """What [start, end) costs, a line for each price that held in it; nothing where there was none."""
        periods = self.periods(kind, twin, start, end)
        return [cost_of(price, stop - begin) for begin, stop, price in periods if price is not None]

    def periods(self, kind: PriceKind, twin: str, start: int, end: int) -> list[tuple[int, int, Price | None]]:
        """(from, to, price) of [start, end), cut where the price of a machine may change; None: there was none."""
        turns = sorted({start, *(one.since for one in self._prices if start < one.since < end), end})
        return [(begin, stop, self.at(kind, twin, begin)) for begin, stop in itertools.pairwise(turns)]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What hours cost, in sum."""

    amounts: dict[str, Decimal] = {}
    """Currency → amount. Currencies are not converted."""
    unpriced_h: float = 0.0
    """Hours for which nobody told a price, or which may not be priced for who asks."""
    rests_on: tuple[str, ...] = ()
    """The assumptions: amount per hour, and on what it rests."""


class Priced(msgspec.Struct, frozen=True):
    """Prices as who asks may see them."""

    book: PriceBook
    may: Callable[[str], bool]
    """Of which twins."""

    def of(self, kind: PriceKind, twin: str, spans: Iterable[Span]) -> Costs:
        """What these times cost."""
        lines: list[Cost] = []
        hours = 0.0
        for span in spans:
            hours += (span.end - span.start) / 3.6e9
            if self.may(twin):
                lines += self.book.cost(kind, twin, span.start, span.end)
        return summed(lines, hours)


def cost_of(price: Price, micros: int) -> Cost:
    """What so many microseconds cost at a price."""
    per_hour = price.per_hour or Decimal(0)
    return Cost(
        amount=rounded(per_hour * micros / HOUR, price.currency),
        currency=price.currency,
        hours=micros / 3.6e9,
        per_hour=per_hour,
        rests_on=price.rests_on,
    )


def summed(lines: Sequence[Cost], hours: float) -> Costs:
    """Of so many hours, as far as lines price them."""
    amounts: dict[str, Decimal] = {}
    for one in lines:
        amounts[one.currency] = amounts.get(one.currency, Decimal(0)) + one.amount
    said = dict.fromkeys(f"{one.per_hour:f} {one.currency}/h: {one.rests_on}" for one in lines)
    left = hours - sum(one.hours for one in lines)
    return Costs(amounts=amounts, unpriced_h=left if left > 1e-9 else 0.0, rests_on=tuple(said))


def together(costs: Sequence[Costs]) -> Costs:
    """Several of them; each currency for itself."""
    amounts: dict[str, Decimal] = {}
    for one in costs:
        for currency, amount in one.amounts.items():
            amounts[currency] = amounts.get(currency, Decimal(0)) + amount
    said = dict.fromkeys(text for one in costs for text in one.rests_on)
    return Costs(amounts=amounts, unpriced_h=sum(one.unpriced_h for one in costs), rests_on=tuple(said))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """To the currency's minor unit, half to even."""
    unit = "1" if currency in _NO_MINOR else "0.001" if currency in _THREE else "0.01"
    return amount.quantize(Decimal(unit), rounding=ROUND_HALF_EVEN)


_ALWAYS = -(1 << 62)

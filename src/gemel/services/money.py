"""Money: exact amounts in a currency of ISO 4217, and what they add up to. No float ever holds one."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

import msgspec
from iso4217 import Currency

from gemel.errors import InvalidInput

__all__ = ["Per", "Price", "Total", "check_price", "rounded", "totals"]

MOST = Decimal(10) ** 15


class Per(StrEnum):
    """How often an amount is due."""

    ONCE = "once"
    MONTH = "month"
    YEAR = "year"
    USE = "use"
    """For each unit of what is counted: an hour run, a piece."""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line. In JSON the amount is a text: "18500.00"."""

    amount: Decimal
    """Of one piece; negative: a discount."""
    currency: str
    """ISO 4217: EUR."""
    what: str = ""
    """For people; empty: the name of the part."""
    part: str = ""
    """The part that it is for; empty: for all of it."""
    revision: str = ""
    """Only for this revision of the part; empty: for any."""
    per: Per = Per.ONCE
    quantity: int = 1


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What lines of one currency, due as often, add up to."""

    amount: Decimal
    currency: str
    per: Per


def check_price(price: Price) -> None:
    """Raises InvalidInput: an unknown currency, more decimals than it has, an amount that is no number."""
    try:
        exponent = Currency(price.currency).exponent
    except ValueError:
        raise InvalidInput(f"{price.currency!r:.20} is no currency of ISO 4217; use a code such as EUR") from None
    if not price.amount.is_finite() or abs(price.amount) > MOST:
        raise InvalidInput(f"an amount is a number up to {MOST:,}, not {price.amount!s:.40}")
    given = price.amount.normalize().as_tuple().exponent
    decimals = 0 if not isinstance(given, int) else max(0, -given)
    allowed = 6 if price.per is Per.USE else (exponent if exponent is not None else 6)
    if decimals > allowed:
        raise InvalidInput(f"{price.amount} {price.currency} has {decimals} decimals; {price.currency} has {allowed}")
    if not 1 <= price.quantity <= 1_000_000:
        raise InvalidInput(f"a line is of 1 to 1,000,000 pieces, not {price.quantity}")
    if len(price.what) > 200:
        raise InvalidInput("the text of a price line has at most 200 characters")


def rounded(amount: Decimal, currency: str) -> Decimal:
    """To the smallest unit of the currency, a half away from zero; with all its decimals."""
    exponent = Currency(currency).exponent
    return amount if exponent is None else amount.quantize(Decimal(1).scaleb(-exponent), ROUND_HALF_UP)


def totals(prices: Iterable[Price]) -> tuple[Total, ...]:
    """By currency and how often; what is due for each use is not added up."""
    found: dict[tuple[str, Per], Decimal] = {}
    for price in prices:
        if price.per is not Per.USE:
            key = price.currency, price.per
            found[key] = found.get(key, Decimal(0)) + price.amount * price.quantity
    order = list(Per)
    return tuple(
        Total(amount=rounded(amount, currency), currency=currency, per=per)
        for (currency, per), amount in sorted(found.items(), key=lambda one: (one[0][0], order.index(one[0][1])))
    )

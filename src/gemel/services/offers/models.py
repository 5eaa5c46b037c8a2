"""What is sold: models by part number, with what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gemel.errors import InvalidInput
from gemel.services.declared import faults_of, refuse_long
from gemel.services.money import Per, Price, check_price
from gemel.services.offers.values import Model, Rate, ServicePlan
from gemel.twin import check_id

__all__ = ["check_plan", "problems"]

MOST = 2000
LONGEST_TERMS = 10_000


def problems(model: Model) -> list[tuple[str, str]]:
    """What is wrong with a model, each with its field."""
    found = refuse_long({"title": model.title, "maker": model.maker})
    checks: list[tuple[str, Callable[[], object]]] = []
    checks += [(f"prices[{i}]", partial(check_price, price)) for i, price in enumerate(model.prices)]
    checks += [(f"types[{i}]", partial(check_id, type, "twin type")) for i, type in enumerate(model.types)]
    checks += [(f"plans[{i}]", partial(check_plan, plan)) for i, plan in enumerate(model.plans)]
    seen: set[str] = set()
    for i, plan in enumerate(model.plans):
        if not plan.id:
            found.append((f"plans[{i}].id", "a plan of a model has an id"))
        elif plan.id in seen:
            found.append((f"plans[{i}].id", f"{plan.id} is there twice"))
        seen.add(plan.id)
    for field, many in (("prices", len(model.prices)), ("plans", len(model.plans))):
        if many > MOST:
            found.append((field, f"there are {MOST} at most"))
    return found + faults_of(checks)


def check_plan(plan: ServicePlan) -> None:
    """Raises InvalidInput."""
    if plan.id:
        check_id(plan.id, "plan")
    if plan.availability_percent is not None and not 0 < plan.availability_percent <= 100:
        raise InvalidInput(f"an availability is more than 0 and up to 100 %, not {plan.availability_percent}")
    if plan.response_hours is not None and not 0 < plan.response_hours <= 8760:
        raise InvalidInput(f"a response is within 0 to 8760 hours, not {plan.response_hours}")
    if not 0 <= plan.months <= 1200 or not 0 <= plan.confirmed_days <= 36_500:
        raise InvalidInput("a plan runs 0 to 1200 months, and confirms within 0 to 36500 days")
    if len(plan.terms) > LONGEST_TERMS or len(plan.title) > 200:
        raise InvalidInput(f"terms have at most {LONGEST_TERMS} characters, a title 200")
    for interval in plan.maintenance:
        if not 0 < interval.every <= 1e9 or not interval.title or len(interval.title) > 200 or not interval.unit:
            raise InvalidInput(f"maintenance has a title, and is due every so many of a unit: not {interval!r:.120}")
    for rate in plan.metering:
        check_rate(rate)
    for price in plan.prices:
        check_price(price)


def check_rate(rate: Rate) -> None:
    """Raises InvalidInput."""
    check_price(Price(amount=rate.price, currency=rate.currency, per=Per.USE))
    if rate.price < 0 or not 0 <= rate.included <= 1e12 or not rate.kind or len(rate.kind) > 64:
        raise InvalidInput(f"a rate is of a kind of use, its price and what is included 0 or more: not {rate!r:.120}")

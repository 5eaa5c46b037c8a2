"""What a choice costs, by the prices of a model. Without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from gemel.configuration import Book, PartType
from gemel.errors import InvalidInput
from gemel.services.money import Price
from gemel.services.offers.values import Choice, Model, ServicePlan

__all__ = ["plan_of", "prices_of", "unpriced"]


def plan_of(model: Model, id: str) -> ServicePlan | None:
    """A service plan of a model; None for an empty id. Raises InvalidInput."""
    if not id:
        return None
    found = next((one for one in model.plans if one.id == id), None)
    if found is None:
        listed = ", ".join(one.id for one in model.plans) or "none"
        raise InvalidInput(f"{model.part} has no service plan {id!r:.60}; it has {listed}")
    return found


def prices_of(book: Book, model: Model, part: PartType, selection: Sequence[Choice]) -> Iterator[Price]:
    """Of the machine, then of what is chosen into it, each with its text."""
    named = model.title or part.name or part.part
    for price in model.prices:
        if not price.part:
            yield replace(price, what=price.what or named)
    for choice in selection:
        for price in _of(model, choice):
            known = book.of(choice.part, choice.maker)
            what = price.what or (known.name if known is not None else "") or choice.part
            yield replace(price, what=what, revision=choice.revision, quantity=price.quantity * choice.quantity)


def _of(model: Model, choice: Choice) -> list[Price]:
    """Those of exactly this revision, else those of any."""
    mine = [one for one in model.prices if one.part == choice.part]
    exact = [one for one in mine if one.revision and one.revision == choice.revision]
    return exact or [one for one in mine if not one.revision]


def unpriced(model: Model, selection: Sequence[Choice]) -> tuple[str, ...]:
    """Parts that are chosen and have no price."""
    return tuple(dict.fromkeys(one.part for one in selection if not _of(model, one)))

"""The rows of models and of recorded predictions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, func, insert, select

from gemel.errors import NotFound
from gemel.health.learning.training import Parameters
from gemel.health.lifetimes.tables import model_table, prediction_table
from gemel.health.lifetimes.values import Model, Recorded

__all__ = ["find_model", "last_ages", "newest_models", "next_version", "put_model", "put_predictions", "recorded"]

_AT_ONCE = 500
_NUMBERS = ("at", "known", "position", "age", "more", "probability", "low", "high", "left")
_COLUMNS = ("number", "item", "model", "version", "life", *_NUMBERS)


def next_version(tx: Connection, id: str) -> int:
    return (tx.scalar(select(func.max(model_table.c.version)).where(model_table.c.id == id)) or 0) + 1


def put_model(tx: Connection, model: Model, parameters: Parameters | None) -> None:
    told = {"id": model.id, "version": model.version, "trained": model.trained}
    documents = {
        "document": msgspec.json.encode(model).decode(),
        "parameters": msgspec.json.encode(parameters).decode(),
    }
    tx.execute(insert(model_table).values(**told, **documents))


def find_model(tx: Connection, id: str, version: int | None = None) -> tuple[Model, Parameters | None]:
    """Of a version, or the newest one. Raises NotFound."""
    c = model_table.c
    asked = select(model_table).where(c.id == id).order_by(c.version.desc()).limit(1)
    row = tx.execute(asked if version is None else asked.where(c.version == version)).one_or_none()
    if row is None:
        named = f"{id!r:.80}" if version is None else f"{id!r:.80} in version {version}"
        raise NotFound(
            f"there is no model {named}; `gemel lifetimes models` lists them, `gemel lifetimes train` makes one"
        )
    return (
        msgspec.json.decode(row.document, type=Model),
        msgspec.json.decode(row.parameters, type=Parameters | None),
    )


def newest_models(tx: Connection) -> list[Model]:
    """The newest version of each, by what was learnt last."""
    c = model_table.c
    newest = select(c.id, func.max(c.version).label("version")).group_by(c.id).subquery()
    asked = select(c.document).join(newest, (newest.c.id == c.id) & (newest.c.version == c.version))
    return [msgspec.json.decode(text, type=Model) for text in tx.scalars(asked.order_by(c.trained.desc(), c.id))]


def last_ages(tx: Connection, model: str) -> dict[tuple[str, int], float]:
    """(item, life) → up to which age its predictions reach already, of all versions."""
    c = prediction_table.c
    asked = select(c.item, c.life, func.max(c.age + c.more).label("reach")).where(c.model == model)
    return {(row.item, row.life): row.reach for row in tx.execute(asked.group_by(c.item, c.life))}


def put_predictions(tx: Connection, found: Sequence[Recorded]) -> None:
    rows = [{name: getattr(one, name) for name in _COLUMNS if name != "number"} for one in found]
    for first in range(0, len(rows), _AT_ONCE):
        tx.execute(insert(prediction_table), rows[first : first + _AT_ONCE])


def recorded(tx: Connection, *, item: str = "", model: str = "", limit: int = 10_000) -> list[Recorded]:
    """The newest first."""
    c = prediction_table.c
    asked = select(prediction_table).order_by(c.number.desc()).limit(limit)
    asked = asked.where(c.item == item) if item else asked
    asked = asked.where(c.model == model) if model else asked
    return [Recorded(**row._mapping) for row in tx.execute(asked)]

"""Tables of lifetimes. Their shape is made by a migration of the same name."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from gemel.database import metadata

__all__ = ["model_table", "prediction_table"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")

model_table = Table(
    "lifetime_model",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("trained", BigInteger, nullable=False),
    Column("document", Text, nullable=False),  # `Model` as JSON
    Column("parameters", Text, nullable=False),  # `Parameters` as JSON: what predictions are made with; null: none
)

prediction_table = Table(
    "lifetime_prediction",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("item", String(128), nullable=False),
    Column("model", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("life", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("age", Float, nullable=False),
    Column("more", Float, nullable=False),
    Column("probability", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("left", Float, nullable=False),
    Index("ix_lifetime_prediction_item", "item"),
    Index("ix_lifetime_prediction_model", "model", "item"),
    sqlite_autoincrement=True,
)

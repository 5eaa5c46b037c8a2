"""Replay: logs of machines (SHDR, CSV, Parquet) played as if they happened now, or read in bulk as history."""

__all__: list[str] = []

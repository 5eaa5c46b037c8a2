"""The same questions to other databases: a year of one series at 1 Hz, and nothing else, which favours them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import psycopg

from benchmarks.outside import VictoriaMetrics
from gemel.testing.postgres import PostgresServer

__all__ = ["median", "others"]

T0_S = 1_704_067_200  # 2024-01-01
DAY_S = 86_400
POINTS = 2000


def others(days: int) -> dict[str, dict[str, float]]:
    """Milliseconds of the two questions, by system; those that are not installed are left out."""
    found = {}
    try:
        server = PostgresServer()
    except (OSError, FileNotFoundError):
        print("   PostgreSQL is left out: it cannot run here")
    else:
        try:
            found["PostgreSQL"] = _postgres(server, days)
        finally:
            server.close()
    if VictoriaMetrics.program() is None:
        print("   VictoriaMetrics is left out: victoria-metrics is not installed")
    else:
        with VictoriaMetrics() as system:
            found["VictoriaMetrics"] = _victoria(system, days)
    return found


def _postgres(server: PostgresServer, days: int) -> dict[str, float]:
    """A table with a primary key of series and time; minimum and maximum of each bucket, as ours."""
    url = server.create().replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET max_parallel_maintenance_workers = 2; SET maintenance_work_mem = '512MB'")
        connection.execute("CREATE TABLE reading (series bigint, time bigint, value double precision)")
        connection.execute(
            f"INSERT INTO reading SELECT 1, {T0_S} + n, floor(500 + 50 * random()) / 10 "
            f"FROM generate_series(0, {days * DAY_S - 1}) n"
        )
        connection.execute("CREATE INDEX reading_at ON reading (series, time)")
        connection.execute("VACUUM ANALYZE reading")
        end = T0_S + days * DAY_S
        step = days * DAY_S // (POINTS // 2)

        def hour() -> None:
            rows = connection.execute(
                f"SELECT time, value FROM reading WHERE series = 1 AND time >= {end - 3600} AND time < {end} "
                "ORDER BY time"
            ).fetchall()
            assert len(rows) == 3600

        def year() -> None:
            rows = connection.execute(
                f"SELECT time / {step}, min(value), max(value) FROM reading "
                f"WHERE series = 1 AND time >= {T0_S} AND time < {end} GROUP BY 1 ORDER BY 1"
            ).fetchall()
            assert len(rows) >= POINTS // 2

        return {"hour": median(hour), "year": median(year, rounds=3)}


def _victoria(system: VictoriaMetrics, days: int) -> dict[str, float]:
    """One series, imported a day at a time; minimum and maximum of each bucket, as ours."""
    rng = np.random.default_rng(1)
    for day in range(days):
        first = (T0_S + day * DAY_S) * 1000
        line = {
            "metric": {"__name__": "p0", "twin": "m0"},
            "values": rng.normal(50, 5, DAY_S).round(1).tolist(),
            "timestamps": list(range(first, first + DAY_S * 1000, 1000)),
        }
        system.send("/api/v1/import", json.dumps(line).encode())
    end = T0_S + days * DAY_S
    step = days * DAY_S // (POINTS // 2)
    _visible(system, end)

    def hour() -> None:
        found = system.ask("/api/v1/export", **{"match[]": "p0", "start": end - 3600, "end": end - 1})
        assert len(found["values"]) >= 3599

    def year() -> None:
        query = f"rollup(p0[{step}s])"
        found = system.ask("/api/v1/query_range", query=query, start=T0_S + step, end=end, step=step, nocache=1)
        assert len(found["data"]["result"]) == 3
        assert len(found["data"]["result"][0]["values"]) >= POINTS // 2 - 1

    return {"hour": median(hour), "year": median(year, rounds=5)}


def _visible(system: VictoriaMetrics, end: int) -> None:
    """Wait until what was imported last can be asked for: it is shown after some seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            found = system.ask("/api/v1/export", **{"match[]": "p0", "start": end - 10, "end": end - 1})
            if len(found["values"]) >= 9:
                return
        except json.JSONDecodeError:
            time.sleep(0.2)
    raise TimeoutError("VictoriaMetrics does not show what it took")


def median(ask: Callable[[], None], rounds: int = 11) -> float:
    """Milliseconds of the median, after two to warm up."""
    took = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[2:])

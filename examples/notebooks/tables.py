# A notebook in the percent format: open it in Jupyter (with jupytext), VS Code or PyCharm, or run it with python.
# %% [markdown]
# # One property as a table
# Where the plant is: `GEMEL_URL`, and `GEMEL_TOKEN` of somebody who may read and query.

# %%
import os

import duckdb
import polars as pl

import gemel

plant = gemel.connect(os.environ["GEMEL_URL"], token=os.environ.get("GEMEL_TOKEN"))
asked = ("press-7", "oil_temperature", "2026-03-20T08:00:00Z", "2026-03-20T09:00:00Z")

# %% [markdown]
# ## pandas

# %%
hour = plant.range(*asked, method="raw").to_pandas()
print("pandas", len(hour), round(hour["value"].mean(), 3))

# %% [markdown]
# ## Polars

# %%
hour = plant.range(*asked, method="raw").to_polars()
print("polars", hour.height, hour.select(pl.col("value").max()).item())

# %% [markdown]
# ## Arrow and DuckDB
# DuckDB reads an Arrow table by the name of its variable.

# %%
hour = plant.history(*asked, method="raw")
print("arrow", hour.num_rows, hour.column_names)
print("duckdb", duckdb.sql("SELECT count(*), max(value) FROM hour").fetchone())

# %% [markdown]
# ## A year on a screen
# 1,000 points are enough to draw; peaks stay.

# %%
drawn = plant.range(
    "press-7", "oil_temperature", "2025-04-01T00:00:00Z", "2026-04-01T00:00:00Z", points=1000
).to_pandas()
print("drawn", len(drawn) <= 2000, drawn["max"].max())

# %% [markdown]
# ## All twins now, and what happened

# %%
print("now", plant.query("SELECT twin, oil_temperature FROM live.press ORDER BY twin").to_pandas().to_dict("records"))
print("events", pl.from_arrow(plant.query("SELECT time, kind FROM history.happened WHERE twin = 'press-7'")).height > 0)
plant.close()

# A notebook in the percent format: the history of a folder read as files, while Gemel runs or when it does not.
# %% [markdown]
# # The published list of files
# `history/files.json` says which files belong together. This needs no Gemel, only access to the folder `GEMEL_FOLDER`.

# %%
import json
import os
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl

folder = Path(os.environ["GEMEL_FOLDER"]) / "history"
index = json.loads((folder / "files.json").read_text())
files = [str(folder / file["path"]) for file in index["files"] if file["table"] == "reading"]
columns = ["series", "time", "value"]

# %%
print("polars", pl.scan_parquet(files, extra_columns="ignore").select(columns).collect().height)
print("pandas", len(pd.concat(pd.read_parquet(file, columns=columns) for file in files)))
print("duckdb", duckdb.sql(f"SELECT count(*), max(value) FROM read_parquet({files})").fetchone())

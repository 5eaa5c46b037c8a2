"""`python -m benchmarks [name …] [--small]`: run them, print the table, write results.json."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.record import Record, Result

HELPERS = ("__main__", "elsewhere", "load", "outside", "publish", "record", "screen", "served")
RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    runnable = [name for name in names if name not in HELPERS]
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones (all): {', '.join(runnable)}")
    parser.add_argument("--small", action="store_true", help="small data, to see that they run; figures mean little")
    arguments = parser.parse_args()
    record = Record(small=arguments.small)
    kept = earlier() if arguments.names else []
    for name in arguments.names or runnable:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"== {name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        began = time.monotonic()
        module.run(record)
        print(f"   ({time.monotonic() - began:.0f} s)", flush=True)
        if not arguments.small:
            keep(record, kept)
    show(record.results)


def keep(record: Record, others: list[dict[str, object]]) -> None:
    """Write what has been measured so far, with the results of benchmarks that are not run this time."""
    kept = [result for result in others if result["name"] not in record.names]
    RESULTS.write_text(json.dumps(kept + [result.as_dict() for result in record.results], indent=1) + "\n")


def earlier() -> list[dict[str, object]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def show(results: list[Result]) -> None:
    table = Table("", "measured", "unit", "budget", "reference", "ratio", "")
    for r in results:
        table.add_row(
            r.name,
            f"{r.value:,.4g}" if r.value < 1000 else f"{r.value:,.0f}",
            r.unit,
            "" if r.budget is None else f"{'≥' if r.higher_is_better else '≤'} {r.budget:,.6g}",
            "" if r.reference is None else f"{r.reference:,.4g}" if r.reference < 1000 else f"{r.reference:,.0f}",
            "" if r.ratio is None else f"{r.ratio:.2f}",
            {True: "ok", False: "[red]missed[/red]", None: ""}[r.ok],
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    console.print(table)


if __name__ == "__main__":
    main()

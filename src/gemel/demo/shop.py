"""`gemel demo`: start the machines and the trial plant, load the earlier days, connect, serve."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gemel.demo.machines import MACHINES, Shop, model, plant
from gemel.demo.preload import preload
from gemel.demo.product import load_product
from gemel.demo.trial.documents import CELL, document, drives
from gemel.demo.trial.fitted import fit
from gemel.demo.trial.fleet import declare_software
from gemel.demo.trial.past import compute_past, load_past
from gemel.demo.trial.sold import declare_sold, order_one
from gemel.demo.trial.start import set_going, wait_for_both
from gemel.demo.trial.worked import work
from gemel.errors import GemelError
from gemel.folder import SETTINGS
from gemel.platform import Platform
from gemel.server import Options, Server
from gemel.twin import Position

__all__ = ["Running", "run_shop", "running_shop"]

MARK, TRIAL_MARK = "demo.loaded", "demo.trial"


@dataclass(frozen=True, slots=True)
class Running:
    """A demo that runs."""

    platform: Platform
    server: Server
    url: str
    before: Position
    """What has a higher one came over the machines' protocols."""
    first: bool
    """The earlier days were loaded just now."""


def run_shop(folder: Path, console: Console, *, port: int, speed: float = 1.0) -> None:
    """Run the demo until Ctrl-C, or until it is asked to end."""
    name_backups(folder)
    ended = threading.Event()

    def interrupted(*_: object) -> None:
        ended.set()  # what runs now may make another error of the interrupt
        raise KeyboardInterrupt

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, interrupted)
    with running_shop(folder, console, port=port, speed=speed) as running, contextlib.suppress(KeyboardInterrupt):
        console.print(f"\n  Open [bold]{running.url}[/bold]")
        console.print(
            "  [dim]The five machine tools are recorded: real logs, moved to now. The pump skid and the robot cell of "
            "the trial plant are simulated, and take orders.[/dim]"
        )
        console.print(
            f"  [dim]Signed in automatically on this computer. The plant is in {folder}; Ctrl-C stops.[/dim]\n"
        )
        begin(running, console)
        ended.wait()


def begin(running: Running, console: Console) -> None:
    """Set the trial plant going; the first time also compute what its past lacks, and take in what the shop made."""
    try:
        wait_for_both(running.platform, running.before)
        set_going(running.platform)
        if running.first:
            compute_past(running.platform)
            load_product(running.platform)
    except GemelError as error:
        console.print(f"  [dim]The trial plant waits for orders: {error.detail}[/dim]")


def name_backups(folder: Path) -> None:
    """Say where backups go, beside the plant's folder; they are made when somebody asks for one."""
    settings = folder / SETTINGS
    if not settings.exists():
        to = folder.absolute().with_name(f"{folder.absolute().name}-backups")
        folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(f"backup: {{to: {json.dumps(str(to))}, every: forever}}\n")


@contextmanager
def running_shop(folder: Path, console: Console, *, port: int = 0, speed: float = 1.0) -> Iterator[Running]:
    """The shop with its machines, platform and server; all of them end with the block."""
    with Shop(folder / "machines", speed=speed) as shop:
        first = _with_its_past(folder, console)
        with Platform.open(folder) as platform:
            before = platform.position
            platform.apply(plant(shop.urls()))
            urls = shop.trial_urls()
            platform.apply(document(urls))
            platform.apply(drives(urls[CELL]))
            with Server(platform, Options(port=port, demo=True)) as server:
                platform.folder.announce(url=server.url, token=platform.gate.tokens.local())
                yield Running(platform, server, server.url, before, first)


def _with_its_past(folder: Path, console: Console) -> bool:
    """Load what was before, if it is not there yet; returns whether the trial plant is new.

    On a platform of its own: what is measured of the flows afterwards is measured of the machines alone.
    """
    with Platform.open(folder) as platform:
        platform.apply(plant())
        platform.apply(document())
        platform.apply(drives())
        declare_software(platform)
        declare_sold(platform)
        if not (folder / MARK).exists():
            load_earlier_days(platform, console)
            (folder / MARK).touch()
        first = not (folder / TRIAL_MARK).exists()
        if first:
            load_past(platform, now=platform.clock.now())
            fit(platform)
            order_one(platform)
            work(platform)
            (folder / TRIAL_MARK).touch()
        return first


def load_earlier_days(platform: Platform, console: Console) -> int:
    """The logs before the live part, as history; returns how many readings."""
    now = platform.clock.now()
    specs = {spec.settings["device"]: spec for spec in model().connectors}
    loaded = 0
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("Loading the earlier days", total=None)
        for machine in MACHINES:
            bars.update(bar, description=f"Loading the earlier days of {machine.device}")
            loaded += preload(
                platform, machine, specs[machine.device], now=now, progress=lambda more: bars.advance(bar, more)
            )
        bars.update(bar, description="Loaded the earlier days", total=loaded, completed=loaded)
    return loaded

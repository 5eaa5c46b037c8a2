"""A real shop behind a real server, looked at by a real Chromium. Without Chromium or Node these tests skip by name."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import playwright
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from gemel.connectors.replay import readings_of_log
from gemel.demo.machines import MACHINES, model, plant
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
EVERY_S = 0.2
PATIENCE_MS = 60_000
"""How long a page may take to show what it should, on a machine with much else to do."""

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def built() -> None:
    """The web app, built from the sources that are here."""
    hook = build_hook()
    try:
        hook.build(ROOT)
    except SystemExit as reason:
        pytest.skip(f"web: {reason}")


@pytest.fixture(scope="session")
def browser(built: None) -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("web: no chromium here; `apt-get install chromium` as root, or `make test` there, brings it")
    driver = Path(playwright.__file__).parent / "driver/node"
    started = subprocess.run([driver, "--version"], capture_output=True, text=True, check=False)
    if started.returncode:
        pytest.skip(f"web: the driver does not run here: {started.stderr.strip()[:200]}")
    with sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=program, args=FLAGS, timeout=PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@dataclass
class Shop:
    """A plant with two recorded machines, one of which goes on living; its server can be stopped and started."""

    platform: Platform
    server: Server
    beat: int = 0

    @property
    def url(self) -> str:
        return self.server.url

    def report(self, twin: str, property: str, value: object) -> None:
        self.platform.ingest([Message(readings=[Reported(twin=twin, property=property, value=value)])], source="test")

    def live(self) -> None:
        """One more reading of the living machine."""
        self.beat += 1
        self.report("mazak01.x", "load", 20 + self.beat % 50)
        self.platform.intake.heartbeat("test")


@pytest.fixture(scope="session")
def shop(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The demo's types and twins; the last hours of two machines as history; readings that keep coming."""
    with Platform.open(tmp_path_factory.mktemp("shop")) as platform:
        platform.apply(plant())
        _past(platform)
        with Server(platform, port=0, demo=True) as server:
            shop = Shop(platform, server)
            done = threading.Event()
            living = threading.Thread(target=_live, args=(shop, done), name="test-machine")
            living.start()
            try:
                yield shop
            finally:
                done.set()
                living.join()
                if shop.server is not server:
                    shop.server.stop()


def _past(platform: Platform) -> None:
    """What the logs tell before their live part, moved so that it ends now."""
    now = platform.clock.now()
    specs = {spec.settings["device"]: spec for spec in model().connectors}
    for machine in MACHINES[:2]:
        batches = readings_of_log(
            [machine.live_log],
            specs[machine.device].bindings,
            platform.registry.directory,
            device=machine.device,
            shift=now - machine.begin,
        )
        for batch in batches:
            times = batch.column("time").cast("int64").to_numpy()
            platform.intake.submit_frame(f"{machine.twin}-log", batch.take((times < now).nonzero()[0])).result()


def _live(shop: Shop, done: threading.Event) -> None:
    while not done.wait(EVERY_S):
        shop.live()


@pytest.fixture
def open_page(browser: Browser, shop: Shop) -> Iterator[Open]:
    """Opens an address of the shop in a fresh browser; any error on its console fails the test."""
    contexts, said = [], []

    def note(message: ConsoleMessage) -> None:
        away = re.search("WebSocket|ERR_CONNECTION|ERR_INTERNET_DISCONNECTED|net::ERR_FAILED", message.text)
        calls = r"me|site|discoveries|sources/base|operations(\?dry_run=true)?|parts\?(dry_run=true&)?prune=\w+"
        refused = rf"no-such-twin|/api/v1/({calls})$"
        meant = re.search(refused, message.location["url"])
        if message.type == "error" and not away and not meant:
            said.append(f"{message.text} ({message.location['url']})")

    def opened(
        path: str = "/",
        *,
        scheme: str = "light",
        phone: bool = False,
        touch: bool = False,
        locale: str = "en-GB",
        url: str = "",
    ) -> Page:
        context = browser.new_context(
            viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
            color_scheme=scheme,  # type: ignore[arg-type]
            locale=locale,
            has_touch=phone or touch,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", note)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((url or shop.url) + path)
        page.wait_for_selector("#places, header.wall, form.card", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def build_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

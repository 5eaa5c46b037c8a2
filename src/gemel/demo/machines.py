"""The five machines: their logs, how each speaks, and the processes that speak for them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import msgspec

from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.mqtt.broker import Broker
from gemel.connectors.mqtt.publisher import bindings_for as mqtt_bindings
from gemel.connectors.mqtt.publisher import settings_for as mqtt_settings
from gemel.connectors.mtconnect.devices import read_devices
from gemel.connectors.mtconnect.importing import plant_of
from gemel.connectors.opcua.machine import bindings_for as opcua_bindings
from gemel.errors import GemelError
from gemel.twin import Computed, ConnectorSpec, Kind, LifeStage, Plant, PropertyType, Site, TwinType

__all__ = ["DATA", "MACHINES", "Machine", "Shop", "model", "plant"]

DATA = Path(__file__).parent / "data"
DEVICES = DATA / "Devices.xml"
STARTS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine tool of the shop."""

    device: str
    """Its name in Devices.xml; in small letters, the id of its twin."""
    protocol: str
    """shdr, agent, mqtt or opcua."""
    live: str
    """The log that runs now."""
    begins: str
    """The moment of the live log that is now when the demo starts: work is under way."""
    earlier: tuple[str, ...] = ()
    """Logs of the days before."""

    @property
    def twin(self) -> str:
        return self.device.lower()

    @property
    def begin(self) -> int:
        return parse_time(self.begins)

    @property
    def live_log(self) -> Path:
        return DATA / self.live

    @property
    def logs(self) -> list[Path]:
        return [DATA / name for name in (*self.earlier, self.live)]


MACHINES = (
    Machine(
        "Mazak01",
        "shdr",
        "Mazak01-20170323-20170324.shdr.gz",
        "2017-03-23T09:46:00Z",
        (
            "Mazak01-20170320-20170321.shdr.gz",
            "Mazak01-20170321-20170322.shdr.gz",
            "Mazak01-20170322-20170323.shdr.gz",
        ),
    ),
    Machine(
        "Mazak03",
        "shdr",
        "Mazak03-20170504-20170505.shdr.gz",
        "2017-05-04T12:44:00Z",
        (
            "Mazak03-20170501-20170502.shdr.gz",
            "Mazak03-20170502-20170503.shdr.gz",
            "Mazak03-20170503-20170504.shdr.gz",
        ),
    ),
    Machine("GFAgie01", "agent", "GFAgie01-20161107-20161108.shdr.gz", "2016-11-07T10:26:00Z"),
    Machine("Hurco02", "mqtt", "Hurco02-20170306-20170307.shdr.gz", "2017-03-06T10:06:00Z"),
    Machine("Hurco04", "opcua", "Hurco04-20170124-20170125.shdr.gz", "2017-01-24T17:33:00Z"),
)


WORKED_OUT = (
    PropertyType(
        name="working",
        kind=Kind.BOOLEAN,
        title="Working",
        description="Whether any path of the machine executes a program.",
        computed=Computed(expression="bool_or(all_parts.execution = 'ACTIVE')"),
    ),
    PropertyType(
        name="peak_load",
        unit="%",
        title="Highest load",
        description="Of all axes that tell theirs.",
        computed=Computed(expression="max(all_parts.load) FILTER (WHERE all_parts.load IS NOT NULL)"),
    ),
)
"""What no machine tells, and the platform works out for each."""


class Shop:
    """The processes of all machines; leave the `with` and they are gone."""

    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        self._folder = folder
        self._speed = speed
        self._processes: list[subprocess.Popen[str]] = []
        self._stack = contextlib.ExitStack()
        self._starting: dict[Machine, SimpleQueue[str]] = {}
        self._broker = ""

    def __enter__(self) -> Shop:
        with contextlib.ExitStack() as stack:
            stack.callback(self._stop)
            broker = stack.enter_context(Broker(self._folder / "broker"))
            self._starting = {machine: self._start(machine, broker.url) for machine in MACHINES}
            self._broker = broker.url
            self._stack = stack.pop_all()
        return self

    def urls(self) -> dict[str, str]:
        """Where each machine listens, by device; waits until all of them do."""
        return {machine.device: self._url(machine, lines) for machine, lines in self._starting.items()}

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def alive(self) -> bool:
        """Whether every machine still runs."""
        return all(process.poll() is None for process in self._processes)

    def _start(self, machine: Machine, broker: str) -> SimpleQueue[str]:
        begin, log = to_rfc3339(machine.begin), str(machine.live_log)
        speed = ["--speed", str(self._speed)]
        device = ["--devices", str(DEVICES), "--device", machine.device]
        if machine.protocol == "shdr":
            return self._spawn("mtconnect.adapter", log, "--port", "0", "--from", begin, "--loop", *speed)
        if machine.protocol == "agent":
            return self._spawn("mtconnect.agent", log, *device, "--port", "0", "--from", begin, "--loop", *speed)
        if machine.protocol == "mqtt":
            return self._spawn("mqtt.publisher", log, *device, "--url", broker, "--start", begin, *speed)
        return self._spawn("opcua.machine", log, *device, "--port", "0", "--start", begin, *speed)

    def _url(self, machine: Machine, lines: SimpleQueue[str]) -> str:
        if machine.protocol == "mqtt":
            return self._broker
        scheme = {"shdr": "shdr", "agent": "http", "opcua": "opc.tcp"}[machine.protocol]
        return f"{scheme}://127.0.0.1:{_port(machine, lines)}"

    def _spawn(self, module: str, *arguments: str) -> SimpleQueue[str]:
        """Start a process; returns the lines that it prints, and "" when it ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"gemel.connectors.{module}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._processes.append(process)
        lines: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=_follow, args=(process, lines), daemon=True).start()
        return lines

    def _stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()


def _port(machine: Machine, lines: SimpleQueue[str]) -> str:
    """The port that a process says it listens on. Raises GemelError when it ends, or says nothing for a minute."""
    said = []
    with contextlib.suppress(Empty):
        while (line := lines.get(timeout=STARTS_WITHIN_S)) != "":
            said.append(line)
            if found := re.search(r"^(?:listening on |opc\.tcp://).*:(\d+)\b", line):
                return found[1]
    raise GemelError(f"the process of {machine.device} did not start: {' '.join(said)[-500:]}")


def _follow(process: subprocess.Popen[str], lines: SimpleQueue[str]) -> None:
    """Read all that a process says, so that it never waits for a reader."""
    assert process.stdout is not None
    with contextlib.suppress(ValueError):  # closed when the shop closes
        for line in process.stdout:
            lines.put(line)
    lines.put("")


def model() -> Plant:
    """Types, twins and bindings of all devices in Devices.xml."""
    return plant_of(read_devices(DEVICES.read_bytes(), DEVICES.name), values_in="units")


def plant(urls: dict[str, str] | None = None) -> Plant:
    """The shop as a plant document: types, twins and bindings from Devices.xml; with `urls` (by device), connectors."""
    whole = model()
    ours = {machine.twin: machine for machine in MACHINES}
    specs = {spec.settings["device"]: spec for spec in whole.connectors}
    twins = [
        msgspec.structs.replace(twin, stage=LifeStage.IN_SERVICE)
        for twin in whole.twins
        if twin.id.partition(".")[0] in ours
    ]
    used = {type_ for twin in twins for type_ in twin.types}
    return Plant(
        site=Site(name="Machine shop (demo)", time_zone="America/New_York"),
        types=tuple(_with_computed(type_) for type_ in whole.types if type_.id in used),
        twins=tuple(twins),
        connectors=tuple(
            _connector(machine, specs[machine.device], urls[machine.device]) for machine in MACHINES if urls
        ),
    )


def _with_computed(type_: TwinType) -> TwinType:
    if type_.id != "machine_tool":
        return type_
    return msgspec.structs.replace(type_, properties=(*type_.properties, *WORKED_OUT))


def _connector(machine: Machine, spec: ConnectorSpec, url: str) -> ConnectorSpec:
    if machine.protocol == "mqtt":
        kind, bindings = "mqtt", mqtt_bindings(spec.bindings)
        settings: dict[str, object] = {"url": url, **mqtt_settings(spec.bindings)}
    elif machine.protocol == "opcua":
        kind, bindings, settings = "opcua", opcua_bindings(spec.bindings), {"url": url}
    else:
        kind, bindings, settings = "mtconnect", list(spec.bindings), {"url": url, "device": machine.device}
    titles = {"shdr": "MTConnect adapter", "agent": "MTConnect agent", "mqtt": "MQTT", "opcua": "OPC UA"}
    return ConnectorSpec(
        id=f"{machine.twin}-{machine.protocol}",
        kind=kind,
        title=f"{machine.device} over {titles[machine.protocol]}",
        settings=settings,
        bindings=tuple(bindings),
    )

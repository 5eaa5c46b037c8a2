"""The five machines: their logs, how each speaks, and the processes that speak for them."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.mqtt.broker import Broker
from gemel.connectors.mqtt.publisher import bindings_for as mqtt_bindings
from gemel.connectors.mqtt.publisher import settings_for as mqtt_settings
from gemel.connectors.mtconnect.devices import read_devices
from gemel.connectors.mtconnect.importing import plant_of
from gemel.connectors.opcua.machine import bindings_for as opcua_bindings
from gemel.connectors.ports import free_port
from gemel.demo.planned import USE
from gemel.demo.processes import Lines, Processes, address_of
from gemel.demo.trial.documents import CELL, SKID
from gemel.twin import (
    Computed,
    ConnectorSpec,
    Kind,
    LifeStage,
    Plant,
    PropertyGroup,
    PropertyType,
    Site,
    TwinSpec,
    TwinType,
)

__all__ = ["DATA", "MACHINES", "Machine", "Shop", "model", "plant"]

DATA = Path(__file__).parent / "data"
SHOP = "shop"
DEVICES = DATA / "Devices.xml"


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
SHARED_AS = (
    (re.compile("availability|temperature|load|load_.*|peak_load"), PropertyGroup.CONDITION),
    (re.compile("accumulated_time.*|power_state|working"), PropertyGroup.USAGE),
    (re.compile("emergency_stop"), PropertyGroup.SAFETY),
    (re.compile("tool_.*|pallet_number"), PropertyGroup.CONFIGURATION),
)
"""As what properties are shared, by name; programs, positions, speeds and counts of parts stay process."""


class Shop:
    """The processes of all machines and of the trial plant; leave the `with` and they are gone."""

    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        self._folder = folder
        self._speed = speed
        self._processes = Processes()
        self._stack = contextlib.ExitStack()
        self._starting: dict[Machine, Lines] = {}
        self._skid = Lines()
        self._broker = ""

    def __enter__(self) -> Shop:
        with contextlib.ExitStack() as stack:
            stack.callback(self._processes.stop)
            broker = stack.enter_context(Broker(self._folder / "broker"))
            self._starting = {machine: self._start(machine, broker.url) for machine in MACHINES}
            speed = ["--speed", str(self._speed)]
            self._skid = self._processes.spawn("demo.trial.opcua", "--port", str(free_port()), *speed)
            self._processes.spawn("demo.trial.mqtt", "--url", broker.url, *speed)
            self._broker = broker.url
            self._stack = stack.pop_all()
        return self

    def urls(self) -> dict[str, str]:
        """Where each machine listens, by device; waits until all of them do."""
        return {machine.device: self._url(machine, lines) for machine, lines in self._starting.items()}

    def trial_urls(self) -> dict[str, str]:
        """Where the pump skid and the robot cell listen, by connector; waits until they do."""
        return {SKID: address_of("the pump skid", self._skid)[0], CELL: self._broker}

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, machine: Machine, broker: str) -> Lines:
        begin, log = to_rfc3339(machine.begin), str(machine.live_log)
        speed = ["--speed", str(self._speed)]
        device = ["--devices", str(DEVICES), "--device", machine.device]
        spawn = self._processes.spawn
        if machine.protocol == "shdr":
            return spawn("connectors.mtconnect.adapter", log, "--port", "0", "--from", begin, "--loop", *speed)
        if machine.protocol == "agent":
            return spawn("connectors.mtconnect.agent", log, *device, "--port", "0", "--from", begin, "--loop", *speed)
        if machine.protocol == "mqtt":
            return spawn("connectors.mqtt.publisher", log, *device, "--url", broker, "--start", begin, *speed)
        return spawn("connectors.opcua.machine", log, *device, "--port", "0", "--start", begin, *speed)

    def _url(self, machine: Machine, lines: Lines) -> str:
        if machine.protocol == "mqtt":
            return self._broker
        scheme = {"shdr": "shdr", "agent": "http", "opcua": "opc.tcp"}[machine.protocol]
        return f"{scheme}://127.0.0.1:{address_of(machine.device, lines)[1]}"


def model() -> Plant:
    """Types, twins and bindings of all devices in Devices.xml."""
    return plant_of(read_devices(DEVICES.read_bytes(), DEVICES.name), values_in="units")


def plant(urls: dict[str, str] | None = None) -> Plant:
    """The shop as a plant document: types, twins and bindings from Devices.xml; with `urls` (by device), connectors."""
    whole = model()
    ours = {machine.twin: machine for machine in MACHINES}
    specs = {spec.settings["device"]: spec for spec in whole.connectors}
    twins = [
        msgspec.structs.replace(twin, stage=LifeStage.IN_SERVICE, links={"located_in": SHOP} if twin.id in ours else {})
        for twin in whole.twins
        if twin.id.partition(".")[0] in ours
    ]
    used = {type_ for twin in twins for type_ in twin.types}
    return Plant(
        site=Site(name="Machine shop (demo)", time_zone="America/New_York"),
        types=(
            TwinType(id="machine_shop", title="Machine shop"),
            *(_completed(type_) for type_ in whole.types if type_.id in used),
        ),
        twins=(TwinSpec(id=SHOP, types=("machine_shop",), name="Machine shop (recorded)"), *twins),
        connectors=tuple(
            _connector(machine, specs[machine.device], urls[machine.device]) for machine in MACHINES if urls
        ),
    )


def _completed(type_: TwinType) -> TwinType:
    """With what is worked out, and with what each property is shared as."""
    if type_.id == "machine_tool":
        type_ = msgspec.structs.replace(type_, properties=(*type_.properties, *WORKED_OUT), effectiveness=USE)
    return msgspec.structs.replace(type_, properties=tuple(_grouped(one) for one in type_.properties))


def _grouped(property_: PropertyType) -> PropertyType:
    if property_.kind is Kind.CONDITION:
        return property_
    group = next((group for names, group in SHARED_AS if names.fullmatch(property_.name)), None)
    return msgspec.structs.replace(property_, group=group)


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

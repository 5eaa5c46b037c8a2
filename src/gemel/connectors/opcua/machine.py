"""A machine that speaks OPC UA: a server that plays a recorded log, for demos and tests.

python -m gemel.connectors.opcua.machine LOG --devices Devices.xml --device Hurco04 --port 4840

Every twin of the device model is an object, every property a variable `s=<twin>.<property>` with its type, unit and
range, source times and qualities as in the log. A condition is a variable that tells its level.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from asyncua import Server, ua
from asyncua.common.node import Node

from gemel.clock import WallClock, parse_time
from gemel.connectors.opcua.addresses import node_id
from gemel.connectors.opcua.units import eu_information
from gemel.connectors.ports import free_port
from gemel.connectors.recordings import Playback, Recording
from gemel.intake import Reported
from gemel.twin import Binding, Kind, PartOf, PropertyType, Quality

__all__ = ["NAMESPACE", "Machine", "bindings_for", "main"]

NAMESPACE = "urn:gemel:machine"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {
    Kind.NUMBER: ua.VariantType.Double,
    Kind.INTEGER: ua.VariantType.Int64,
    Kind.BOOLEAN: ua.VariantType.Boolean,
    Kind.ARRAY: ua.VariantType.Double,
}
_STATUS = {
    Quality.GOOD: ua.StatusCodes.Good,
    Quality.UNCERTAIN: ua.StatusCodes.UncertainLastUsableValue,
    Quality.BAD: ua.StatusCodes.BadSensorFailure,
    Quality.UNAVAILABLE: ua.StatusCodes.BadNoData,
}

_WAITING = ua.StatusCodes.BadWaitingForInitialData


def bindings_for(bindings: Iterable[Binding]) -> list[Binding]:
    """The bindings of a device model, for the nodes of this server."""
    return [
        msgspec.structs.replace(one, address=f"nsu={NAMESPACE};s={one.twin}.{one.property}", unit="", scale=None)
        for one in bindings
    ]


class Machine:
    """The server of one recorded device; port 0: a free one, see `url`.

    async with Machine(recording, port) as machine: await machine.play(playback)
    """

    def __init__(self, recording: Recording, port: int, *, host: str = "127.0.0.1") -> None:
        self._recording = recording
        self.url = f"opc.tcp://{host}:{port or free_port()}/gemel/machine"
        self._server = Server()
        self._nodes: dict[tuple[str, str], tuple[Node, ua.VariantType]] = {}

    async def __aenter__(self) -> Machine:
        server = self._server
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name("Gemel recorded machine")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        namespace = await server.register_namespace(NAMESPACE)
        objects: dict[str, Node] = {}
        for twin in self._recording.plant.twins:
            whole = twin.part_of.twin if isinstance(twin.part_of, PartOf) else ""
            parent = objects.get(whole, server.nodes.objects)
            objects[twin.id] = await parent.add_object(
                node_id(twin.id, namespace), f"{namespace}:{twin.name or twin.id}"
            )
        for twin_id, name in {(one.twin, one.property): None for one in self._recording.bindings}:
            await self._add(objects[twin_id], twin_id, self._recording.properties[twin_id, name], namespace)
        await server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    async def play(self, playback: Playback, *, once: bool = False) -> None:
        """Write what the log tells, each when it is due."""
        async for batch in playback.run(once=once):
            for reading in batch:
                await self._write(reading)

    async def _add(self, parent: Node, twin: str, property: PropertyType, namespace: int) -> None:
        kind = _TYPES.get(property.kind, ua.VariantType.String)
        node = await parent.add_variable(
            node_id(f"{twin}.{property.name}", namespace),
            f"{namespace}:{property.name}",
            [] if property.kind is Kind.ARRAY else _ZERO.get(kind, ""),
            kind,
        )
        await node.write_value(_data_value(ua.Variant(None, ua.VariantType.Null), _WAITING, None))
        if property.unit:
            await node.add_property(0, "EngineeringUnits", eu_information(property.unit))
        if property.normal is not None:
            await node.add_property(0, "EURange", ua.Range(Low=property.normal[0], High=property.normal[1]))
        self._nodes[twin, property.name] = (node, kind)

    async def _write(self, reading: Reported) -> None:
        node, kind = self._nodes[reading.twin, reading.property]
        moment = _EPOCH + timedelta(microseconds=reading.time or 0)
        variant = ua.Variant(None, ua.VariantType.Null) if reading.value is None else _variant(reading.value, kind)
        await node.write_value(_data_value(variant, _STATUS[reading.quality], moment))


_ZERO: dict[ua.VariantType, Any] = {ua.VariantType.Double: 0.0, ua.VariantType.Int64: 0, ua.VariantType.Boolean: False}


def _data_value(variant: ua.Variant, status: Any, moment: Any) -> ua.DataValue:
    return ua.DataValue(variant, ua.StatusCode(status), moment, moment)


def _variant(value: Any, kind: ua.VariantType) -> ua.Variant:
    """The value as the node's type; text of a number that is none becomes null."""
    if isinstance(value, dict):
        value = str(value.get("level", "")) if "level" in value else msgspec.json.encode(value).decode()
    if kind is ua.VariantType.String:
        return ua.Variant(str(value), kind)
    if isinstance(value, str):
        return ua.Variant(None, ua.VariantType.Null)
    return ua.Variant(value, kind)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line. Prints the address when the server takes connections."""
    parser = argparse.ArgumentParser(prog="python -m gemel.connectors.opcua.machine", description=__doc__)
    parser.add_argument("log", type=Path, help="an SHDR log, plain or .gz")
    parser.add_argument("--devices", type=Path, required=True, help="the MTConnect device model that explains the log")
    parser.add_argument("--device", required=True, help="name of the device in the model")
    parser.add_argument("--port", type=int, default=4840, help="0: any free one; the address is printed")
    parser.add_argument("--start", type=parse_time, help="moment of the log that is now (default: its last day)")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--once", action="store_true", help="stop at the end of the log instead of starting over")
    options = parser.parse_args(arguments)
    recording = Recording(options.log, options.devices, options.device)
    playback = Playback(recording, WallClock(), start=options.start, speed=options.speed)
    asyncio.run(_serve(Machine(recording, options.port), playback, once=options.once))


async def _serve(machine: Machine, playback: Playback, *, once: bool) -> None:
    async with machine:
        print(machine.url, flush=True)  # noqa: T201  # whoever started us waits for this line
        task = asyncio.create_task(machine.play(playback, once=once))
        with contextlib.suppress(NotImplementedError):  # Windows: it is ended without being asked
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


if __name__ == "__main__":
    main()

"""The pump skid behind an OPC UA server: what it reports as variables, set points beside them, commands as methods.

python -m gemel.demo.trial.opcua --port 4840
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field

from gemel.demo.trial.base import Refusal, Simulated
from gemel.demo.trial.running import STEP_S, steps, until_stopped
from gemel.demo.trial.skid import Skid
from gemel.twin import CommandType, Direction, Kind, Plant, PropertyType, parse_plant

__all__ = ["NAMESPACE", "SimulatedServer", "main", "skid_plant"]

NAMESPACE = "urn:gemel:trial"
_REFUSED: Any = ua.StatusCodes.BadInvalidState
_UCUM = "http://unitsofmeasure.org"
_CONDITION = "TrialCondition"
_TYPES = {
    Kind.CONDITION: ua.VariantType.ExtensionObject,
    Kind.NUMBER: ua.VariantType.Double,
    Kind.INTEGER: ua.VariantType.Int64,
    Kind.BOOLEAN: ua.VariantType.Boolean,
}


def skid_plant() -> Plant:
    """The document of the skid. Only what this process needs is imported: it is to be there at once."""
    file = Path(__file__).with_name("skid.yaml")
    return parse_plant(file.read_text(encoding="utf-8"), file.name)


class SimulatedServer:
    """A server of what a plant document binds, for one simulated object.

    async with SimulatedServer(Skid(), skid_plant(), 4840) as server: await server.step(0.5)
    """

    def __init__(self, simulated: Simulated, plant: Plant, port: int) -> None:
        self.simulated = simulated
        self._plant = plant
        self.url = f"opc.tcp://127.0.0.1:{port}/gemel/skid"
        self._types = {type_.id: type_ for type_ in plant.types}
        self._twins = {twin.id: twin for twin in plant.twins}
        self._server: Server | None = None
        self._nodes: dict[tuple[str, str], tuple[Node, ua.VariantType]] = {}
        self._told: dict[tuple[str, str], Any] = {}

    async def __aenter__(self) -> SimulatedServer:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def step(self, dt_s: float) -> None:
        """Let time go by, and tell what changed; the server goes and comes as the link of the object does."""
        self.simulated.step(dt_s)
        if self.simulated.linked and self._server is None:
            await self._open()
        elif not self.simulated.linked:
            await self._close()
        await self._tell()

    async def _tell(self) -> None:
        if self._server is None:
            return
        for key, value in self.simulated.values().items():
            if self._told.get(key) != value:
                node, kind = self._nodes[key]
                told = _condition(value) if kind is ua.VariantType.ExtensionObject else value
                await node.write_value(ua.DataValue(ua.Variant(told, kind)))
                self._told[key] = value

    async def _open(self) -> None:
        self._server = server = Server()
        self._nodes, self._told = {}, {}
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name("Gemel trial plant")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace(NAMESPACE)
        condition = await _add_condition_type(server, space)
        objects: dict[str, Node] = {}
        for binding in self._plant.connectors[0].bindings:
            if binding.twin not in objects:
                name = self._twins[binding.twin].name or binding.twin
                objects[binding.twin] = await server.nodes.objects.add_object(
                    _id(binding.twin, space), f"{space}:{name}"
                )
            node = _id(binding.address.partition(";s=")[2], space)
            type_ = self._types[self._twins[binding.twin].types[0]]
            property_ = next((one for one in type_.properties if one.name == binding.property), None)
            if property_ is None:
                command = next(one for one in type_.commands if one.name == binding.property)
                await self._add_method(objects[binding.twin], node, command, space)
            elif binding.direction is Direction.OUT:
                await self._add_set_point(objects[binding.twin], node, property_, space)
            else:
                type_id = condition if property_.kind is Kind.CONDITION else None
                self._nodes[binding.twin, property_.name] = await _variable(
                    objects[binding.twin], node, property_, space, type_id=type_id
                )
        await self._tell()
        await server.start()

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def _add_set_point(self, parent: Node, id: ua.NodeId, property_: PropertyType, space: int) -> None:
        assert self._server is not None
        node, _ = await _variable(parent, id, property_, space, suffix=" set point")
        await node.set_writable()

        def taken(data: Any, attribute: ua.AttributeIds, value: ua.DataValue) -> None:
            data.attributes[attribute].value = value
            if value.Value is not None:
                self._set(property_.name, value.Value.Value)

        setter: Any = taken  # the library calls it with the value, which its annotation leaves out
        self._server.iserver.aspace.set_attribute_value_setter(node.nodeid, ua.AttributeIds.Value, setter)

    def _set(self, name: str, value: Any) -> None:
        try:
            self.simulated.set(name, value)
        except Refusal:  # a register takes what is written; that the drive does not follow shows in what it reports
            return

    async def _add_method(self, parent: Node, id: ua.NodeId, command: CommandType, space: int) -> None:
        async def called(_parent: ua.NodeId, *given: ua.Variant) -> Any:
            names = [one.name for one in command.input]
            try:
                output = self.simulated.call(command.name, dict(zip(names, (one.Value for one in given), strict=True)))
            except Refusal:
                return ua.StatusCode(_REFUSED)
            return [ua.Variant(output[one.name], _kind(one)) for one in command.output]

        await parent.add_method(
            id,
            f"{space}:{command.name}",
            called,
            [_argument(one) for one in command.input],
            [_argument(one) for one in command.output],
        )


def _id(identifier: Any, namespace: Any = 0) -> ua.NodeId:
    """Of plain values; the library's own types for them only annotate."""
    return ua.NodeId(identifier, namespace)


async def _variable(
    parent: Node,
    id: ua.NodeId,
    property_: PropertyType,
    space: int,
    *,
    suffix: str = "",
    type_id: ua.NodeId | None = None,
) -> tuple[Node, ua.VariantType]:
    kind = _kind(property_)
    zeros = {ua.VariantType.String: "", ua.VariantType.Boolean: False, ua.VariantType.Int64: 0}
    zero: Any = _condition({"level": "normal"}) if type_id is not None else zeros.get(kind, 0.0)
    node = await parent.add_variable(id, f"{space}:{property_.name}{suffix}", zero, kind, datatype=type_id)
    if property_.unit:
        unit = ua.LocalizedText(property_.unit)
        await node.add_property(
            0, "EngineeringUnits", ua.EUInformation(NamespaceUri=_UCUM, UnitId=-1, DisplayName=unit)
        )
    if property_.minimum is not None and property_.maximum is not None:
        await node.add_property(0, "EURange", ua.Range(Low=property_.minimum, High=property_.maximum))
    return node, kind


async def _add_condition_type(server: Server, space: int) -> ua.NodeId:
    """A structure of a level and a text: clients read its definition from the server."""
    fields = [new_struct_field(name, ua.VariantType.String) for name in ("level", "text")]
    node, _ = await new_struct(server, space, _CONDITION, fields)
    await server.load_data_type_definitions()
    return node.nodeid


def _condition(value: dict[str, str]) -> Any:
    made: Any = vars(ua)[_CONDITION]  # the library makes the class from the definition
    return made(level=value["level"], text=value.get("text", ""))


def _kind(property_: PropertyType) -> ua.VariantType:
    return _TYPES.get(property_.kind, ua.VariantType.String)


def _argument(property_: PropertyType) -> ua.Argument:
    return ua.Argument(Name=property_.name, DataType=_id(_kind(property_).value))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line. Prints the address when the server takes connections."""
    parser = argparse.ArgumentParser(prog="python -m gemel.demo.trial.opcua", description=__doc__)
    parser.add_argument("--port", type=int, default=4840)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    asyncio.run(until_stopped(_serve(options.port, options.speed)))


async def _serve(port: int, speed: float) -> None:
    async with SimulatedServer(Skid(), skid_plant(), port) as server:
        print(server.url, flush=True)  # noqa: T201  # whoever started us waits for this line
        async for dt_s in steps(STEP_S):
            await server.step(dt_s * speed)


if __name__ == "__main__":
    main()

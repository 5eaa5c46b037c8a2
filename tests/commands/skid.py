"""A pump skid behind a real OPC UA server, on a thread and a loop of its own: a drive that follows its set point."""

from __future__ import annotations

import asyncio
from typing import Any

from asyncua import Server, ua, uamethod

from tests.connectors.opcua_server import ThreadedServer

NAMESPACE = "http://maker.example/skid"

PLANT = """
gemel: 1
types:
  - id: pump
    properties:
      - {name: speed, unit: /min, minimum: 0, maximum: 3000, writable: true, tolerance: 5}
      - {name: valve, kind: enumeration, values: [open, closed], writable: true}
      - {name: batch, kind: integer, writable: true}
      - {name: mode, kind: enumeration, values: [local, remote]}
      - {name: door, kind: enumeration, values: [open, closed]}
      - {name: pressure, unit: bar}
    commands:
      - name: start
        input: [{name: ramp, unit: s, minimum: 0, maximum: 60}, {name: program, kind: text}]
        optional: [program]
        output: [{name: cycle, kind: integer}]
      - {name: stop}
    %(control)s
twins:
  - {id: pump-1, types: [pump], aliases: [skid-pump]}
connectors:
  - id: skid
    kind: opcua
    settings: {url: "%(url)s", publishing_ms: 20, sampling_ms: 10, backoff: {initial_s: 0.05, maximum_s: 0.2}}
    bindings:
      - {address: "nsu=http://maker.example/skid;s=Speed", twin: pump-1, property: speed}
      - {address: "nsu=http://maker.example/skid;s=SpeedSet", twin: pump-1, property: speed, direction: out}
      - {address: "nsu=http://maker.example/skid;s=Batch", twin: pump-1, property: batch, direction: both}
      - {address: "nsu=http://maker.example/skid;s=Mode", twin: pump-1, property: mode}
      - {address: "nsu=http://maker.example/skid;s=Door", twin: pump-1, property: door}
      - {address: "nsu=http://maker.example/skid;s=Pressure", twin: pump-1, property: pressure}
      - {address: "nsu=http://maker.example/skid;s=Start", twin: pump-1, property: start, direction: out}
      - {address: "nsu=http://maker.example/skid;s=Stop", twin: pump-1, property: stop, direction: out}
"""


_FIRST: dict[str, Any] = {
    "Speed": 0.0,
    "SpeedSet": 0.0,
    "Batch": 0,
    "Mode": "remote",
    "Door": "closed",
    "Pressure": 3.5,
}


def plant(url: str, control: str = "") -> str:
    """The plant document of a skid at `url`; `control`: YAML of the type's control, in one line."""
    return PLANT % {"url": url, "control": f"control: {control}" if control else ""}


class Skid(ThreadedServer):
    """with Skid() as skid: skid.url; skid.writes is what arrived at the drive, in order.

    `stuck`: it takes set points and does not follow them.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.writes: list[tuple[str, Any]] = []
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.stuck = False
        super().__init__("skid", port=port)

    def set(self, name: str, value: Any) -> None:
        node, kind = self._nodes[name]
        self._do(node.write_value(ua.DataValue(ua.Variant(value, kind))))

    def reset(self) -> None:
        """As it was at the start."""
        self.stuck = False
        self.writes.clear()
        self.calls.clear()
        for name, value in _FIRST.items():
            self.set(name, value)

    def value(self, name: str) -> Any:
        return self._do(self._nodes[name][0].read_value())

    async def _start(self) -> None:
        self._server = server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace(NAMESPACE)
        skid = await server.nodes.objects.add_object(ua.NodeId("Skid", space), f"{space}:Skid")
        kinds = ua.VariantType
        for name, value in _FIRST.items():
            kind = {float: kinds.Float, int: kinds.Int32}.get(type(value), kinds.String)
            node = await skid.add_variable(ua.NodeId(name, space), f"{space}:{name}", value, kind)
            self._nodes[name] = (node, kind)
            if name in ("SpeedSet", "Batch"):
                await node.set_writable()
                server.iserver.aspace.set_attribute_value_setter(node.nodeid, ua.AttributeIds.Value, self._written)
        ramp = ua.Argument(Name="Ramp", DataType=ua.NodeId(ua.ObjectIds.Double))
        cycle = ua.Argument(Name="Cycle", DataType=ua.NodeId(ua.ObjectIds.Int64))
        await skid.add_method(ua.NodeId("Start", space), f"{space}:Start", self._started, [ramp], [cycle])
        await skid.add_method(ua.NodeId("Stop", space), f"{space}:Stop", self._stopped, [], [])
        await server.start()

    def _written(self, node: Any, attribute: Any, value: ua.DataValue) -> None:
        name = node.nodeid.Identifier
        self.writes.append((name, value.Value.Value))
        node.attributes[attribute].value = value
        if name == "SpeedSet" and not self.stuck:
            followed = ua.DataValue(ua.Variant(value.Value.Value, ua.VariantType.Float))
            self._following = asyncio.get_running_loop().create_task(self._nodes["Speed"][0].write_value(followed))

    @uamethod
    def _started(self, _parent: Any, ramp: float) -> Any:
        self.calls.append(("Start", (ramp,)))
        if ramp > 55:
            raise RuntimeError("half way through")
        if ramp > 50:
            return ua.StatusCode(ua.StatusCodes.BadOutOfRange)
        return 41 + len(self.calls)

    @uamethod
    def _stopped(self, _parent: Any) -> None:
        self.calls.append(("Stop", ()))

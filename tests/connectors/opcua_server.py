"""Real OPC UA servers on threads and loops of their own: what all have in common, and that of a press."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.x509.oid import ExtendedKeyUsageOID

from gemel.connectors.ports import free_port
from tests.connectors.wires import Loop

NAMESPACE = "http://maker.example/press"


class _Users:
    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        return User(role=UserRole.User) if (username, password) == ("gemel", "right") else None


class ThreadedServer:
    """with SomeServer() as server: server.url. A subclass makes `_server` in `_start`, and starts it."""

    def __init__(self, name: str, *, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/{name}"
        self._server: Any = None
        self._nodes: dict[str, Any] = {}
        self._loop = Loop()
        self._do(self._start())

    async def _start(self) -> None:
        raise RuntimeError("a subclass says what is served")

    def close(self) -> None:
        self._do(self._server.stop())
        self._loop.close()  # with what the server's stop leaves: loops of subscriptions whose clients are just gone

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, work: Any) -> Any:
        return self._loop.run(work)


class PressServer(ThreadedServer):
    """with PressServer() as server: server.write("OilTemperature", 41.5)

    `pki`: a folder; the server then offers only Basic256Sha256, with its certificate in pki/server.der.
    `more_namespaces`: registered before the press's own, whose index then is another.
    """

    def __init__(
        self, *, port: int = 0, pki: Path | None = None, users: bool = False, more_namespaces: int = 0
    ) -> None:
        self._pki, self._users, self._more = pki, users, more_namespaces
        self._values: dict[str, Any] = {}
        super().__init__("press", port=port)

    def write(self, name: str, value: Any, *, status: int = ua.StatusCodes.Good, time: datetime | None = None) -> None:
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value, self._nodes[name][1])
        self._do(self._nodes[name][0].write_value(ua.DataValue(variant, ua.StatusCode(status), time, time)))

    def reset(self) -> None:
        """All values as they were at the start."""
        for name, value in self._values.items():
            self.write(name, value)

    async def _start(self) -> None:
        self._server = server = Server(user_manager=_Users() if self._users else None)  # type: ignore[arg-type]
        await server.init()
        server.set_endpoint(self.url)
        if self._pki is not None:
            await self._secure(self._pki)
        else:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for number in range(self._more):
            await server.register_namespace(f"http://other.example/{number}")
        await self._fill(await server.register_namespace(NAMESPACE))
        await server.start()

    async def _secure(self, pki: Path) -> None:
        from asyncua.crypto.cert_gen import setup_self_signed_certificate

        server = self._server
        await server.set_application_uri("urn:maker.example:press")
        key, certificate = pki / "server.pem", pki / "server.der"
        pki.mkdir(exist_ok=True)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        await setup_self_signed_certificate(key, certificate, "urn:maker.example:press", "localhost", usage, {})
        await server.load_certificate(str(certificate))
        await server.load_private_key(str(key))
        kinds = ua.SecurityPolicyType
        server.set_security_policy([kinds.Basic256Sha256_Sign, kinds.Basic256Sha256_SignAndEncrypt])

    async def _fill(self, namespace: int) -> None:
        server = self._server
        press = await server.nodes.objects.add_object(ua.NodeId("Press", namespace), f"{namespace}:Press")
        pump = await press.add_object(ua.NodeId("Press.Pump", namespace), f"{namespace}:Pump")
        colors = await server.create_custom_data_type(namespace, "Color", ua.ObjectIds.Enumeration)
        texts = [ua.LocalizedText(text) for text in ("RED", "GREEN", "BLUE")]
        await colors.add_property(0, "EnumStrings", ua.Variant(texts, ua.VariantType.LocalizedText))
        kinds = ua.VariantType
        oil = await self._add(press, "OilTemperature", 20.0, kinds.Double, namespace)
        celsius = ua.EUInformation(UnitId=0x43454C, DisplayName=ua.LocalizedText("°C"))
        await oil.add_property(0, "EngineeringUnits", celsius)
        await oil.add_property(0, "EURange", ua.Range(Low=10.0, High=80.0))
        await self._add(press, "Parts", 7, kinds.Int32, namespace)
        await self._add(press, "Running", True, kinds.Boolean, namespace)
        await self._add(press, "Program", "P1", kinds.String, namespace)
        await self._add(press, "Lamp", 1, kinds.Int32, namespace, datatype=colors.nodeid)
        await self._add(press, "Curve", [1.0, 2.0], kinds.Double, namespace)
        limits = ua.Range(Low=1.0, High=2.0)
        await self._add(
            press, "Limits", limits, kinds.ExtensionObject, namespace, datatype=ua.NodeId(ua.ObjectIds.Range)
        )
        await self._add(pump, "Pressure", 3.5, kinds.Double, namespace)

    async def _add(self, parent: Any, name: str, value: Any, kind: Any, namespace: int, datatype: Any = None) -> Any:
        id = ua.NodeId(f"{parent.nodeid.Identifier}.{name}", namespace)
        node = await parent.add_variable(id, f"{namespace}:{name}", value, kind, datatype)
        self._nodes[name] = (node, kind)
        self._values[name] = value
        return node

"""The OPC UA connector: watch nodes, deliver what changed, and acknowledge it when it is durable."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

from asyncua import Client, ua

from gemel.commands import Errand, Outcome, Tell
from gemel.connectors.base import Port, Unsent
from gemel.connectors.opcua.actions import Actions, check_outward
from gemel.connectors.opcua.addresses import check_address, resolve_address
from gemel.connectors.opcua.bulk import portions
from gemel.connectors.opcua.connection import Connection, connect
from gemel.connectors.opcua.discovery import discover
from gemel.connectors.opcua.enumerations import Names, enumerations_of
from gemel.connectors.opcua.settings import Item, OpcuaSettings
from gemel.connectors.opcua.values import overflowed, plain, quality_of, time_of
from gemel.errors import InvalidInput
from gemel.intake import Message, Reported
from gemel.twin import Direction, FreshnessMode, Quality
from gemel.twin.binding import Binding

__all__ = ["OpcuaSource"]

_MOST_NOTIFICATIONS = 10_000
_LIFETIME_S = 60.0
"""How long the server keeps a subscription that nobody asks for."""
_RETRY_S = 30.0
"""How often nodes that the server refused are asked for again."""


class OpcuaSource:
    """Reads from an OPC UA server by subscription. Notifications are acknowledged after they are durable."""

    Settings: ClassVar[type[Any]] = OpcuaSettings
    discover = staticmethod(discover)

    def __init__(self, settings: OpcuaSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._bindings = tuple(one for one in bindings if one.direction is not Direction.OUT)
        self._actions: Actions | None = None
        """While there is a session."""
        for binding in bindings:
            check_address(binding.address)
            check_outward(binding)
        if unknown := set(settings.items) - {binding.address for binding in bindings}:
            raise InvalidInput(f"settings.items names {min(unknown)!r:.200}, which no binding has as its address")

    async def run(self, port: Port) -> None:
        try:
            async with connect(self._settings, port) as connection:
                self._actions = Actions(connection.client)
                watch = _Watch(self._settings, connection, port)
                await watch.subscribe()
                refused = await watch.add(self._bindings)
                watched = len(self._bindings) - len(refused)
                port.connected(f"{self._settings.url}, {watched} of {len(self._bindings)} nodes")
                for binding, reason in refused:
                    port.reject(f"the server refuses to watch this node: {reason}", b"", address=binding.address)
                await watch.follow([binding for binding, _ in refused])
        finally:
            self._actions = None

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Write a variable or call a method; see `Actuator`."""
        if self._actions is None:
            raise Unsent(f"there is no session with {self._settings.url}")
        return await self._actions.act(errand, tell)


class _Node:
    """A bound node that the server watches for us."""

    __slots__ = ("binding", "names", "told")

    def __init__(self, binding: Binding, names: Names | None) -> None:
        self.binding = binding
        self.names = names
        self.told = False
        """Its first value has come; that one may be the same as before the connection."""


class _Watch:
    """One subscription of one session."""

    def __init__(self, settings: OpcuaSettings, connection: Connection, port: Port) -> None:
        self._settings, self._connection, self._port = settings, connection, port
        self._client: Client = connection.client
        self._nodes: dict[int, _Node] = {}
        self._subscription = 0
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard_s = port.clock.monotonic()
        self._delivering = False

    async def subscribe(self) -> None:
        """Ask the server to publish. Raises ConnectionError."""
        settings = self._settings
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = settings.publishing_ms
        parameters.RequestedMaxKeepAliveCount = max(1, round(settings.keep_alive_s * 1000 / settings.publishing_ms))
        parameters.RequestedLifetimeCount = max(
            3 * parameters.RequestedMaxKeepAliveCount, round(_LIFETIME_S * 1000 / settings.publishing_ms)
        )
        parameters.MaxNotificationsPerPublish = _MOST_NOTIFICATIONS
        parameters.PublishingEnabled = True
        result = await self._client.uaclient.create_subscription(parameters, self._published)
        self._subscription = result.SubscriptionId

    async def add(self, bindings: Sequence[Binding]) -> list[tuple[Binding, str]]:
        """Watch the nodes of `bindings`; returns those that the server refuses, with its reason."""
        namespaces = await self._client.get_namespace_array()
        refused: list[tuple[Binding, str]] = []
        known: list[tuple[Binding, ua.NodeId]] = []
        for binding in bindings:
            try:
                known.append((binding, resolve_address(binding.address, namespaces)))
            except InvalidInput as error:
                refused.append((binding, error.detail))
        names = await self._names([node for _, node in known])
        for portion in portions(list(zip(known, names, strict=True))):
            requests = [self._request(binding, node, found) for (binding, node), found in portion]
            results = await self._client.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._subscription,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=requests,
                )
            )
            for ((binding, _), _), request, result in zip(portion, requests, results, strict=True):
                if not result.StatusCode.is_good():
                    del self._nodes[request.RequestedParameters.ClientHandle]
                    refused.append((binding, result.StatusCode.name))
        return refused

    async def follow(self, refused: Sequence[Binding]) -> None:
        """Return never; raise when the connection is lost, the server is silent, or a delivery fails."""
        silence_s = 3 * self._settings.keep_alive_s + self._settings.timeout_s
        clock, asked_s = self._port.clock, self._port.clock.monotonic()
        lost: asyncio.Future[Any] = self._connection.lost
        failure: asyncio.Future[Any] = self._failure
        while True:
            await asyncio.wait(
                {lost, self._failure}, timeout=self._settings.keep_alive_s, return_when="FIRST_COMPLETED"
            )
            if failure.done():
                failure.result()
            if lost.done():
                raise self._lost(lost.result())
            now = clock.monotonic()
            if not self._delivering and now - self._heard_s > silence_s:
                raise ConnectionResetError(f"{self._settings.url} has said nothing for {now - self._heard_s:.0f} s")
            if refused and now - asked_s >= _RETRY_S:
                asked_s = now
                refused = [binding for binding, _ in await self.add(refused)]

    def _lost(self, why: str) -> ConnectionResetError:
        return ConnectionResetError(f"the connection to {self._settings.url} was lost: {why}")

    def _ended(self, status: ua.StatusCode) -> ConnectionResetError:
        if self._connection.lost.done():  # the library says so, not the server
            return self._lost(self._connection.lost.result())
        return ConnectionResetError(f"the server ended the subscription: {status.name}")

    async def _names(self, nodes: Sequence[ua.NodeId]) -> list[Names | None]:
        if self._settings.enumerations == "numbers":
            return [None] * len(nodes)
        with contextlib.suppress(Exception):  # structures of types that cannot be read stay bytes
            await self._client.load_data_type_definitions()
        try:
            return await enumerations_of(self._client, nodes)
        except ua.UaError as error:
            self._port.reject(f"names of enumerations cannot be read: {type(error).__name__}", b"")
            return [None] * len(nodes)

    def _request(self, binding: Binding, node: ua.NodeId, names: Names | None) -> ua.MonitoredItemCreateRequest:
        item = self._settings.items.get(binding.address, Item())
        handle = len(self._nodes) + 1
        while handle in self._nodes:
            handle += 1
        self._nodes[handle] = _Node(binding, names)
        sampling_ms = self._settings.sampling_ms if item.sampling_ms is None else item.sampling_ms
        if binding.rate_hz and item.sampling_ms is None:
            sampling_ms = 1000 / binding.rate_hz
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=sampling_ms,
                Filter=_filter(binding, item),
                QueueSize=item.queue_size or self._settings.queue_size,
                DiscardOldest=True,
            ),
        )

    async def _published(self, result: ua.PublishResult) -> None:
        """What the server sent. The library acknowledges it when this returns, so after a failure it does not."""
        self._heard_s = self._port.clock.monotonic()
        try:
            data = result.NotificationMessage.NotificationData
            if not data:
                self._port.heartbeat()
            self._delivering = True
            for notification in data or ():
                if isinstance(notification, ua.DataChangeNotification):
                    await self._changed(notification.MonitoredItems)
                elif isinstance(notification, ua.StatusChangeNotification):
                    raise self._ended(notification.Status)
        except Exception as error:
            if not self._failure.done():
                self._failure.set_exception(error)
            await asyncio.get_running_loop().create_future()  # until the connection is closed
        finally:
            self._delivering = False
            self._heard_s = self._port.clock.monotonic()

    async def _changed(self, items: Sequence[ua.MonitoredItemNotification]) -> None:
        read = [(node, item.Value) for item in items if (node := self._nodes.get(item.ClientHandle)) is not None]
        for first, run in groupby(read, key=lambda one: self._is_first(one[0])):
            readings = [self._reported(node, value) for node, value in run]
            await self._port.deliver([Message(readings=readings)], resumed=first)

    @staticmethod
    def _is_first(node: _Node) -> bool:
        told, node.told = node.told, True
        return not told

    def _reported(self, node: _Node, value: ua.DataValue) -> Reported:
        binding, status = node.binding, value.StatusCode
        raw: Any = plain(value.Value.Value, node.names) if value.Value is not None else None
        if binding.scale is not None and type(raw) in (int, float):
            raw = raw * binding.scale.factor + binding.scale.offset
        quality = quality_of(status, empty=raw is None)
        if overflowed(status):
            self._port.reject(
                "the server dropped values of this node: raise its queue_size", b"", address=binding.address
            )
        return Reported(
            twin=binding.twin,
            property=binding.property,
            value=None if quality is Quality.UNAVAILABLE else raw,
            time=time_of(value),
            quality=quality,
            unit=binding.unit,
        )


def _filter(binding: Binding, item: Item) -> ua.DataChangeFilter | None:
    samples = binding.mode is FreshnessMode.SAMPLES
    if not samples and item.deadband is None and item.deadband_percent is None:
        return None
    trigger = ua.DataChangeTrigger.StatusValueTimestamp if samples else ua.DataChangeTrigger.StatusValue
    kind = ua.DeadbandType.Absolute if item.deadband is not None else ua.DeadbandType.Percent
    width = item.deadband if item.deadband is not None else item.deadband_percent
    return ua.DataChangeFilter(
        Trigger=trigger,
        DeadbandType=ua.DeadbandType.None_ if width is None else kind,
        DeadbandValue=width or 0.0,
    )

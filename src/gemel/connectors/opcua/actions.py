"""Orders over OPC UA: write a variable, call a method."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from asyncua import Client, ua

from gemel.commands import Errand, Outcome, Result, Tell
from gemel.connectors.base import Unsent
from gemel.connectors.opcua.addresses import check_address, resolve_address
from gemel.connectors.opcua.enumerations import Names, enumerations_of
from gemel.connectors.opcua.values import plain
from gemel.errors import InvalidInput
from gemel.twin import Binding, Direction

__all__ = ["Actions", "check_outward"]

OUT = ("object", "arguments")
"""What `out` of a binding may say: the object whose method it is; its arguments' inputs in order."""
_NOT_KNOWN = frozenset(
    {
        ua.StatusCodes.BadTimeout,
        ua.StatusCodes.BadRequestTimeout,
        ua.StatusCodes.BadCommunicationError,
        ua.StatusCodes.BadNoCommunication,
        ua.StatusCodes.BadConnectionClosed,
        ua.StatusCodes.BadSecureChannelClosed,
        ua.StatusCodes.BadShutdown,
        ua.StatusCodes.BadUnexpectedError,
        ua.StatusCodes.BadInternalError,
        ua.StatusCodes.BadDeviceFailure,
    }
)
"""The server says bad, and does not say that it did nothing. OPC 10000-4, 7.39.2."""
_WHOLE = frozenset(
    {
        ua.VariantType.SByte,
        ua.VariantType.Byte,
        ua.VariantType.Int16,
        ua.VariantType.UInt16,
        ua.VariantType.Int32,
        ua.VariantType.UInt32,
        ua.VariantType.Int64,
        ua.VariantType.UInt64,
    }
)
_FLOATS = frozenset({ua.VariantType.Float, ua.VariantType.Double})


def check_outward(binding: Binding) -> None:
    """Raises InvalidInput when `out` of a binding does not fit."""
    if binding.direction is Direction.IN:
        return
    if unknown := sorted(set(binding.out) - set(OUT)):
        raise InvalidInput(
            f"binding {binding.address!r:.200}: out says {', '.join(unknown)}; OPC UA takes object (node id of the "
            "method's object) and arguments (names of inputs, in the order of the method)"
        )
    if "object" in binding.out:
        check_address(str(binding.out["object"]))


class Actions:
    """On one session. What it learns of nodes it keeps as long as the session lasts."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._namespaces: list[str] | None = None
        self._types: dict[str, tuple[ua.NodeId, ua.VariantType, Names | None]] = {}
        self._methods: dict[str, tuple[ua.NodeId, ua.NodeId, list[ua.Argument]]] = {}

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Write or call. Raises Unsent, and whatever leaves the outcome open."""
        if errand.input is None:
            return await self._write(errand)
        return await self._call(errand, tell)

    # writing

    async def _write(self, errand: Errand) -> Outcome:
        node, kind, names = await self._learned(errand.binding.address)
        try:
            variant = variant_of(errand.value, kind, names)
        except InvalidInput as error:
            return Outcome(result=Result.REFUSED, detail=error.detail)
        wanted = ua.WriteParameters(
            NodesToWrite=[ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(variant))]
        )
        (status,) = await self._client.uaclient.write(wanted)
        return outcome_of(status, "write")

    async def _learned(self, address: str) -> tuple[ua.NodeId, ua.VariantType, Names | None]:
        """What a variable takes. Whatever goes wrong here, nothing has been written: raises Unsent."""
        known = self._types.get(address)
        if known is None:
            try:
                node = await self._node(address)
                kind = await self._client.get_node(node).read_data_type_as_variant_type()
                (names,) = await enumerations_of(self._client, [node])
            except Exception as error:
                raise Unsent(f"{address} cannot be looked at: {_why(error)}") from error
            known = self._types[address] = node, kind, names
        return known

    # calling

    async def _call(self, errand: Errand, tell: Tell) -> Outcome:
        try:
            owner, method, arguments = await self._method(errand.binding)
            inputs = self._inputs(errand, arguments)
        except InvalidInput as error:
            return Outcome(result=Result.REFUSED, detail=error.detail)
        except Exception as error:
            raise Unsent(f"{errand.binding.address} cannot be looked at: {_why(error)}") from error
        request = ua.CallMethodRequest(ObjectId=owner, MethodId=method, InputArguments=inputs)
        calling = asyncio.ensure_future(self._client.uaclient.call([request]))
        try:
            await asyncio.sleep(0)  # the request is written to the connection before the call first waits
            tell(errand.order, Outcome(result=Result.LEFT))
            (result,) = await calling
        finally:
            calling.cancel()
        outcome = outcome_of(result.StatusCode, "method")
        if outcome.result is not Result.DONE:
            return outcome
        values = [value_of(variant) for variant in result.OutputArguments or ()]
        names = errand.outputs or tuple(f"output_{at}" for at in range(1, len(values) + 1))
        return Outcome(result=Result.DONE, detail=outcome.detail, output=dict(zip(names, values, strict=False)))

    async def _method(self, binding: Binding) -> tuple[ua.NodeId, ua.NodeId, list[ua.Argument]]:
        """(its object, the method, its input arguments)."""
        known = self._methods.get(binding.address)
        if known is None:
            method = await self._node(binding.address)
            node = self._client.get_node(method)
            if "object" in binding.out:
                owner = await self._node(str(binding.out["object"]))
            else:
                above = await node.get_parent()
                if above is None:
                    raise InvalidInput(f"{binding.address} says no object; name it: out: {{object: ns=2;s=Press}}")
                owner = above.nodeid
            try:
                listed = await (await node.get_child("0:InputArguments")).read_value()
            except ua.UaStatusCodeError:  # a method without arguments has no such property
                listed = []
            known = self._methods[binding.address] = owner, method, list(listed or ())
        return known

    def _inputs(self, errand: Errand, arguments: Sequence[ua.Argument]) -> list[ua.Variant]:
        """The inputs in the order of the method: as the binding says, or by their names, or as the type lists them."""
        given = errand.input or {}
        said = errand.binding.out.get("arguments")
        folded = {name.lower(): name for name in given}
        if said is not None:
            order = [str(name) for name in said]
        elif arguments and all((one.Name or "").lower() in folded for one in arguments):
            order = [folded[(one.Name or "").lower()] for one in arguments]
        else:
            order = list(given)
        if len(order) != len(arguments):
            told = ", ".join(one.Name or "?" for one in arguments) or "nothing"
            raise InvalidInput(
                f"the method takes {told}, and the command gives {', '.join(order) or 'nothing'}; say which is which: "
                "out: {arguments: [names of inputs, in the order of the method]}"
            )
        if missing := [name for name in order if name not in given]:
            raise InvalidInput(f"the method needs {', '.join(missing)}, which was left out")
        return [
            variant_of(given[name], _variant_type(one.DataType), None)
            for name, one in zip(order, arguments, strict=True)
        ]

    async def _node(self, address: str) -> ua.NodeId:
        if self._namespaces is None:
            self._namespaces = await self._client.get_namespace_array()
        return resolve_address(address, self._namespaces)


def outcome_of(status: ua.StatusCode | None, what: str) -> Outcome:
    """What a status code says of a write or a call."""
    if status is None or status.is_good():
        if status is not None and status.value == ua.StatusCodes.GoodCompletesAsynchronously:
            return Outcome(result=Result.ACKNOWLEDGED, detail="the server completes it later")
        return Outcome(result=Result.DONE)
    result = Result.UNKNOWN if status.value in _NOT_KNOWN or not status.is_bad() else Result.REFUSED
    return Outcome(result=result, detail=f"the server answers {status.name} to the {what}")


def variant_of(value: Any, kind: ua.VariantType, names: Mapping[int, str] | None) -> ua.Variant:
    """A value as the type that a node takes. Raises InvalidInput when it has none such."""
    if isinstance(value, list):
        return ua.Variant([variant_of(item, kind, names).Value for item in value], kind)
    if isinstance(value, str) and names is not None and kind in _WHOLE:
        numbers = {name: number for number, name in names.items()}
        if value not in numbers:
            raise InvalidInput(f"{value!r:.80} is none of the node's values: {', '.join(numbers)}")
        return ua.Variant(numbers[value], kind)
    try:
        if kind is ua.VariantType.Boolean and isinstance(value, bool | int):
            return ua.Variant(bool(value), kind)
        if kind in _WHOLE and not isinstance(value, str | bool) and float(value).is_integer():
            return ua.Variant(int(value), kind)
        if kind in _FLOATS and not isinstance(value, str | bool):
            return ua.Variant(float(value), kind)
        if kind is ua.VariantType.LocalizedText and isinstance(value, str):
            return ua.Variant(ua.LocalizedText(value), kind)
        if kind is ua.VariantType.String and isinstance(value, str):
            return ua.Variant(value, kind)
        if kind is ua.VariantType.DateTime and isinstance(value, str):
            return ua.Variant(datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None), kind)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{value!r:.80} cannot be told as {kind.name}: {error}") from error
    raise InvalidInput(f"{value!r:.80} is no {kind.name}, which the node takes")


def value_of(variant: ua.Variant) -> Any:
    """An output as JSON would hold it."""
    return plain(variant.Value)


def _variant_type(data_type: ua.NodeId) -> ua.VariantType:
    """Of a built-in data type; an enumeration is an Int32. OPC 10000-6, 5.1.2."""
    number = data_type.Identifier if data_type.NamespaceIndex == 0 else None
    if isinstance(number, int) and number <= 25:
        return ua.VariantType(number)
    abstract = {26: ua.VariantType.Double, 27: ua.VariantType.Int64, 28: ua.VariantType.UInt64}
    return abstract.get(number, ua.VariantType.Int32) if isinstance(number, int) else ua.VariantType.Int32


def _why(error: Exception) -> str:
    return error.detail if isinstance(error, InvalidInput) else f"{type(error).__name__}: {error}".rstrip(": ")

"""What twins are now: one twin, with its parts, one property; and writing one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, QueryParameter

from gemel.clock import moment
from gemel.errors import UnknownProperty
from gemel.intake import Message, Reported
from gemel.registry import Entry
from gemel.server.call import Call, call_of
from gemel.server.encode import Value, quality_of, value_of
from gemel.server.guard import needs, speaks
from gemel.server.http import Req, decoded, source_of
from gemel.server.options import API
from gemel.twin import Quality

__all__ = ["ROUTES", "Write", "now_of", "now_view", "write", "write_value"]


class NowView(msgspec.Struct):
    """All values of a twin, read at one position."""

    position: int
    values: dict[str, Value]
    parts: dict[str, dict[str, Value]] | None = None
    """With `depth`: the values of its parts, by twin id."""


class Write(msgspec.Struct, forbid_unknown_fields=True):
    """A value to report."""

    value: Any
    time: str | int | None = None
    """When it was so: RFC 3339, or microseconds since the epoch; null: now."""
    unit: str = ""
    """UCUM code it is told in; empty: the property's."""
    quality: str | int = "good"


class Written(msgspec.Struct):
    """It is on stable storage."""

    position: int
    accepted: int
    repeated: int


def entry_for(call: Call, twin: str) -> Entry:
    """The directory's entry of a twin. Raises UnknownTwin, also where it may not be seen."""
    return call.view.entry(twin)


@get(f"{API}/twins/{{twin:str}}/now", opt=needs("read", "Twin", id_in="twin"), tags=["now"], summary="All live values")
async def now_of(
    request: Req,
    twin: FromPath[str],
    depth: Annotated[int, QueryParameter(ge=0, le=32, description="Levels of parts.")] = 0,
) -> NowView:
    call = call_of(request)
    view = now_view(call, twin)
    view.parts = await call.services.reads.run(_parts_now, call, twin, depth) if depth else None
    return view


def now_view(call: Call, twin: str) -> NowView:
    """All values of a twin, read at the call's position or later."""
    values = call.view.now(entry_for(call, twin))
    return NowView(call.position, {name: value_of(one) for name, one in values.items()})


def _parts_now(call: Call, twin: str, depth: int) -> dict[str, dict[str, Value]]:
    view = call.view
    found: dict[str, dict[str, Value]] = {}
    for _, part in view.parts(twin, depth=depth):
        found[part.id] = {name: value_of(one) for name, one in view.now(view.entry(part.id)).items()}
    return found


@get(
    f"{API}/twins/{{twin:str}}/now/{{name:str}}",
    opt=needs("read", "Twin", id_in="twin"),
    tags=["now"],
    summary="One live value",
)
async def property_now(request: Req, twin: FromPath[str], name: FromPath[str]) -> Value:
    call = call_of(request)
    entry = entry_for(call, twin)
    found = call.view.value(entry, call.view.property(entry, name))
    if found is None:
        raise UnknownProperty(f"{entry.id}.{name:.80} has not been reported yet", twin=entry.id, property=name[:80])
    return value_of(found)


@put(
    f"{API}/twins/{{twin:str}}/now/{{name:str}}",
    opt=needs("write", "Twin", id_in="twin") | speaks(Write),
    tags=["now"],
    summary="Report one value; answers when it is on stable storage",
)
async def write(request: Req, twin: FromPath[str], name: FromPath[str]) -> Written:
    return await write_value(call_of(request), twin, name, await decoded(request, Write))


async def write_value(call: Call, twin: str, name: str, given: Write) -> Written:
    """Report one value and wait until it is on stable storage. Raises what the intake says of it."""
    reported = Reported(
        twin=twin,
        property=name,
        value=given.value,
        time=None if given.time is None else moment(given.time),
        unit=given.unit,
        quality=Quality.GOOD if given.quality == "good" else quality_of(given.quality),
    )
    who, intake = call.who, call.services.platform.intake
    key = "" if call.once is None else f"key:{call.once.who}:{call.once.key}"
    receipt = await intake.deliver(source_of(who), [Message(readings=[reported], id=key)], strict=True, actor=who.id)
    call.position = receipt.last
    return Written(receipt.last, receipt.accepted, receipt.repeated)


ROUTES = [now_of, property_now, write]

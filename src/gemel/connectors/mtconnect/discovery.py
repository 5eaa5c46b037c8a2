"""What an MTConnect agent has of one device, as points with their present values."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from gemel.connectors.discovery import Found, Search, points_of
from gemel.connectors.drafts import name_of
from gemel.connectors.mtconnect.address import parse_address
from gemel.connectors.mtconnect.devices import read_devices
from gemel.connectors.mtconnect.importing import plant_of
from gemel.connectors.mtconnect.settings import MtconnectSettings
from gemel.connectors.mtconnect.streams import AgentError, read_streams
from gemel.connectors.reach import Reach
from gemel.errors import InvalidInput

__all__ = ["discover"]


async def discover(settings: MtconnectSettings, search: Search, _reach: Reach) -> Found:
    """Probe an agent; `search.where`: the device, where it serves several. Raises InvalidInput, InvalidDocument."""
    if urlsplit(settings.url).scheme == "shdr":
        raise InvalidInput(
            "an adapter (shdr://) does not say what it has; give the address of the agent (http://host:5000), or "
            "`gemel import mtconnect Devices.xml`"
        )
    limit = 32 * settings.line_limit
    try:
        async with httpx.AsyncClient(base_url=settings.url.rstrip("/") + "/", timeout=settings.timeout_s) as client:
            devices = read_devices(await _get(client, "probe", limit), f"{settings.url}/probe")
            current = await _get(client, "current", limit)
    except httpx.HTTPError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    names = [device.name or device.id for device in devices]
    wanted = search.where or settings.device or (names[0] if len(names) == 1 else "")
    chosen = [device for device in devices if wanted in (device.name, device.id, device.uuid)]
    if not chosen:
        raise InvalidInput(f"the agent serves {', '.join(names)[:500] or 'no device'}; name one of them")
    name = chosen[0].name or chosen[0].id
    plant = plant_of(chosen[:1], wire="agent", urls={name: settings.url})
    try:
        streams = read_streams(current, device=name, limit=limit)
    except AgentError as error:
        raise InvalidInput(f"the agent answers {error}") from error
    told = {key: one.fields for one in streams.observations for key in (one.id, one.name) if key}
    values = {}
    for binding in plant.connectors[0].bindings:
        address = parse_address(binding.address)
        fields = told.get(address.id) or told.get(address.name)
        if fields is not None:
            values[binding.address] = _value(fields)
    return Found(kind="mtconnect", settings={"device": name}, points=points_of(plant, name_of, values), name=name)


async def _get(client: httpx.AsyncClient, path: str, limit: int) -> bytes:
    data = bytearray()
    async with client.stream("GET", path) as answer:
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            data += chunk
            if len(data) > limit:
                raise InvalidInput(f"the agent's answer is longer than {limit} bytes")
    return bytes(data)


def _value(fields: list[str]) -> tuple[Any, str]:
    """What stands for the value of an observation: a condition's level, a sample's number, else its text."""
    text = fields[0] if len(fields) > 2 else fields[-1]
    if text.strip().upper() == "UNAVAILABLE":
        return None, "unavailable"
    try:
        return float(text), "good"
    except ValueError:
        return text, "good"

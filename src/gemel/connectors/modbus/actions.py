"""Orders over Modbus: coils and registers are written, and read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gemel.commands import Errand, Outcome, Result, Tell, check_out
from gemel.connectors.modbus.addresses import Address, parse_address
from gemel.connectors.modbus.encoding import encode
from gemel.connectors.modbus.line import Line, Refused, Silent
from gemel.connectors.modbus.requests import Request
from gemel.connectors.modbus.settings import ModbusSettings
from gemel.errors import GemelError, InvalidInput
from gemel.twin import Binding, Direction

__all__ = ["Actions", "check_outward"]

OUT = ("address", "inputs", "value", "read_back")
"""Where it is written, when not where it is read; of a command where each input is written, and what is written last;
whether what was written is read again (default)."""


def check_outward(binding: Binding, settings: ModbusSettings) -> None:
    """Raises InvalidInput for a binding that cannot be written."""
    if binding.direction is Direction.IN:
        return
    check_out(binding, OUT)
    inputs = binding.out.get("inputs", {})
    if not isinstance(inputs, dict):
        raise InvalidInput(f"binding {binding.address!r:.120}: inputs is name → address")
    for text in (_address(binding), *(str(one) for one in inputs.values())):
        at = _at(text, settings)
        if at.table not in ("coil", "holding"):
            raise InvalidInput(f"{text!r:.120} cannot be written: only coils and holding registers can")
        if at.bit is not None:
            raise InvalidInput(f"{text!r:.120} is one bit of a register, which cannot be written alone; use a coil")


def _address(binding: Binding) -> str:
    return str(binding.out.get("address") or binding.address)


def _at(text: str, settings: ModbusSettings) -> Address:
    return parse_address(text, unit=settings.unit, numbering=settings.numbering, order=settings.order)


class Actions:
    """On one line."""

    def __init__(self, line: Line, settings: ModbusSettings) -> None:
        self._line, self._settings = line, settings

    async def act(self, errand: Errand, _tell: Tell) -> Outcome:
        """Write; a device that answers has it. Raises what leaves the outcome open."""
        try:
            writes = self._writes(errand)
        except (GemelError, ValueError) as error:
            return Outcome(result=Result.REFUSED, detail=error.detail if isinstance(error, GemelError) else str(error))
        for place, (at, words) in enumerate(writes):
            try:
                await self._line.write(at.unit, at.table, at.start, words)
            except Refused as error:
                if error.is_silence or place:  # a gateway does not know, or half of it is written
                    raise Silent(f"{error}, after {place} of {len(writes)} writes") from None
                return Outcome(result=Result.REFUSED, detail=f"the device answers {error}")
        if errand.binding.out.get("read_back", True) and errand.input is None:
            return await self._read_back(*writes[-1])
        return Outcome(result=Result.DONE)

    async def _read_back(self, at: Address, words: Sequence[int]) -> Outcome:
        try:
            found = await self._line.read(Request(at.unit, at.table, at.start, at.count, 0.0, []))
        except (Refused, Silent) as error:
            return Outcome(result=Result.ACKNOWLEDGED, detail=f"written; it cannot be read back: {error}")
        if [int(one) for one in found[: at.count]] == list(words):
            return Outcome(result=Result.ACKNOWLEDGED)
        return Outcome(result=Result.ACKNOWLEDGED, detail=f"written {list(words)}, read back {list(found[: at.count])}")

    def _writes(self, errand: Errand) -> list[tuple[Address, list[int]]]:
        binding, at = errand.binding, _at(_address(errand.binding), self._settings)
        if errand.input is None:
            return [(at, self._words(at, _address(binding), errand.value))]
        places = {name: str(where) for name, where in binding.out.get("inputs", {}).items()}
        if unplaced := [name for name in errand.input if name not in places]:
            raise InvalidInput(
                f"no register is named for {', '.join(unplaced)}; say it: out: {{inputs: {{name: holding/7}}}}"
            )
        found = [
            (_at(places[name], self._settings), self._words(_at(places[name], self._settings), places[name], value))
            for name, value in errand.input.items()
        ]
        return [*found, (at, self._words(at, _address(binding), binding.out.get("value", 1)))]

    def _words(self, at: Address, address: str, value: Any) -> list[int]:
        told = self._settings.registers.get(address)
        if isinstance(value, str) and told is not None and told.values:
            numbers = {name: int(number) for number, name in told.values.items()}
            if value not in numbers:
                raise ValueError(f"{value!r:.60} is none of {', '.join(numbers)}")
            value = numbers[value]
        if at.is_bits:
            return [int(bool(value))]
        return encode(value, at.type, at.order)

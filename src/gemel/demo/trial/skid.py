"""The physics of a pump skid: a tank, two pumps of which one is on duty, three valves, and the skid's own protection.

Water comes through the inlet valve and a float into the tank, is drawn through the suction valve by the pump on duty,
and leaves through the outlet valve. Simple on purpose: affinity laws (flow ~ n, head ~ n², power ~ n³) and first-order
lags, with noise from a seed.
"""

from __future__ import annotations

import random
from typing import Any

from gemel.demo.trial.base import FAULT, Refusal, Trouble, approach, drive

__all__ = ["Skid"]

TWIN = "skid"
PUMPS = {"A": "skid.pump-a", "B": "skid.pump-b"}
VALVES = ("inlet_valve", "suction_valve", "outlet_valve")

TANK_M3 = 2.0
FULL_SPEED = 2900.0
FULL_FLOW_M3_H = 18.0
HEAD_BAR = 4.2
INLET_M3_H = 26.0
DRAIN_M3_H = 120.0
FLOAT_CLOSES_AT, FLOAT_OPENS_AT = 88.0, 70.0
RAMP_PER_S = 500.0
VALVE_PER_S = 40.0
AMBIENT = 22.0
DRY_TRIP_S = 8.0
DRY_LEVEL = 4.0


class Skid:
    """One skid. Speeds in 1/min, flow in m³/h, pressure in bar, level and valves in %, temperatures in °C."""

    def __init__(self, *, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._trouble = Trouble()
        self.duty = "A"
        self.speed_set = 2200.0
        self.valves_set = {"inlet_valve": 100.0, "suction_valve": 0.0, "outlet_valve": 100.0}
        self.valves = dict(self.valves_set)
        self.level = 78.0
        self.water = 17.0
        self.flow = self.pressure = self.speed = self.vibration = 0.0
        self.motor = dict.fromkeys(PUMPS, AMBIENT)
        self.hours = {"A": 4118.0, "B": 3905.0}
        self.starts = 0
        self.pumping = False
        self.tripped = ""
        self._dry_s = 0.0
        self._drain_m3 = 0.0

    @property
    def linked(self) -> bool:
        return self._trouble.linked

    @property
    def state(self) -> str:
        if self.tripped:
            return "tripped"
        if self._drain_m3 > 0:
            return "draining"
        if self.pumping:
            return "running" if abs(self.speed - self.speed_set) < 40 else "starting"
        return "stopping" if self.speed > 20 else "stopped"

    # what it is told

    def set(self, name: str, value: Any) -> None:
        if name == FAULT:
            self._trouble.inject(value)
        elif self._trouble.name == "local_mode":
            raise Refusal("the switch at the skid stands at local")
        elif name == "speed":
            self.speed_set = float(value)
        elif name in VALVES:
            self.valves_set[name] = float(value)
        else:
            raise Refusal(f"{name} is no set point of the skid")

    def call(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        if self._trouble.name == "local_mode" and name != "stop":
            raise Refusal("the switch at the skid stands at local")
        if name == "start":
            return self._start()
        if name == "stop":
            self.pumping = False
        elif name == "reset":
            self.tripped, self._dry_s = "", 0.0
        elif name == "select_duty":
            if self.speed > 20:
                raise Refusal(f"pump {self.duty} still turns")
            self.duty = given["pump"]
        elif name == "drain":
            if self.pumping:
                raise Refusal("the pump runs")
            self._drain_m3 = min(float(given["volume"]), self.level / 100 * TANK_M3)
        else:
            raise Refusal(f"the skid has no {name}")
        return {}

    def _start(self) -> dict[str, Any]:
        if self.tripped:
            raise Refusal(f"it tripped ({self.tripped}); reset it first")
        if not self.pumping:
            self.pumping, self.starts = True, self.starts + 1
        return {"starts": self.starts}

    # what happens

    def step(self, dt_s: float) -> None:
        self._trouble.step(dt_s)
        if self._trouble.name != "stuck_valve":
            for name in VALVES:
                self.valves[name] = drive(self.valves[name], self.valves_set[name], VALVE_PER_S * dt_s)
        self._pump(dt_s)
        self._tank(dt_s)
        self._protect(dt_s)

    def _pump(self, dt_s: float) -> None:
        self.speed = drive(self.speed, self.speed_set if self.pumping else 0.0, RAMP_PER_S * dt_s)
        turn = self.speed / FULL_SPEED
        way = min(self.valves["suction_valve"], self.valves["outlet_valve"]) / 100
        wet = not self._dry
        self.flow = approach(self.flow, FULL_FLOW_M3_H * turn * way**0.5 if wet else 0.0, dt_s, 0.8)
        head = HEAD_BAR * turn**2 * (1 - 0.35 * (self.flow / FULL_FLOW_M3_H) ** 2)
        self.pressure = approach(self.pressure, head if wet else 0.05, dt_s, 0.6)
        self.vibration = approach(self.vibration, (1.4 if wet else 8.5) * turn, dt_s, 1.5)
        for name in PUMPS:
            load = self._power(name) / 3.2 + (0.0 if wet or name != self.duty else 0.9 * turn)
            self.motor[name] = approach(self.motor[name], AMBIENT + 48 * load, dt_s, 150.0)
        if self.speed > 20:
            self.hours[self.duty] += dt_s / 3600

    @property
    def _dry(self) -> bool:
        nothing = self.level < DRY_LEVEL or self.valves["suction_valve"] < 5
        return self.speed > 200 and (nothing or self._trouble.name == "dry_running")

    def _power(self, pump: str) -> float:
        """kW: losses, and with the cube of the speed what the water takes."""
        if pump != self.duty or self.speed < 1:
            return 0.0
        turn = self.speed / FULL_SPEED
        return 0.25 * turn + turn**3 * (1.1 + 1.9 * self.flow / FULL_FLOW_M3_H)

    def _tank(self, dt_s: float) -> None:
        lifted = (FLOAT_CLOSES_AT - self.level) / (FLOAT_CLOSES_AT - FLOAT_OPENS_AT)
        inflow = INLET_M3_H * self.valves["inlet_valve"] / 100 * min(1.0, max(0.0, lifted))
        drained = min(self._drain_m3, DRAIN_M3_H * dt_s / 3600)
        self._drain_m3 -= drained
        volume = self.level / 100 * TANK_M3 + (inflow - self.flow) * dt_s / 3600 - drained
        self.level = min(100.0, max(0.0, volume / TANK_M3 * 100))
        self.water = approach(self.water, 15.0 if inflow > 1 else AMBIENT - 3, dt_s, 900.0)

    def _protect(self, dt_s: float) -> None:
        self._dry_s = self._dry_s + dt_s if self._dry and self.pumping else 0.0
        if self._dry_s >= DRY_TRIP_S:
            self.pumping, self.tripped = False, "dry running"

    # what it tells

    def _alarm(self) -> dict[str, str]:
        if self.tripped:
            return {"level": "fault", "text": f"tripped: {self.tripped}"}
        if self._dry_s > 2:
            return {"level": "warning", "text": f"the pump runs dry, trips after {DRY_TRIP_S:g} s"}
        return {"level": "normal"}

    def values(self) -> dict[tuple[str, str], Any]:
        noise = self._random.gauss
        runs = self.speed > 20
        told: dict[tuple[str, str], Any] = {
            (TWIN, "state"): self.state,
            (TWIN, "mode"): "local" if self._trouble.name == "local_mode" else "remote",
            (TWIN, "duty"): self.duty,
            (TWIN, "speed"): round(self.speed + (noise(0, 2) if runs else 0)),
            (TWIN, "flow"): round(max(0.0, self.flow + (noise(0, 0.05) if runs else 0)), 2),
            (TWIN, "pressure"): round(max(0.0, self.pressure + (noise(0, 0.008) if runs else 0)), 2),
            (TWIN, "alarm"): self._alarm(),
            (TWIN, "last_trip"): self.tripped or "none",
            (TWIN, FAULT): self._trouble.name,
            ("skid.tank", "level"): round(self.level, 1),
            ("skid.tank", "temperature"): round(self.water, 1),
        }
        told |= {(TWIN, name): round(position, 1) for name, position in self.valves.items()}
        for name, twin in PUMPS.items():
            mine = runs and name == self.duty
            told[twin, "running"] = mine
            told[twin, "power"] = round(max(0.0, self._power(name) + (noise(0, 0.01) if mine else 0)), 2)
            told[twin, "motor_temperature"] = round(self.motor[name], 1)
            told[twin, "vibration"] = round(max(0.0, self.vibration + noise(0, 0.05)), 2) if mine else 0.0
            told[twin, "hours"] = round(self.hours[name], 2)
        return told

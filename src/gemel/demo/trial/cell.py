"""A robot cell: a six-axis robot that picks from a conveyor behind a light curtain, program by program."""

from __future__ import annotations

import math
import random
from typing import Any

from gemel.demo.trial.base import FAULT, Refusal, Trouble, approach, drive

__all__ = ["Cell"]

TWIN, ROBOT = "cell", "cell.robot"
CYCLE_S = {"pick_and_place": 8.0, "palletise": 14.0, "home": 5.0}
AXES = range(1, 7)
_LOADS = (3.1, 4.2, 2.6, 1.2, 0.9, 0.6)
BELT_PER_S = 0.15
BELT_MOST = 0.5
"""m/s, as its type declares."""


class Cell:
    """One cell. Belt speed in m/s, currents in A, temperature in °C."""

    def __init__(self, *, seed: int = 11) -> None:
        self._random = random.Random(seed)
        self._trouble = Trouble()
        self.state = "idle"
        self.program = "none"
        self.gripper = "open"
        self.belt = self.belt_set = 0.0
        self.cycles = 182_440
        self.runs = 0
        self.controller = 31.0
        self.currents = [0.4] * 6
        self._left = 0
        self._cycle_s = 0.0
        self._gripper_set = "open"
        self._gripper_s = 0.0

    @property
    def linked(self) -> bool:
        return self._trouble.linked

    @property
    def curtain(self) -> str:
        return "interrupted" if self._trouble.name == "curtain_interrupted" else "clear"

    # what it is told

    def set(self, name: str, value: Any) -> None:
        if name == FAULT:
            self._trouble.inject(value)
        elif self._trouble.name == "local_mode":
            raise Refusal("the key of the cell stands at local")
        elif name == "conveyor_speed":
            self.belt_set = float(value)
        elif name == "gripper":
            if self.state == "running":
                raise Refusal("a program moves the gripper")
            self._gripper_set, self._gripper_s = value, 0.8
        else:
            raise Refusal(f"{name} is no set point of the cell")

    def call(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        if name == "hold":
            if self.state == "running":
                self.state = "held"
            self.belt_set = 0.0
            return {}
        if self._trouble.name == "local_mode":
            raise Refusal("the key of the cell stands at local")
        if name == "run_program":
            return self._run(given)
        if name == "reset":
            self.state, self.program, self._left, self._cycle_s = "idle", "none", 0, 0.0
            return {}
        raise Refusal(f"the cell has no {name}")

    def _run(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.state not in ("idle", "held"):
            raise Refusal(f"the robot is {self.state}; hold or reset it first")
        self.state, self.program = "running", given["program"]
        self._left = int(given.get("cycles") or 1)
        self._cycle_s = 0.0
        self.runs += 1
        return {"run": self.runs}

    # what happens

    def step(self, dt_s: float) -> None:
        self._trouble.step(dt_s)
        if self.curtain == "interrupted":
            self.belt_set = 0.0
            if self.state == "running":
                self.state = "held"
        self.belt = drive(self.belt, self.belt_set, BELT_PER_S * dt_s)
        self._gripper_s -= dt_s
        if self._gripper_s <= 0:
            self.gripper = self._gripper_set
        if self.state == "running":
            self._work(dt_s)
        for index, load in enumerate(_LOADS):
            wave = 0.55 + 0.45 * math.sin(2 * math.pi * (self._cycle_s / 4 + index / 6))
            self.currents[index] = approach(self.currents[index], load * wave if self.moving else 0.4, dt_s, 0.4)
        self.controller = approach(self.controller, 43.0 if self.moving else 31.0, dt_s, 240.0)

    @property
    def moving(self) -> bool:
        return self.state == "running"

    def _work(self, dt_s: float) -> None:
        self._cycle_s += dt_s
        length = CYCLE_S[self.program]
        share = (self._cycle_s % length) / length
        self.gripper = self._gripper_set = "closed" if 0.3 < share < 0.75 else "open"
        done = min(int(self._cycle_s // length), self._left)
        if done:
            self.cycles, self._left = self.cycles + done, self._left - done
            self._cycle_s -= done * length
        if self._left <= 0:
            self.state, self.program, self._cycle_s = "idle", "none", 0.0

    # what it tells

    def values(self) -> dict[tuple[str, str], Any]:
        noise = self._random.gauss
        alarm = {"level": "warning", "text": "light curtain interrupted"}
        belt = self.belt + (noise(0, 0.001) if self.belt > 0.01 else 0)
        told: dict[tuple[str, str], Any] = {
            (TWIN, "state"): self.state,
            (TWIN, "mode"): "local" if self._trouble.name == "local_mode" else "remote",
            (TWIN, "program"): self.program,
            (TWIN, "gripper"): self.gripper,
            (TWIN, "conveyor_speed"): round(min(max(0.0, belt), BELT_MOST), 3),
            (TWIN, "light_curtain"): self.curtain,
            (TWIN, "cycles"): self.cycles,
            (TWIN, "alarm"): alarm if self.curtain == "interrupted" else {"level": "normal"},
            (TWIN, FAULT): self._trouble.name,
            (ROBOT, "controller_temperature"): round(self.controller, 1),
        }
        for axis, current in zip(AXES, self.currents, strict=True):
            told[ROBOT, f"current_{axis}"] = round(max(0.0, current + (noise(0, 0.03) if self.moving else 0)), 2)
        return told

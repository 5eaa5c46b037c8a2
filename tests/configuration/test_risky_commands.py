"""A risky command is not sent to a machine that is not safe as it is configured; the refusal names the items."""

from __future__ import annotations

from pathlib import Path

import pytest

import gemel
from gemel.commands import ENDED, Ask, Order, OrderKind, OrderState
from gemel.configuration import ItemSpec, parse_parts
from gemel.configuration.operations import Report
from gemel.errors import ConfigurationDiffers, InvalidInput
from gemel.twin import parse_expected
from tests.configuration.conftest import day

PLANT = """
gemel: 1
types:
  - id: mill
    properties: [{name: guarded, kind: boolean}]
    commands:
      - {name: arm, effect: {guarded: {expression: "true"}}}
      - {name: disarm, effect: {guarded: {expression: "false"}}}
    control: {safe_configuration: [arm]}
twins: [{id: mill-7, types: [mill]}]
"""
PARTS = """
parts:
  - part: MILL
    end_item: true
    slots: [{slot: guard, mandatory: true, safety: true}]
  - part: GUARD
"""


def test_a_risky_command_waits_until_what_matters_for_safety_is_known_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text(PLANT)
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(tmp_path / "plant.yaml")
        conf = platform.configuration

        def arm(name: str = "arm") -> tuple[OrderState, str]:
            order = platform.commander.carry_out(Ask(twin="mill-7", name=name, kind=OrderKind.COMMAND), wait_s=60)
            return order.state, order.detail

        state, why = arm()
        assert state is OrderState.REFUSED
        assert "what mill-7 consists of is not known" in why
        conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
        conf.create(ItemSpec(id="M7", part="MILL", serial="M107", twin="mill-7"), day(1, 1))
        state, why = arm()
        assert (state, "guard of M7 is empty" in why) == (OrderState.REFUSED, True)
        assert arm("disarm")[0] is OrderState.APPLIED
        conf.create(ItemSpec(id="G1", part="GUARD", serial="1", revision="A"), day(1, 1))
        conf.install("G1", "M7", "guard", day(1, 2))
        assert arm()[0] is OrderState.APPLIED


def test_what_is_assumed_holds_when_it_is_asked_and_when_it_is_sent(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text(PLANT.replace("safe_configuration: [arm]", "two_persons: [arm]"))
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(tmp_path / "plant.yaml")
        conf = platform.configuration

        def ask(name: str, *expects: str) -> Order:
            told = tuple(map(parse_expected, expects))
            asked = Ask(twin="mill-7", name=name, kind=OrderKind.COMMAND, expects=told)
            return platform.commander.carry_out(asked, wait_s=0 if name == "arm" else 60, actor="ann")

        with pytest.raises(ConfigurationDiffers, match="what it consists of is not known"):
            ask("disarm", "GUARD")
        conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
        conf.create(ItemSpec(id="M7", part="MILL", serial="M107", twin="mill-7"), day(1, 1))
        conf.create(ItemSpec(id="G1", part="GUARD", serial="1", revision="A"), day(1, 1))
        conf.install("G1", "M7", "guard", day(1, 2))
        conf.do(Report(item="M7", slot="control", part="FW", version="1.4", at=day(1, 3)))
        known = conf.hash("M7")
        assert ask("disarm", known, "guard=G1", "GUARD:=A,B", "FW:=1.4", "!GUARD:=B").state is OrderState.APPLIED
        for wrong, why in (
            ("guard=", "guard of M7 holds G1, not nothing"),
            ("GUARD:=B", "M7 has GUARD A, and what is done assumes GUARD:=B"),
            ("!FW", "M7 has FW 1.4, and what is done assumes none of FW"),
            ("P-9", "M7 has no P-9"),
            ("0" * 64, "not 000000000000"),
        ):
            with pytest.raises(ConfigurationDiffers, match=why):
                ask("disarm", wrong)
        with pytest.raises(InvalidInput, match="at most 20"):
            ask("disarm", *["GUARD"] * 21)
        waits = ask("arm", known)
        conf.modify("G1", "revision", "B", day(1, 4))
        platform.commander.approve(waits.id, actor="bob").result()
        ended = platform.commander.reached(waits.id, ENDED).result(60)
        assert (ended.state, ended.reason) == (OrderState.REFUSED, "configuration")
        assert "it was changed since you looked" in ended.detail

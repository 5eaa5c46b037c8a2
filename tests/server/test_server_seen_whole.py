"""A motor is shown whole to a party, from a day on: nothing of before, and nothing of the machine that it is in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.clock import to_rfc3339
from gemel.configuration import Basis, ItemSpec, Reliance, Saw, Standing, parse_parts
from gemel.configuration.operations import Judge, Modify, Observe, Raise
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.work import WorkSpec
from gemel.twin import PropertyGroup
from tests.configuration.conftest import day
from tests.server.test_server_item_views import client
from tests.server.test_server_parties import token_of

PLANT = """
gemel: 1
types: [{id: machine, properties: [{name: speed, group: condition}]}]
twins: [{id: whole, types: [machine]}, {id: motor, types: [machine]}]
"""
PARTS = """
parts:
  - part: MILL
    end_item: true
    slots: [{slot: axis}, {slot: plc}, {slot: cover, mandatory: true}]
  - part: MOTOR
    revisions: [{revision: A}, {revision: B}]
    slots: [{slot: rotor, safety: true}, {slot: brake, count: 2}]
    rules:
      - {slot: rotor, part: ROTOR, effectivity: {serials: [A100..A250]}}
      - {slot: brake, part: BRAKE, requires: [{part: ESTOP, slot: estop}]}
"""
SHARED = day(3, 1)
SEEN = Basis(seen=True, evidence="of before")
NAMES = ("MILL-9", "A77", "estop", "ESTOP", "cover")


def observed(at: int) -> Observe:
    return Observe(parent="MOTOR-1", slot="rotor", saw=Saw.ITEM, item="ROTOR-1", at=at)


@pytest.fixture(scope="module")
def acts() -> dict[str, int]:
    return {}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, acts: dict[str, int]) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("seen-whole"), run_connectors=False) as platform:
        platform.apply(PLANT)
        made = platform.configuration
        made.parts.apply(made.parts.plan(parse_parts(PARTS)))
        for id, part, twin, serial in (
            ("MILL-9", "MILL", "whole", "A77"),
            ("MOTOR-1", "MOTOR", "motor", "S1"),
            ("ROTOR-1", "ROTOR", "", "S2"),
            ("BRAKE-1", "BRAKE", "", "S3"),
            ("BRAKE-2", "BRAKE", "", "S4"),
        ):
            made.create(ItemSpec(id=id, part=part, twin=twin, serial=serial, revision="A"), day(1, 1))
        made.install("MOTOR-1", "MILL-9", "axis", day(1, 2), basis=SEEN)
        made.install("ROTOR-1", "MOTOR-1", "rotor", day(1, 2), basis=SEEN)
        made.install("BRAKE-1", "MOTOR-1", "brake", day(1, 2), basis=SEEN)
        made.install("BRAKE-2", "MOTOR-1", "box", day(4, 2), basis=Basis(seen=True))
        acts["built"] = made.do(Modify(child="MOTOR-1", name="milestone", value="built", at=day(1, 5))).act
        for at in (day(1, 10), day(4, 1)):
            made.do(observed(at))
        for reason in ("long since mended", "still open"):
            basis = Basis(reason=reason, evidence="of before")
            acts[reason] = made.do(Raise(item="MOTOR-1", at=day(1, 8)), basis=basis).nonconformances[0]
        made.do(
            Judge(nonconformance=acts["long since mended"], state=Standing.CLOSED, at=day(1, 9)),
            basis=Basis(reason="mended"),
        )
        acts["late"] = made.do(Modify(child="MOTOR-1", name="revision", value="B", at=day(4, 3))).act
        made.rely(Reliance(kind="visit", reference="VISIT", root="MOTOR-1", valid=day(4, 1), known=day(12, 1)))
        made.rely(Reliance(kind="invoice", reference="INV-secret", root="MOTOR-1", valid=day(4, 1), known=day(12, 1)))
        platform.work.orders.put(WorkSpec(id="WO-1", twin="motor", item="MOTOR-1", title="brake"))
        platform.gate.parties.add("partner", "Partner")
        platform.gate.grant(
            "party:partner",
            [Action.READ, Action.MAINTAIN],
            Selector(twins=("motor",)),
            groups=[PropertyGroup.IDENTITY, PropertyGroup.CONFIGURATION],
            history_from=SHARED,
        )
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def partner(platform: Platform, server: Server) -> Iterator[httpx.Client]:
    with client(server, token_of(platform, "partner", "of partner")) as made:
        yield made


@pytest.fixture(scope="module")
def admin(platform: Platform, server: Server) -> Iterator[httpx.Client]:
    with client(server, platform.gate.tokens.add("admin", "administrator")[1]) as made:
        yield made


def told(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


# of before


def test_sides_and_readiness_of_before_it_is_seen_are_not_told(partner: httpx.Client, admin: httpx.Client) -> None:
    sides, whole = told(partner, "/items/MOTOR-1/sides"), told(admin, "/items/MOTOR-1/sides")
    assert (sides["built"], whole["built"]) == (None, to_rfc3339(day(1, 5)))
    assert not any(one["built"] or one["changed"] for one in sides["slots"])
    assert [one["maintained"][0]["item"] for one in sides["slots"] if one["maintained"]] == [
        "BRAKE-2",
        "BRAKE-1",
        "ROTOR-1",
    ]
    assert told(partner, "/items/MOTOR-1/readiness")["built"] is None


def test_what_was_seen_and_confirmed_before_is_not_told(partner: httpx.Client, admin: httpx.Client) -> None:
    assert [one["time"] for one in told(partner, "/items/MOTOR-1/observations")] == [to_rfc3339(day(4, 1))]
    assert len(told(admin, "/items/MOTOR-1/observations")) == 2
    confirmed = {one["path"][0]: one["confirmed"] for one in told(partner, "/items/MOTOR-1/completeness")["slots"]}
    when = {"brake": SHARED, "rotor": day(4, 1), "box": day(4, 2)}
    assert confirmed == {slot: to_rfc3339(moment) for slot, moment in when.items()}
    standing = told(partner, "/items/MOTOR-1/upkeep")["standing"]
    assert standing["confirmed"] == to_rfc3339(SHARED)
    assert standing["age_days"] < told(admin, "/items/MOTOR-1/upkeep")["standing"]["age_days"]


def test_what_was_closed_before_is_not_told_and_what_was_open_is_so_since_it_is_seen(
    partner: httpx.Client, admin: httpx.Client
) -> None:
    raised = [one for one in told(partner, "/items/MOTOR-1/nonconformances") if one["rule"] == "raised"]
    assert [(one["text"], one["time"], one["act"]) for one in raised] == [("still open", to_rfc3339(SHARED), 0)]
    assert len([one for one in told(admin, "/items/MOTOR-1/nonconformances") if one["rule"] == "raised"]) == 2


def test_a_dossier_tells_no_more_than_the_questions(partner: httpx.Client) -> None:
    dossier = told(partner, "/items/MOTOR-1/dossier")
    text = json.dumps(dossier)
    assert not any(name in text for name in (*NAMES, "long since mended", "of before"))
    assert "still open" in text
    assert to_rfc3339(day(1, 10)) not in text


def test_what_was_done_before_it_is_seen_is_neither_moved_nor_withdrawn(
    partner: httpx.Client, admin: httpx.Client, acts: dict[str, int]
) -> None:
    for said in ({"do": "correct", "act": acts["built"], "at": "2026-05-01T00:00:00Z"}, {"do": "withdraw"}):
        for act, code in ((acts["built"], 404), (acts["late"], 200)):
            asked = {"operation": said | {"act": act}, "basis": {"reason": "mistaken"}}
            assert partner.post("/operations", params={"dry_run": True}, json=asked).status_code == code
            assert admin.post("/operations", params={"dry_run": True}, json=asked).status_code == 200


def test_what_tells_of_money_is_not_told_to_who_does_not_see_that(partner: httpx.Client, admin: httpx.Client) -> None:
    mine, all_ = (
        {one["reliance"]["reference"] for one in told(who, "/reliances?root=MOTOR-1")["items"]}
        for who in (partner, admin)
    )
    assert (mine, all_) == ({"VISIT"}, {"VISIT", "INV-secret"})


# of what it is in


@pytest.mark.parametrize("path", ["/items/MOTOR-1/threats", "/threats", "/items/MOTOR-1/work-pack"])
def test_rules_of_a_machine_that_is_not_shared_are_not_told(
    partner: httpx.Client, admin: httpx.Client, path: str
) -> None:
    text = json.dumps(told(partner, path))
    assert not any(name in text for name in NAMES), text
    assert "A77" in json.dumps(told(admin, path))


def test_what_only_the_rest_of_the_machine_could_tell_is_no_finding(partner: httpx.Client, admin: httpx.Client) -> None:
    assert {one["rule"] for one in told(admin, "/items/MOTOR-1/findings")} == {"effectivity", "requires", "slot"}
    assert {one["rule"] for one in told(partner, "/items/MOTOR-1/findings")} == {"slot"}  # box: of its own
    offered = told(partner, "/items/MOTOR-1/slots/rotor/fitting")
    assert [(one["part"], one["now"]) for one in offered["allowed"]] == [("ROTOR", None)]
    assert not any(name in json.dumps(offered) for name in NAMES)


def test_what_an_operation_breaks_in_a_machine_that_is_not_shared_is_told_without_its_names(
    partner: httpx.Client, admin: httpx.Client
) -> None:
    said = {"do": "move", "child": "BRAKE-2", "parent": "MOTOR-1", "slot": "brake", "at": "2026-05-02T00:00:00Z"}
    for basis, code in (({}, 409), ({"seen": True}, 200)):
        asked = {"operation": said, "basis": basis}
        mine, whole = (one.post("/operations", params={"dry_run": True}, json=asked) for one in (partner, admin))
        assert (mine.status_code, whole.status_code) == (code, code), mine.text
        assert "ESTOP" in whole.text
        assert {one["parent"] for one in mine.json()["findings"]} == {"MOTOR-1"}
        assert not any(name in mine.text for name in NAMES), mine.text


def test_why_work_cannot_begin_is_told_without_the_machine(partner: httpx.Client, admin: httpx.Client) -> None:
    answers = [one.post("/work/orders/WO-1/state", json={"state": "working"}) for one in (partner, admin)]
    assert [one.json()["code"] for one in answers] == ["rule-broken"] * 2, answers[0].text
    assert "A77" in answers[1].text
    assert not any(name in answers[0].text for name in NAMES), answers[0].text

"""Bulletins and reliances over HTTP: who sees which machines, tables, and what the command line says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import gemel
from gemel.access import Action, Role, Selector
from gemel.cli.main import app
from gemel.client import Client
from gemel.client.transport import path_of
from gemel.configuration import Having
from gemel.errors import Denied, InvalidInput, NotFound
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.work import WorkSpec, WorkState
from gemel.thread import DocumentSpec
from tests.server.test_server_parties import token_of
from tests.thread.conftest import at, node


@pytest.fixture(scope="module")
def server(plant: Platform) -> Iterator[Server]:
    """Party a is granted mill-1; a bulletin is about the pumps of both mills, another is of mill-2 alone."""
    say = plant.thread
    spec = DocumentSpec(id="SB-1", kind="bulletin", start=at("01-15"), having=(Having(part="PUMP", revisions=("B",)),))
    say.add_document(spec, b"seals")
    say.add_document(DocumentSpec(id="SB-2", kind="bulletin"), b"theirs", links=[node("item:m-2")])
    plant.gate.parties.add("a", "A Ltd")
    plant.gate.grant("party:a", [Action.READ], Selector(twins=("mill-1",)))
    with Server(plant, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def party(server: Server, plant: Platform) -> Iterator[Client]:
    with gemel.connect(server.url, token=token_of(plant, "a", "reader of a")) as client:
        yield client


@pytest.fixture(scope="module")
def operator(server: Server, plant: Platform) -> Iterator[Client]:
    with gemel.connect(server.url, token=plant.gate.tokens.add("operator", Role.OPERATOR)[1]) as client:
        yield client


def test_a_party_sees_and_counts_the_bulletins_of_its_own_machines_alone(party: Client, operator: Client) -> None:
    assert {one["id"]: one["counts"]["open"] for one in operator.bulletins()["items"]} == {"SB-1": 2, "SB-2": 1}
    assert {one["id"]: one["counts"]["open"] for one in party.bulletins()["items"]} == {"SB-1": 1}
    found = party.bulletins.get("SB-1")
    assert ([one["machine"] for one in found["items"]], found["total"]) == (["m-1"], 1)
    assert [one["bulletin"] for one in operator.bulletins.of("m-2")] == ["SB-1", "SB-2"]
    for refused in (lambda: party.bulletins.get("SB-2"), lambda: party.bulletins.of("m-2")):
        with pytest.raises(NotFound):
            refused()
    with pytest.raises(Denied):
        party.bulletins.comply("SB-1", "m-1")


def test_who_complied_with_a_bulletin_for_another_machine_hides_it_from_nobody(party: Client, operator: Client) -> None:
    done = operator.bulletins.comply("SB-1", "m-2", at="2026-02-01T00:00:00Z", basis={"work_order": "WO-2"})
    assert done["links"] == 1
    assert [one["id"] for one in party.bulletins()["items"]] == ["SB-1"]
    (told,) = operator.bulletins.get("SB-1", state="complied")["items"]
    assert (told["machine"], told["since"], told["complied"]["work_order"]) == ("m-2", "2026-02-01T00:00:00Z", "WO-2")
    with pytest.raises(InvalidInput, match="is none of open"):
        operator.bulletins.get("SB-1", state="closed")


def test_a_work_pack_names_the_bulletins_that_are_open(operator: Client, plant: Platform) -> None:
    plant.clock.step(1)
    pack = operator._at.request("GET", path_of("items", "m-1", "work-pack")).json()
    assert [(one["bulletin"], one["items"]) for one in pack["bulletins"]] == [("SB-1", ["pump-100"])]
    assert operator.items.work_pack("m-1").startswith(b"%PDF")


def test_answers_on_the_fleet_are_tables_too(operator: Client) -> None:
    asked = {"having": ["PUMP:=B"], "format": "csv"}
    lines = operator._at.request("GET", path_of("configurations"), params=asked).text.splitlines()
    assert lines[0] == "machine,part,serial,items,when"
    assert [line.split(",")[0] for line in lines[1:]] == ["m-1", "m-2"]
    table = operator._at.request("GET", path_of("bulletins", "SB-1"), params={"format": "csv"}).text
    assert [line.split(",")[2] for line in table.splitlines()] == ["machine", "m-1", "m-2"]


def test_what_relied_on_a_machine_is_told_to_who_sees_it(party: Client, operator: Client, plant: Platform) -> None:
    for machine in ("m-1", "m-2"):
        order = plant.work.orders.put(WorkSpec(id=f"WO-{machine}", item=machine)).order
        plant.work.orders.move(order.id, WorkState.ASSIGNED)
    operator.reliances.rely("invoice", "2026-17", "m-1")
    plant.clock.step(60)
    act = plant.configuration.modify("pump-200", "revision", "C", at("02-10"))
    assert {one["reliance"]["reference"] for one in party.reliances()["items"]} == {"WO-m-1", "2026-17"}
    assert not party.reliances(changed=True)["items"]
    (one,) = operator.reliances(changed=True)["items"]
    assert (one["reliance"]["reference"], one["differences"][0]["after"]["revision"]) == ("WO-m-2", "C")
    assert [each["reliance"]["reference"] for each in operator.reliances.on(act)["relied"]] == ["WO-m-2"]


def test_the_command_line_says_what_is_open_and_ends_so(
    server: Server, plant: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GEMEL_TOKEN", plant.gate.tokens.add("terminal", Role.OPERATOR)[1])

    def run(*words: str) -> tuple[object, str]:
        code = app(["--at", server.url, *words], standalone_mode=False)
        return code, capsys.readouterr().out

    assert "PUMP B" in run("bulletins")[1]
    code, told = run("bulletins", "for", "m-1")
    assert (code, "SB-1" in told) == (3, True)
    assert "is complied with on m-1" in run("bulletins", "comply", "SB-1", "m-1", "--time", "2026-02-20T00:00:00Z")[1]
    assert run("bulletins", "for", "m-1")[0] in (0, None)
    assert "complied" in run("bulletins", "show", "SB-1")[1]
    assert "WO-m-2" in run("reliances", "--changed")[1]
    act = plant.configuration.acts("pump-200")[-1].number
    assert "WO-m-2" in run("reliances", "dependants", str(act))[1]

"""Items over HTTP: asked about as of two moments, changed by whoever may maintain the machine, one or many at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.clock import to_rfc3339
from gemel.platform import Platform
from gemel.server import Server
from tests.configuration.conftest import day
from tests.server.test_server_parties import READS, token_of

PLANT = """
gemel: 1
types: [{id: machine, properties: [{name: speed}]}]
twins: [{id: m1, types: [machine], aliases: [cell-1]}, {id: m2, types: [machine], name: "Second", serial: SN-2}]
"""


def said(do: str, **fields: Any) -> dict[str, Any]:
    return {"do": do, **{name: to_rfc3339(v) if type(v) is int and v > 10**12 else v for name, v in fields.items()}}


def create(id: str, part: str, at: int, **spec: Any) -> dict[str, Any]:
    return said("create", at=at, spec={"id": id, "part": part, **spec})


FIRST = [
    create("M1", "MILL", day(1, 1), twin="m1"),
    create("M2", "MILL", day(1, 1), twin="m2"),
    create("STORE", "STORE", day(1, 1), kind="location"),
    create("PUMP-A", "P-7", day(1, 1), serial="S/1", maker="Acme", revision="B", aliases={"giai": "4711"}),
    create("PUMP-B", "P-7", day(1, 1), serial="S/1", maker="Zenith", revision="A"),
    create("SEAL-1", "S-1", day(1, 1)),
    said("install", child="SEAL-1", parent="PUMP-A", slot="seal", at=day(1, 1)),
    said("install", child="PUMP-A", parent="M1", slot="pump", at=day(1, 1)),
    said("use", item="M1", kind="hours", start=day(1, 1), end=day(3, 2), amount=600.0),
    said("swap", parent="M1", slot="pump", new="PUMP-B", at=day(3, 10)),
    said("install", child="PUMP-A", parent="M2", slot="pump", at=day(4, 1)),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("items"), run_connectors=False) as platform:
        platform.apply(PLANT)
        for party in ("a", "b"):
            platform.gate.parties.add(party, f"{party.upper()} Ltd")
        platform.gate.grant("party:a", [*READS, Action.MAINTAIN], Selector(twins=("m1",)), groups=["configuration"])
        platform.gate.grant("party:b", READS, Selector(twins=("m2",)), groups=["condition"])
        yield platform


@pytest.fixture(scope="module")
def clients(platform: Platform) -> Iterator[dict[str, httpx.Client]]:
    gate, made = platform.gate, {}
    secrets = {role: gate.tokens.add(role, role)[1] for role in ("viewer", "operator", "engineer")}
    secrets |= {f"party {one}": token_of(platform, one, f"of {one}") for one in ("a", "b")}
    with Server(platform, port=0) as server:
        for name, secret in secrets.items():
            headers = {"Authorization": f"Bearer {secret}"}
            made[name] = httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60)
        done = made["operator"].post("/operations", json=[{"operation": one} for one in FIRST]).json()
        assert [one["problem"] for one in done] == [None] * len(FIRST)
        yield made
        for client in made.values():
            client.close()


@pytest.fixture
def operator(clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["operator"]


@pytest.fixture
def party(clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["party a"]


def ids(answer: httpx.Response) -> list[str]:
    return [one["item"]["id"] for one in answer.json()["items"]]


# asking


def test_items_are_found_by_anything_known_of_them(operator: httpx.Client) -> None:
    def found(**asked: Any) -> list[str]:
        return ids(operator.get("/items", params=asked))

    assert found(q="acme") == found(q="4711") == found(maker="Acme") == ["PUMP-A"]
    assert found(part="P-7", revision="A") == ["PUMP-B"]
    assert found(twin="m1") == ["M1"]
    assert found(root="M2") == ["PUMP-A", "SEAL-1"]
    assert found(root="M2", at="2026-02-01T00:00:00Z") == []
    assert found(loose="true", part="MILL") == ["M1", "M2"]
    assert found(kind="location") == ["STORE"]
    assert operator.get("/items", params={"kind": "wood"}).status_code == 422


def test_pages_hold_every_item_once(operator: httpx.Client) -> None:
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = operator.get("/items", params={"limit": 2, "cursor": cursor})
        seen += ids(answer)
        cursor = answer.json()["next"]
    assert seen == ids(operator.get("/items"))
    assert len(seen) == 6


def test_an_item_says_where_it_is_and_was(operator: httpx.Client) -> None:
    now = operator.get("/items/SEAL-1").json()
    assert (now["root"], now["path"]) == ("M2", ["pump", "seal"])
    then = operator.get("/items/SEAL-1", params={"at": "2026-02-01T00:00:00Z"}).json()
    assert (then["root"], then["path"]) == ("M1", ["pump", "seal"])
    tree = operator.get("/items/M1/tree", params={"at": "2026-02-01T00:00:00Z"}).json()
    assert [(one["item"]["id"], one["path"]) for one in tree["parts"]] == [("PUMP-A", ["pump"])]
    assert tree["parts"][0]["since"] == "2026-01-01T00:00:00Z"
    history = operator.get("/items/PUMP-A/history").json()
    assert [(one["parent"], one["valid"]["end"]) for one in history] == [("M1", "2026-03-10T00:00:00Z"), ("M2", None)]
    assert (
        operator.get("/items/SEAL-1/counters", params={"at": "2026-03-10T00:00:00Z"}).json()["hours"]["amount"] == 600
    )


def test_two_moments_of_one_machine_are_compared(operator: httpx.Client) -> None:
    found = operator.get("/items/M1/compare", params={"at": "2026-02-01T00:00:00Z"}).json()
    changed = [(one["path"], (one["before"] or {}).get("id"), (one["after"] or {}).get("id")) for one in found]
    assert changed == [(["pump"], "PUMP-A", "PUMP-B"), (["pump", "seal"], "SEAL-1", None)]


def test_what_was_read_already_is_not_sent_again(operator: httpx.Client) -> None:
    first = operator.get("/items/M1/tree")
    again = operator.get("/items/M1/tree", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["gemel-position"] == again.headers["gemel-position"]


def test_a_code_leads_to_what_it_is_on(operator: httpx.Client) -> None:
    def meant(code: str) -> list[tuple[str, str, str]]:
        found = operator.get("/find", params={"code": code}).json()["candidates"]
        return [(one["kind"], one["id"], one["by"]) for one in found]

    assert meant("PUMP-A") == [("item", "PUMP-A", "id")]
    assert meant("4711") == [("item", "PUMP-A", "name")]
    assert meant("cell-1") == [("twin", "m1", "name")]
    assert meant("SN-2") == [("twin", "m2", "serial")]
    assert meant("S/1") == [("item", "PUMP-A", "serial"), ("item", "PUMP-B", "serial")], "of two makers: choose"
    assert meant("https://plant.example/items/PUMP-B") == [("item", "PUMP-B", "link")]
    assert meant("https://plant.example/twins/m1") == [("twin", "m1", "link")]
    assert meant("(8004)4711") == [("item", "PUMP-A", "name")]
    assert meant("https://id.example/01/04012345123456/21/SN-2") == [("twin", "m2", "serial")]
    assert meant("nothing of that name") == []


def test_a_qr_code_is_a_picture_of_the_address_of_the_page(operator: httpx.Client) -> None:
    made = operator.get("/items/PUMP-A/qr.svg")
    assert made.headers["content-type"].startswith("image/svg+xml")
    assert b"<title>/items/PUMP-A</title>" in made.content
    assert made.content != operator.get("/items/PUMP-B/qr.svg").content
    assert operator.get("/items/PUMP-Z/qr.svg").status_code == 404
    assert b"<title>/twins/m1</title>" in operator.get("/twins/cell-1/qr.svg").content


# saying


def test_the_same_key_is_the_same_act(operator: httpx.Client) -> None:
    asked = {"operation": create("KEYED", "X", day(1, 1)), "basis": {"source": "tablet-3", "key": "17"}}
    first, again = (operator.post("/operations", json=asked) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["act"] == again.json()["act"]
    assert (first.json()["repeated"], again.json()["repeated"]) == (False, True)


def test_an_idempotency_key_is_a_key(operator: httpx.Client) -> None:
    asked = {"operation": create("ONCE", "X", day(1, 1))}
    first, again = (operator.post("/operations", json=asked, headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert first.json() == again.json()
    acts = operator.get("/items/ONCE/acts").json()
    assert [one["basis"]["key"] for one in acts] == ["k-1"]


def test_of_many_each_has_its_own_answer_and_the_others_go_on(operator: httpx.Client) -> None:
    some = [
        create("Q-1", "X", day(1, 1)),
        said("install", child="Q-1", parent="M1", slot="pump", at=day(4, 1)),
        {"do": "paint", "item": "Q-1"},
        said("install", child="Q-1", parent="STORE", slot="shelf", at=day(4, 1)),
    ]
    told = operator.post("/operations", json=[{"operation": one} for one in some]).json()
    assert [one["problem"] and one["problem"]["status"] for one in told] == [None, 409, 422, None]
    assert "pump of M1 holds PUMP-B" in told[1]["problem"]["detail"]
    assert operator.get("/items/Q-1").json()["root"] == "STORE"


def test_what_is_tried_changes_nothing(operator: httpx.Client) -> None:
    some = [{"operation": create("TRIED", "X", day(1, 1))}] * 2
    told = operator.post("/operations", json=some, params={"dry_run": True}).json()
    assert told[0]["outcome"]["act"] == 0
    assert told[1]["problem"]["status"] == 409, "each is tried upon those before it"
    assert operator.get("/items/TRIED").status_code == 404


def test_faults_of_a_body_are_told_with_their_place(operator: httpx.Client) -> None:
    for body, reason in (
        ({"operation": {"do": "install", "child": "X"}}, "missing required field"),
        ({"operation": create("Y", "X", day(1, 1)) | {"at": "yesterday"}}, "yesterday"),
        ({"operation": said("use", item="M1", kind="hours", start=1, end=2, amount="many")}, "$.operation.amount"),
        ("no operation", "the body does not fit"),
        ({"operation": {"do": "instal", "child": "X"}}, "use one of create, install, remove"),
        (
            {"operation": create("Y", "X", day(1, 1)) | {"spec": {"id": "Y", "part": "X", "kind": "soft"}}},
            "use one of hardware, electrical, software, document, location",
        ),
    ):
        answer = operator.post("/operations", json=body)
        assert answer.status_code == 422
        assert reason in answer.json()["detail"], answer.text


# who


def test_whoever_only_looks_changes_nothing(clients: dict[str, httpx.Client]) -> None:
    asked = {"operation": said("remove", child="PUMP-B", at=day(5, 1))}
    answer = clients["viewer"].post("/operations", json=asked)
    assert (answer.status_code, answer.json()["action"]) == (403, "maintain")


def test_a_concession_is_of_who_may_configure_and_only_of_himself(clients: dict[str, httpx.Client]) -> None:
    asked: dict[str, Any] = {"operation": create("C-1", "X", day(1, 1)), "concession": {"reason": "none left"}}
    assert clients["operator"].post("/operations", json=asked).json()["action"] == "configure"
    assert clients["engineer"].post("/operations", json=asked).status_code == 201
    asked["concession"]["by"] = "user-somebody-else"
    assert clients["engineer"].post("/operations", json=asked).status_code == 422


def test_a_party_sees_the_items_of_its_machines_and_elsewhere_for_the_rest(party: httpx.Client) -> None:
    assert ids(party.get("/items")) == ["M1", "PUMP-B"]
    assert party.get("/items/M2").status_code == 404
    assert party.get("/items/M2/tree").status_code == 404
    stays = party.get("/items/PUMP-A/stays").json()
    assert [one["root"] for one in stays] == ["M1", ""]
    assert [one["parent"] for one in party.get("/items/PUMP-A/history").json()] == ["M1"]
    gone = party.get("/items/PUMP-A").json()
    assert (gone["root"], gone["path"]) == ("M1", ["pump"]), "as it was when it was last seen"
    text = "".join(party.get(f"/items/PUMP-A/{what}").text for what in ("stays", "history", "acts", "life"))
    assert "M2" not in text
    assert "m2" not in text
    assert party.get("/find", params={"code": "S/1"}).json()["candidates"][0]["id"] == "PUMP-B"


def test_who_may_not_see_the_configuration_of_a_machine_sees_no_items(clients: dict[str, httpx.Client]) -> None:
    assert ids(clients["party b"].get("/items")) == []
    assert clients["party b"].get("/items/M2").status_code == 404


def test_a_party_maintains_its_machine_and_nothing_else(party: httpx.Client, operator: httpx.Client) -> None:
    def status(**fields: Any) -> int:
        return party.post("/operations", json={"operation": said(**fields)}, params={"dry_run": True}).status_code

    assert status(do="remove", child="PUMP-B", at=day(5, 1)) == 200
    assert status(do="modify", child="PUMP-B", name="revision", value="C", at=day(5, 1)) == 200
    assert status(do="remove", child="PUMP-A", at=day(5, 1)) == 404
    assert status(do="swap", parent="M1", slot="pump", new="PUMP-A", at=day(5, 1)) == 404
    assert status(do="withdraw", act=operator.get("/items/PUMP-A/acts").json()[-1]["number"]) == 404
    assert status(do="create", spec={"id": "N", "part": "X"}, at=day(5, 1)) == 403
    new = {"do": "swap", "parent": "M1", "slot": "pump", "new": "N", "at": day(5, 1)}
    assert status(**new, spec={"id": "N", "part": "P-7", "revision": "B"}) == 200
    assert status(**new, spec={"id": "N", "part": "P-7", "revision": "B", "twin": "m2"}) == 403


def test_an_item_says_whether_who_asks_may_say_what_is_done_to_it(clients: dict[str, httpx.Client]) -> None:
    told = {name: clients[name].get("/items/PUMP-B").json()["may"] for name in ("operator", "viewer")}
    assert told == {"operator": True, "viewer": False}
    assert [clients["party a"].get(f"/items/{item}").json()["may"] for item in ("M1", "PUMP-B")] == [True, True]
    assert not clients["party a"].get("/items/PUMP-A").json()["may"], "it is in another's machine now"


def test_a_contradiction_does_not_tell_of_others_machines(party: httpx.Client) -> None:
    asked = {"operation": said("install", child="PUMP-A", parent="M1", slot="other", at=day(2, 1))}
    answer = party.post("/operations", json=asked)
    assert answer.status_code == 409
    assert "M2" not in answer.text
    assert "elsewhere" in answer.json()["detail"]


def test_acts_that_name_other_machines_are_no_events_for_a_party(party: httpx.Client, operator: httpx.Client) -> None:
    kinds = {one["kind"] for one in party.get("/events").json()["items"]}
    assert not {kind for kind in kinds if kind.startswith("item.")}
    assert {one["kind"] for one in operator.get("/events", params={"kind": "item."}).json()["items"]}

"""Orders over HTTP: waited for, locked, keyed, refused, authorized, audited."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import gemel
from gemel.access import Action, Role, Selector
from gemel.errors import ConfigurationDiffers, Conflict, Denied, InvalidInput, NotFound, RevisionConflict
from gemel.twin import PropertyGroup

API = "/api/v1"


@pytest.fixture
def http(server, platform):
    """A client for each role."""
    made = {}

    def of(role, name="one"):
        if (role, name) not in made:
            token = platform.gate.tokens.add(f"{role} {name}", Role(role))[1]
            headers = {"Authorization": f"Bearer {token}"}
            made[role, name] = httpx.Client(base_url=server.url + API, headers=headers, timeout=60)
        return made[role, name]

    yield of
    for one in made.values():
        one.close()


@pytest.fixture
def plant(server, platform):
    with gemel.connect(server.url, token=platform.gate.tokens.add("client", Role.ENGINEER)[1]) as client:
        yield client


class TestAsking:
    def test_an_order_over_http_is_applied_at_the_machine(self, http, skid):
        answer = http("operator").put(
            "/twins/pump-1/properties/speed/desired", json={"value": 900}, params={"wait": 40}
        )
        assert (answer.status_code, answer.json()["state"]) == (200, "applied"), answer.text
        assert answer.headers["location"] == f"/api/v1/orders/{answer.json()['id']}"
        assert skid.value("Speed") == pytest.approx(900)
        beside = http("viewer").get("/twins/pump-1/desired").json()["speed"]
        assert (beside["value"], beside["reported"]["value"], beside["agrees"]) == (900.0, 900.0, True)

    def test_without_waiting_the_answer_says_that_it_is_under_way(self, http, skid):
        skid.stuck = True
        answer = http("operator").put("/twins/pump-1/properties/speed/desired", json={"value": 901, "deadline_s": 60})
        assert (answer.status_code, answer.json()["ended"]) == (202, False)
        assert http("operator").get(answer.headers["location"].removeprefix(API)).json()["name"] == "speed"
        skid.set("Speed", 901.0)  # somebody turns it by hand: the order has ended

    def test_a_command_gives_its_output(self, plant, skid):
        order = plant.command("pump-1", "start", {"ramp": {"value": 0.05, "unit": "min"}}, wait_s=40)
        assert (order["state"], order["output"]) == ("applied", {"cycle": 42})
        assert skid.calls == [("Start", (3.0,))]

    def test_what_is_not_as_it_is_assumed_is_refused_before_anything_is_written(self, plant):
        with pytest.raises(ConfigurationDiffers, match="what it consists of is not known"):
            plant.command("pump-1", "start", {"ramp": 5}, expects=[{"has": ["P-7:<C"]}])
        with pytest.raises(InvalidInput, match="say what is expected"):
            plant.set("pump-1", "speed", 900, expects=[{}])

    def test_what_is_assumed_is_looked_up_while_others_are_answered(self, plant, platform, monkeypatch):
        looked = []

        def assume(expected, twin):
            with pytest.raises(RuntimeError):  # the thread that answers everybody runs a loop
                asyncio.get_running_loop()
            looked.append(twin)

        monkeypatch.setattr(platform.commander._rules, "assumptions", assume)
        plant.command("pump-1", "start", {"ramp": 5}, expects=[{"has": ["P-7:<C"]}])
        assert looked
        assert set(looked) == {"pump-1"}

    def test_what_the_machine_refuses_says_so(self, plant, skid):
        order = plant.command("pump-1", "start", {"ramp": 55}, wait_s=40)
        assert (order["state"], order["reason"]) == ("refused", "device")
        assert "BadOutOfRange" in order["detail"]

    def test_a_machine_that_fails_half_way_leaves_it_unknown_until_a_person_says(self, plant, skid):
        order = plant.command("pump-1", "start", {"ramp": 56}, wait_s=40)
        assert (order["state"], order["reason"]) == ("unknown", "no-answer")
        settled = plant.orders.resolve(order["id"], applied=False, note="it stands still, I looked")
        assert (settled["state"], settled["reason"]) == ("refused", "settled")
        with pytest.raises(Conflict, match="only what is unknown"):
            plant.orders.resolve(order["id"], applied=True)

    @pytest.mark.parametrize(
        ("path", "body", "status", "says"),
        [
            ("commands/start", {"input": {}}, 422, "needs ramp"),
            ("commands/start", {"input": {"ramp": 61}}, 422, "outside [0"),
            ("commands/start", {"input": {"ramp": 1, "colour": "red"}}, 422, "takes no colour"),
            ("commands/dance", {}, 404, "it has: start, stop"),
            ("commands/stop", {"deadline_s": -1}, 422, "deadline_s"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_ordered(self, http, path, body, status, says):
        before = http("operator").get("/twins/pump-1/orders").json()["items"]
        answer = http("operator").post(f"/twins/pump-1/{path}", json=body)
        assert answer.status_code == status
        assert says in answer.json()["detail"]
        assert http("operator").get("/twins/pump-1/orders").json()["items"] == before

    @pytest.mark.parametrize(
        ("property", "value", "status", "says"),
        [
            ("speed", 3001, 422, "outside"),
            ("speed", "fast", 422, "is a number"),
            ("pressure", 3, 422, "only tells"),
            ("colour", 3, 404, "no property"),
            ("valve", "open", 409, "nothing carries"),
        ],
    )
    def test_values_that_cannot_be_desired_are_refused(self, http, property, value, status, says):
        answer = http("operator").put(f"/twins/pump-1/properties/{property}/desired", json={"value": value})
        assert answer.status_code == status
        assert says in answer.json()["detail"]


class TestFollowing:
    def test_every_step_is_pushed_to_whoever_follows_the_twin(self, plant, skid):
        with plant.subscribe(["pump-1"]) as changes:
            assert changes.get(60).snapshot
            order = plant.command("pump-1", "stop", wait_s=40)
            seen = []
            while "command.applied" not in seen:
                events = changes.get(60).events
                seen += [event["kind"] for event in events if event["body"].get("order") == order["id"]]
        assert seen == ["command.requested", "command.sent", "command.applied"]


class TestOnce:
    def test_the_same_key_is_the_same_order(self, plant, skid):
        first = plant.set("pump-1", "batch", 7, key="shift-1", wait_s=40)
        again = plant.set("pump-1", "batch", 7, key="shift-1", wait_s=40)
        assert again["id"] == first["id"]
        assert skid.writes.count(("Batch", 7)) == 1
        with pytest.raises(Conflict, match="key was used"):
            plant.set("pump-1", "batch", 8, key="shift-1")

    def test_an_idempotency_key_is_the_orders_key(self, http, skid):
        headers = {"Idempotency-Key": "k-1"}
        answers = [http("operator").post("/twins/pump-1/commands/stop", json={}, headers=headers) for _ in range(2)]
        assert answers[0].json()["id"] == answers[1].json()["id"]
        order = http("operator").get(f"/orders/{answers[0].json()['id']}", params={"wait": 40}).json()
        assert order["state"] == "applied"
        assert skid.calls == [("Stop", ())]


class TestOptimisticLocking:
    def test_a_lost_update_is_impossible(self, plant, http):
        """N writers read what is desired, add one, and write with If-Match: every success is counted (G15)."""
        writers, goal = 6, 5
        operators = [http("operator", f"w{n}") for n in range(writers)]
        plant.set("pump-1", "batch", 0)
        before = plant.orders.desired("pump-1")["batch"]

        def work(client):
            done = refused = 0
            while done < goal:
                now = client.get("/twins/pump-1/properties/batch/desired")
                revision, value = now.headers["etag"], now.json()["value"]
                answer = client.put(
                    "/twins/pump-1/properties/batch/desired",
                    json={"value": value + 1},
                    headers={"If-Match": revision},
                )
                if answer.status_code == 412:
                    refused += 1
                elif answer.status_code == 429:
                    continue
                else:
                    assert answer.status_code in (200, 202), answer.text
                    done += 1
            return refused

        with ThreadPoolExecutor(writers) as pool:
            refused = sum(pool.map(work, operators))
        after = plant.orders.desired("pump-1")["batch"]
        assert (after["value"] - before["value"], after["revision"] - before["revision"]) == (writers * goal,) * 2
        assert refused > 0, "nobody was in anybody's way: the test proves nothing"

    def test_who_read_an_older_wish_is_told_the_revision(self, plant):
        revision = plant.set("pump-1", "batch", 1)["revision"]
        with pytest.raises(RevisionConflict, match=f"at revision {revision}, not {revision - 1}"):
            plant.set("pump-1", "batch", 2, if_revision=revision - 1)


class TestWhoMay:
    def test_a_viewer_sees_and_does_not_command(self, http):
        viewer = http("viewer")
        assert viewer.post("/twins/pump-1/commands/stop", json={}).status_code == 403
        assert viewer.put("/twins/pump-1/properties/speed/desired", json={"value": 1}).status_code == 403
        assert viewer.put("/twins/pump-1/control", json={}).status_code == 403
        order = http("operator").post("/twins/pump-1/commands/stop", json={}, params={"wait": 40}).json()["id"]
        for verb in ("cancel", "approve", "resolve"):
            assert viewer.post(f"/orders/{order}/{verb}", json={"applied": True}).status_code == 403
        assert viewer.get(f"/orders/{order}").json()["state"] == "applied"

    def test_what_is_not_there_is_not_found(self, http):
        assert http("viewer").get("/orders/order-none").status_code == 404
        assert http("operator").post("/orders/order-none/cancel").status_code == 404
        assert http("operator").post("/twins/pump-9/commands/stop", json={}).status_code == 404

    def test_commands_are_audited_also_those_that_are_denied(self, http, platform):
        http("viewer").post("/twins/pump-1/commands/stop", json={})
        http("operator").post("/twins/pump-1/commands/stop", json={}, params={"wait": 40})
        told = [(e.action, e.allowed) for e in platform.gate.audit.entries() if e.resource == "pump-1"]
        assert ("command", True) in told
        assert ("command", False) in told

    def test_orders_are_seen_as_far_as_what_they_are_of(self, platform, server, plant, skid):
        gate = platform.gate
        gate.parties.add("maker", "Maker")
        account = gate.accounts.add("reader of the maker", None, None, party="maker", kind="service")
        token = gate.tokens.add("reader of the maker", None, owner=account.id)[1]
        own = Selector(twins=("pump-1",))
        gate.grant("party:maker", (Action.READ,), own, groups=[PropertyGroup.USAGE])
        plant.set("pump-1", "batch", 5, wait_s=40)
        order = plant.command("pump-1", "stop", wait_s=40)["id"]
        with gemel.connect(server.url, token=token) as reader:
            assert (reader.orders("pump-1").items, reader.orders().items) == ([], [])
            assert (reader.orders.desired("pump-1"), reader.control.of("pump-1")["rules"]) == ({}, [])
            with pytest.raises(NotFound):
                reader.orders.get(order)
            gate.grant("party:maker", (Action.READ,), own, groups=[PropertyGroup.PROCESS])
            assert order in [one["id"] for one in reader.orders().items]
            with pytest.raises(Denied):
                reader.command("pump-1", "stop")

    def test_what_a_party_does_not_see_answers_as_if_it_were_not_there(self, http, platform, plant, skid):
        order = plant.command("pump-1", "stop", wait_s=40)["id"]
        both = [{"twin": "pump-1", "command": "stop"}]
        transaction = plant.transaction(both, on_failure="leave", wait_s=40)["id"]
        gate = platform.gate
        gate.parties.add("rival", "Rival")
        account = gate.accounts.add("reader of the rival", None, None, party="rival", kind="service")
        secret = gate.tokens.add("of the rival", None, owner=account.id)[1]
        rival = http("viewer", "rival")
        rival.headers["Authorization"] = f"Bearer {secret}"
        for shared in (False, True):  # nothing of the pump; then its usage, of which orders are no part
            if shared:
                gate.grant("party:rival", (Action.READ,), Selector(twins=("pump-1",)), groups=[PropertyGroup.USAGE])
            for kind, id in (("orders", order), ("transactions", transaction)):
                for method, verb in (("GET", ""), ("POST", "/cancel"), ("POST", "/approve")):
                    there = rival.request(method, f"/{kind}/{id}{verb}")
                    nowhere = rival.request(method, f"/{kind}/{id[:-1]}x{verb}")
                    assert there.status_code == nowhere.status_code == 404
                    assert there.text.replace(id, "") == nowhere.text.replace(f"{id[:-1]}x", "")


class TestControl:
    def test_who_has_control_commands_and_others_do_not(self, http):
        one, other = http("operator", "a"), http("operator", "b")
        assert one.put("/twins/pump-1/control", json={"for_s": 60}).json()["mine"] is True
        refused = other.post("/twins/pump-1/commands/stop", json={}, params={"wait": 40}).json()
        assert (refused["state"], refused["reason"]) == ("refused", "control")
        assert one.post("/twins/pump-1/commands/stop", json={}, params={"wait": 40}).json()["state"] == "applied"
        assert other.put("/twins/pump-1/control", json={}).status_code == 409
        assert other.delete("/twins/pump-1/control").status_code == 409
        assert one.delete("/twins/pump-1/control").status_code == 204
        assert other.post("/twins/pump-1/commands/stop", json={}, params={"wait": 40}).json()["state"] == "applied"

    def test_only_who_configures_takes_control_by_force_and_says_why(self, http, platform):
        http("operator", "a").put("/twins/pump-1/control", json={})
        assert http("operator", "b").put("/twins/pump-1/control", json={"force": "I want"}).status_code == 403
        taken = http("engineer").put("/twins/pump-1/control", json={"force": "a is ill"}).json()
        assert (taken["mine"], taken["forced_because"]) == (True, "a is ill")
        kinds = [fact.change.kind for fact in platform.events().items if fact.change.kind.startswith("control.")]
        assert kinds[:2] == ["control.forced", "control.taken"]
        assert "ill" not in str([fact.change.body for fact in platform.events().items])

    def test_control_is_handed_over(self, plant, http):
        http("operator", "heir")
        plant.control.take("pump-1")
        me = plant.control.of("pump-1")["holder"]
        other = plant.control.hand_over("pump-1", "operator heir")
        assert (other["holder"] != me, other["name"], other["mine"]) == (True, "operator heir", False)
        assert http("operator", "heir").get("/twins/pump-1/control").json()["mine"] is True
        with pytest.raises(Conflict, match=f"{other['holder']} has control"):
            plant.control.release("pump-1")

    def test_it_is_handed_over_to_nobody_who_may_not_command(self, plant, http, platform):
        for role in ("viewer", "operator"):
            http(role, "candidate")
        gate = platform.gate
        gate.parties.add("fitters", "Fitters")
        outside = gate.accounts.add("fitter", None, None, party="fitters", kind="service")
        names = {one["name"] for one in plant.control.people("pump-1")}
        assert "operator candidate" in names
        assert names.isdisjoint({"viewer candidate", "fitter"})
        assert http("viewer", "candidate").get("/twins/pump-1/control/people").json() == []
        assert [
            http(role, "candidate").get("/twins/pump-1/control").json()["may"] for role in ("viewer", "operator")
        ] == [
            False,
            True,
        ]
        plant.control.take("pump-1")
        with pytest.raises(InvalidInput, match="nobody else called 'fitter' who may command pump-1"):
            plant.control.hand_over("pump-1", "fitter")
        gate.grant("party:fitters", (Action.READ, Action.COMMAND), Selector(twins=("pump-1",)))
        token = gate.tokens.add("of the fitter", None, owner=outside.id)[1]
        assert plant.control.hand_over("pump-1", "fitter")["name"] == "fitter"
        with gemel.connect(plant.url, token=token) as fitter:
            assert fitter.control.people("pump-1") == [], "who else there is, is not told to other organisations"
            with pytest.raises(InvalidInput, match="nobody else called 'operator candidate'"):
                fitter.control.hand_over("pump-1", "operator candidate")


def test_denied_is_an_error_of_the_client(server, platform):
    token = platform.gate.tokens.add("v", Role.VIEWER)[1]
    with gemel.connect(server.url, token=token) as client, pytest.raises(Denied):
        client.command("pump-1", "stop")

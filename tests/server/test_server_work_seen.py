"""What a service partner of one machine can do with work: nothing of the others' is written over, or told."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import gemel
from gemel.access import Action, Role, Selector
from gemel.client import Client
from gemel.client.transport import path_of
from gemel.clock import SECOND, to_rfc3339
from gemel.configuration import Having, ItemSpec
from gemel.configuration.operations import Modify
from gemel.errors import ConfigurationDiffers, Conflict, Denied, InvalidInput, NotFound
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.work import StopSpec, WorkSpec
from gemel.thread import DocumentSpec, LinkSpec, Node, Phase, RecordSpec
from tests.server.test_server_parties import token_of

HOUR = 3600 * SECOND
PLANT = """
gemel: 1
types: [{id: press, properties: [{name: rate, group: financial}, {name: build, kind: text, group: configuration}]}]
twins: [{id: mine, types: [press]}, {id: shown, types: [press]}, {id: hidden, types: [press]}]
"""
MINE = [f"MINE-{number}" for number in range(4)]


def tell(platform: Platform, id: str, kind: str, twin: str, system: str = "") -> None:
    link = LinkSpec(kind="concerns", source=Node.parse(f"record:{id}"), target=Node.parse(f"twin:{twin}"))
    platform.thread.weave([RecordSpec(id=id, kind=kind, phase=Phase.SERVICE, system=system)], [link])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("seen") / "plant", run_connectors=False) as opened:
        opened.apply(PLANT)
        now = opened.clock.now()
        for twin in ("mine", "shown"):
            opened.configuration.create(ItemSpec(id=f"M-{twin}", part="PRESS", twin=twin), now - 9 * HOUR)
            opened.configuration.create(ItemSpec(id=f"P-{twin}", part="PUMP"), now - 9 * HOUR)
            opened.configuration.install(f"P-{twin}", f"M-{twin}", "pump", now - 8 * HOUR)
        for number, id in enumerate(MINE):
            opened.work.orders.put(WorkSpec(id=id, twin="mine", title="Secret"))
            opened.work.orders.put(WorkSpec(id=f"HIDDEN-{number}", twin="hidden", title="Secret lid"))
            for twin in ("mine", "hidden"):
                opened.work.stops.put(StopSpec(twin=twin, start=now - 2 * HOUR, end=now - HOUR, key=f"{twin}-{number}"))
        for job, twin in (("JP-MINE", "mine"), ("JP-HIDDEN", "hidden")):
            tell(opened, job, "job-plan", twin)
        gate, groups = opened.gate, ["identity", "configuration"]
        gate.parties.add("service", "Service partner")
        gate.grant("party:service", [Action.READ, Action.MAINTAIN], Selector(twins=("mine",)), groups=groups)
        gate.grant("party:service", [Action.READ], Selector(twins=("shown",)), groups=groups)
        yield opened


@pytest.fixture(scope="module")
def as_(platform: Platform) -> Iterator[Callable[[str], Client]]:
    secrets = {
        "operator": platform.gate.tokens.add("operator", Role.OPERATOR)[1],
        "service": token_of(platform, "service", "of service"),
    }
    with Server(platform, port=0) as server:
        made = {name: gemel.connect(server.url, token=secret) for name, secret in secrets.items()}
        yield made.__getitem__
        for one in made.values():
            one.close()


def test_an_order_does_not_write_over_a_record_of_the_thread(platform: Platform, as_: Callable[[str], Client]) -> None:
    tell(platform, "erp:invoice:4711", "invoice", "shown", "erp")
    for name in ("service", "operator"):
        with pytest.raises(Conflict):
            as_(name).work.put({"id": "erp:invoice:4711", "twin": "mine", "title": "Mine now"})
    assert platform.thread.record("erp:invoice:4711").kind == "invoice"
    assert as_("service").work.put({"id": "BECAME-1", "twin": "mine"})["what"] == "new"
    tell(platform, "BECAME-1", "invoice", "shown", "erp")  # another system came to call something so
    with pytest.raises(Conflict, match="another record"):
        as_("service").work.put({"id": "BECAME-1", "twin": "mine", "title": "Mine again"})
    assert platform.thread.record("BECAME-1").kind == "invoice"


def test_a_record_of_an_order_is_made_an_order_by_who_may_write_the_thread(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    tell(platform, "erp:47", "work-order", "hidden", "erp")
    with pytest.raises(Conflict, match="taken"):
        as_("service").work.put({"system": "erp", "external": "47", "twin": "mine"})
    assert platform.thread.record("erp:47").title == ""
    assert as_("operator").work.put({"system": "erp", "external": "47", "twin": "mine"})["what"] == "new"


def test_an_order_follows_no_job_plan_that_its_teller_does_not_see(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    told = {}
    for job in ("JP-HIDDEN", "JP-NONE"):
        with pytest.raises(NotFound) as refused:
            as_("service").work.put({"id": "JOB-1", "twin": "mine", "job": job})
        told[job] = str(refused.value).replace(job, "")
    assert told["JP-HIDDEN"] == told["JP-NONE"]
    as_("service").work.put({"id": "JOB-1", "twin": "mine", "job": "JP-MINE"})
    assert "follows" in {one.kind for one in platform.thread.links(Node.parse("record:JP-MINE"))}
    as_("operator").work.put({"id": "JOB-2", "twin": "mine", "job": "JP-HIDDEN"})
    again = as_("service").work.put({"id": "JOB-2", "twin": "mine", "job": "JP-HIDDEN", "title": "Lid"})
    assert again["what"] == "changed"  # the plan was given by who sees it


def test_pages_of_orders_and_stops_say_nothing_of_those_that_are_hidden(
    as_: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.server.work_seen._AT_ONCE", 1)  # so that a few are many
    work = as_("service").work
    guess = work("Secret lid", limit=1)
    assert (guess.items, guess.next) == ([], None)
    assert work("Secret", limit=len(MINE)).next is None
    for pages in (lambda **query: work("Secret", **query), work.stops):
        found, cursor = [], ""
        for _ in MINE[1:]:
            page = pages(limit=1, cursor=cursor)
            (one,), cursor = page.items, page.next
            found.append(one["twin"])
            assert cursor
        page = pages(limit=1, cursor=cursor)
        assert (found, len(page.items), page.next) == (["mine"] * 3, 1, None)


def test_who_hits_the_key_of_anothers_stop_does_not_learn_whose_it_is(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    stop = {"twin": "mine", "start": to_rfc3339(platform.clock.now() - HOUR), "key": "hidden-1"}
    with pytest.raises(Conflict) as refused:
        as_("service").work.put_stop(stop)
    assert "of hidden" not in str(refused.value)


def test_work_on_an_item_is_told_by_who_may_maintain_what_it_is_in(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    work, start = as_("service").work, to_rfc3339(platform.clock.now() - HOUR)
    for verb in (work.put, lambda told: work.put_stop({**told, "start": start})):
        with pytest.raises(Denied):
            verb({"twin": "mine", "item": "P-shown"})
        assert verb({"twin": "mine", "item": "P-mine"})
    with pytest.raises(Denied):
        work.put({"item": "P-shown"})


def test_what_is_done_assumes_nothing_of_what_its_teller_does_not_see(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    made, then = platform.configuration, platform.clock.now() - 9 * HOUR
    for id, part in (("ELSE", "PRESS"), ("P-else", "PUMP")):
        made.create(ItemSpec(id=id, part=part), then)
    made.install("P-else", "ELSE", "pump", then)
    named = {"do": "modify", "child": "P-mine", "name": "revision", "value": "B", "at": to_rfc3339(then + 2 * HOUR)}
    items = as_("service").items
    for wrong in ({"has": ["!PUMP"]}, {"hash": "0" * 64}, {"slot": "pump"}):
        told = []
        for root in ("ELSE", "NONE"):
            with pytest.raises(NotFound) as refused:
                items.do(named, basis={"expects": [{"root": root, **wrong}]}, dry_run=True)
            told.append(str(refused.value).replace(root, ""))
            plan = made.plans.make([Modify(child="P-mine", name="revision", value="B", at=then)], at=then + 2 * HOUR)
            body = {"basis": {"expects": [{"root": root, **wrong}]}}
            with pytest.raises(NotFound):
                items._at.send(list[Any], "POST", path_of("plans", str(plan.number), "carry-out"), body)
        assert told[0] == told[1]
    told = []
    for guess in ("P-else", "P-none"):  # what is there in the plant is not told from what is not
        with pytest.raises(ConfigurationDiffers, match="holds P-mine") as differs:
            items.do(named, basis={"expects": [{"root": "M-mine", "slot": "pump", "item": guess}]}, dry_run=True)
        told.append(str(differs.value).replace(guess, ""))
    assert told[0] == told[1]
    fitting = {"root": "M-mine", "has": ["PUMP"]}
    items.do(named, basis={"expects": [fitting]}, dry_run=True)
    with pytest.raises(InvalidInput, match="at most 20"):
        items.do(named, basis={"expects": [fitting] * 21}, dry_run=True)
    many = [{"operation": named, "basis": {"expects": [fitting] * 20, "key": str(n)}} for n in range(6)]
    answers = items.do_all(many, dry_run=True)
    codes = [(one["problem"] or {}).get("code") for one in answers]
    assert [code == "too-large" for code in codes] == [False] * 5 + [True]


def test_an_order_complies_with_no_bulletin_that_its_teller_does_not_see(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    for id in ("1042", "SB-1"):
        platform.thread.add_document(DocumentSpec(id=id, kind="bulletin", having=(Having(part="LASER"),)), id.encode())
        with pytest.raises(NotFound, match="there is no record"):
            as_("service").work.put({"id": f"BULLETIN-{id}", "twin": "mine", "job": id})
    assert as_("operator").work.put({"id": "BULLETIN-1", "twin": "mine", "job": "1042"})["what"] == "new"

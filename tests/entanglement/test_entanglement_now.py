"""What is told of entanglement now: by a real platform, whose clock is stepped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import gemel
from gemel.clock import SECOND
from gemel.errors import Conflict
from gemel.intake import Message, Reported
from gemel.state import Selection
from gemel.twin import parse_plant
from tests.entanglement.conftest import PLANT, Shop


def test_nothing_flows_so_it_is_a_model(shop: Shop):
    tie = shop.tie()
    assert (tie.level, tie.inward, tie.fresh) == ("model", "none", None)
    assert tie.why == "nothing was ever reported of it"
    assert (tie.declared.sources, tie.declared.rate_hz, tie.declared.within_s) == (("line",), 1.0, 10.0)


def test_what_the_machine_tells_is_a_shadow_until_it_is_stale(shop: Shop):
    shop.look(shop.clock.now())
    shop.tell(20.0)
    told = shop.clock.now()
    shop.pass_s(5)
    tie = shop.tie()
    assert (tie.level, tie.inward, tie.outward, tie.fresh) == ("shadow", "automatic", "none", True)
    shop.pass_s(10)
    tie = shop.tie()
    assert (tie.level, tie.inward, tie.fresh) == ("model", "none", False)
    assert tie.since == tie.stale_since == told + 10 * SECOND
    assert tie.share == pytest.approx(10 / 15)
    assert tie.broken
    shop.tell(21.0)
    shop.pass_s(1)
    assert (shop.tie().level, shop.tie().since) == ("shadow", shop.clock.now())


def test_latency_is_what_passed_between_the_source_and_us(shop: Shop):
    for _ in range(19):
        shop.tell(20.0, late_s=0.2)
    shop.tell(20.0, late_s=5.0)
    shop.pass_s(2)
    latency = shop.tie().latency
    assert latency is not None
    assert latency.count == 20
    assert latency.p50_s == pytest.approx(0.2, rel=0.13)
    assert latency.p99_s == pytest.approx(5.0, rel=0.13)


def test_lost_messages_are_counted_by_the_gaps_in_their_numbers(shop: Shop):
    shop.look(shop.clock.now())
    shop.tell(20.0)
    shop.tell(21.0, skip=3)
    shop.pass_s(1)
    assert shop.tie().lost == 3
    late = Reported(twin="press-7", property="temperature", value=20.5, time=shop.clock.now() - SECOND)
    shop.platform.ingest([Message(readings=[late], sequence=2, epoch="e")], source="line")
    assert shop.tie().lost == 2


def test_a_value_that_a_person_entered_is_a_model_again(shop: Shop):
    shop.platform.enter("press-7", "oil_level", 62.0, actor="user-1")
    tie = shop.tie("oil_level")
    assert (tie.level, tie.inward, tie.fresh) == ("model", "manual", True)
    assert (tie.entered, tie.entered_by) == (shop.clock.now(), "user-1")
    shop.pass_s(60)
    assert shop.tie("oil_level").fresh, "the bound of a manual binding is its own"
    page = shop.platform.events()
    entered = next(fact.change for fact in page.items if fact.change.kind == "value.entered")
    assert (entered.subject, entered.actor, entered.source) == ("press-7", "user-1", "")
    assert entered.body == {"property": "oil_level", "value": 62.0, "unit": "%"}


def test_what_the_machine_tells_after_a_person_counts_again(shop: Shop):
    shop.tell(20.0)
    shop.clock.step(1)
    shop.platform.enter("press-7", "temperature", 25.0, actor="user-1")
    assert shop.tie().inward == "manual"
    shop.clock.step(1)
    shop.tell(21.0)
    assert (shop.tie().inward, shop.tie().entered) == ("automatic", None)


def test_who_entered_what_outlasts_a_restart(open_shop: Callable[[], Shop]):
    shop = open_shop()
    shop.platform.apply(PLANT)
    shop.platform.enter("press-7", "oil_level", 62.0, actor="user-1")
    shop = open_shop()
    assert (shop.tie("oil_level").inward, shop.tie("oil_level").entered_by) == ("manual", "user-1")


def test_a_binding_by_variables_claims_what_no_other_connector_names(shop: Shop):
    drives = """
gemel: 1
connectors:
  - id: drives
    kind: mqtt
    settings: {url: "mqtt://127.0.0.1:1"}
    bindings: [{address: "{drive}/{key}#value", twin: "{drive}", property: "{key}"}]
"""
    shop.platform.apply(drives)
    assert shop.tie().declared.sources == ("line",)
    assert shop.tie("fahrenheit").declared.sources == ()
    assert shop.tie("oil_level").declared.sources == ("drives",), "beside the people who read it, whoever may tell it"
    assert shop.tie("note").declared.sources == ("drives",)


def test_a_computed_property_is_no_flow_of_its_own(shop: Shop):
    tie = shop.tie("fahrenheit")
    assert tie.inward == "computed"
    summary = shop.platform.entanglement.twin(shop.platform.registry.directory.twin("press-7"))
    assert summary.properties == 4


def test_a_twin_is_the_sum_of_its_properties(shop: Shop):
    shop.tell(20.0)
    shop.tell("OPEN", "door")
    shop.pass_s(12)
    found = shop.platform.entanglement.twin(shop.platform.registry.directory.twin("press-7"))
    assert (found.level, found.levels) == ("shadow", {"model": 2, "shadow": 1, "twin": 0})
    assert (found.stale, found.stale_since) == (1, shop.clock.now() - 2 * SECOND)


def test_the_shop_counts_machines_and_not_the_platform(shop: Shop):
    shop.tell(20.0)
    shop.tell(30.0, twin="press-8")
    shop.pass_s(2)
    found = shop.platform.entanglement.shop()
    assert found.levels == {"model": 2, "shadow": 2, "twin": 0}, "oil level and door are bound, and tell nothing"
    assert (found.twins, found.stale) == (2, 0)


def test_sql_knows_entanglement(shop: Shop):
    shop.tell(20.0, late_s=1.0)
    shop.pass_s(15)
    rows = shop.platform.query(
        "SELECT property, level, fresh, share FROM entanglement WHERE twin = 'press-7' AND NOT fresh"
    ).to_pylist()
    assert [(row["property"], row["level"]) for row in rows] == [("temperature", "model")]


@pytest.mark.parametrize("rule", ["refuse", "device-wins"])
def test_others_may_tell_what_is_bound_only_as_its_binding_says(shop: Shop, rule):
    shop.platform.apply(PLANT.replace("rate_hz: 1}", f"rate_hz: 1, conflict: {rule}}}"))
    shop.tell(20.0)
    shop.clock.step(1)
    with pytest.raises(Conflict, match=rule):
        shop.platform.enter("press-7", "temperature", 25.0)
    with pytest.raises(Conflict, match="line"):
        shop.platform.write("press-7", "temperature", 25.0)
    shop.pass_s(20)
    if rule == "refuse":
        with pytest.raises(Conflict, match="nobody else"):
            shop.platform.enter("press-7", "temperature", 25.0)
    else:
        shop.platform.enter("press-7", "temperature", 25.0)
        shop.clock.step(1)
        shop.platform.enter("press-7", "temperature", 26.0)
        assert shop.tie().inward == "manual"
    shop.clock.step(1)
    shop.tell(21.0)
    assert shop.platform.now("press-7")["temperature"].value == 21.0


def test_the_rule_holds_for_columns_too_and_ends_with_the_binding(shop: Shop):
    frame = pa.RecordBatch.from_pydict({"twin": ["press-7"], "property": ["temperature"], "value": [33.0]})
    assert shop.platform.intake.submit_frame("elsewhere", frame).result().accepted == 1
    shop.platform.apply(PLANT.replace("rate_hz: 1}", "rate_hz: 1, conflict: refuse}"))
    refused = shop.platform.intake.submit_frame("elsewhere", frame).result()
    assert (refused.accepted, refused.quarantined) == (0, 1)
    assert refused.problems[0].code == "not-its-source"
    assert shop.platform.intake.submit_frame("line", frame).result().accepted == 1
    shop.platform.apply(PLANT)
    assert shop.platform.intake.submit_frame("elsewhere", frame).result().accepted == 1


def test_a_broken_bound_is_a_condition_that_comes_and_goes(shop: Shop):
    def condition() -> list[str]:
        updates = shop.platform.entanglement.alarms(shop.clock.now())
        return [f"{one['level']} {one['code']}" for one in updates]

    shop.tell(20.0)
    shop.pass_s(12)
    assert condition() == [], "broken for two seconds: nothing yet"
    shop.pass_s(5)
    assert condition() == ["warning stale:press-7"]
    shop.tell(21.0, skip=2)
    shop.pass_s(1)
    assert condition() == ["warning loss:line"]


def test_bindings_declare_a_conflict_rule_and_a_buffer():
    text = PLANT.replace("rate_hz: 1}", "rate_hz: 1, conflict: refuse, buffers_s: 3600}")
    binding = parse_plant(text, "plant").connectors[0].bindings[0]
    assert (binding.conflict, binding.buffers_s) == ("refuse", 3600)


def test_of_large_frames_a_sample_stands_for_all(shop: Shop):
    """Ten thousand readings of two properties: a thousand are measured, and count for ten each."""
    n = 10_000
    told = pa.RecordBatch.from_pydict(
        {
            "twin": ["press-8"] * n,
            "property": ["temperature", "note"] * (n // 2),
            "time": [shop.clock.now() - 300_000] * n,
            "value": pa.array([20.0] * n),
        }
    )
    numbers = told.filter(pa.array([i % 2 == 0 for i in range(n)]))
    for _ in range(4):
        assert shop.platform.intake.submit_frame("fast", numbers).result().accepted == n // 2
    shop.pass_s(1)
    latency = shop.tie(twin="press-8").latency
    assert latency is not None
    assert latency.count == pytest.approx(4 * n // 2, rel=0.01)
    assert latency.p50_s == pytest.approx(0.3, rel=0.13)


def test_the_platform_tells_of_broken_bounds_by_itself(tmp_path: Path):
    """The housekeeper raises the condition of the platform's twin some seconds after a bound broke."""
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        told = Reported(twin="press-7", property="temperature", value=20.0, time=platform.clock.now() - 60 * SECOND)
        platform.ingest([Message(readings=[told])], source="line")
        with platform.subscribe(Selection()) as changes:
            while platform.registry.directory.twin("gemel.entanglement") is None or not platform.now(
                "gemel.entanglement"
            ).get("broken"):
                assert changes.get(60) is not None
        (raised,) = platform.now("gemel.entanglement")["broken"].value
        assert (raised["level"], raised["code"]) == ("warning", "stale:press-7")
        assert "temperature stale since" in raised["text"]

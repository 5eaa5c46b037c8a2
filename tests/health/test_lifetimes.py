"""Models and predictions over a real platform: what was made true is found again, and nothing more is claimed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from gemel.clock import SteppedClock
from gemel.errors import Conflict, InvalidInput, NotFound, Overloaded
from gemel.health.learning.training import learn
from gemel.health.learning.worker import Errand, run
from gemel.health.lifetimes import Asked, Draft, Failures, Model, Recorded
from gemel.health.lifetimes.calibrating import calibrated, outcomes
from gemel.platform import Platform
from tests.health.fleet import DAY, on

Fleet = tuple[Platform, dict[str, tuple[float, bool]]]
PUMPS = Asked(parts=("PUMP",), counter="hours")
DRAFT = Draft(id="pumps", asked=PUMPS, horizon=1000.0)


@pytest.fixture(scope="module")
def model(fleet: Fleet) -> Model:
    return fleet[0].lifetimes.train(DRAFT, resamples=25, actor="user-1")


def test_lives_are_as_they_were_made(fleet: Fleet) -> None:
    platform, truth = fleet
    rows = platform.lifetimes.table(PUMPS).to_pylist()
    assert {row["item"]: (pytest.approx(row["exit"], abs=0.01), row["ended"] == "failed") for row in rows} == truth


def test_what_the_revision_does_is_found_again_and_the_maker_does_nothing(model: Model) -> None:
    effects = {one.feature: one for one in model.effects}
    revision = effects["revision"]
    truth = 0.4 if revision.level == "B" else 2.5
    assert revision.low < truth < revision.high
    assert revision.high < 1 or revision.low > 1
    assert effects["maker"].low < 1 < effects["maker"].high


def test_the_configuration_makes_predictions_better_and_is_used(model: Model) -> None:
    assert model.compared is not None
    assert model.compared.better
    assert all(score.gain > 0 for score in model.compared.scores)
    assert model.uses == "configuration"
    assert "it is used" in model.why


def test_where_nothing_depends_on_it_no_gain_is_claimed(fleet: Fleet, model: Model) -> None:
    platform, _ = fleet
    assert model.cut is not None
    now, then = (platform.lifetimes.table(PUMPS, at) for at in (None, model.cut))
    found = learn(msgspec.structs.replace(DRAFT, features=("maker",)), now, then, resamples=25)
    assert found.compared is not None
    assert all(score.low <= 0 <= score.high for score in found.compared.scores)
    assert found.uses == "no-configuration"
    assert "may be chance" in found.why


def test_too_few_failures_teach_nothing(fleet: Fleet) -> None:
    platform, truth = fleet
    early = on(90)
    found = platform.lifetimes.train(msgspec.structs.replace(DRAFT, id="early"), at=early, resamples=5)
    assert found.failures < 10 < len(truth)
    assert (found.uses, found.shape, found.compared) == ("", None, None)
    assert found.why.endswith("10 are needed to learn from")
    told = platform.lifetimes.predict(running(fleet, "A")[0], model="early")
    assert (told.probability, told.left, told.curve) == (None, None, ())
    assert "10 are needed" in told.why


def test_the_same_lives_and_seed_give_the_same_model(fleet: Fleet, model: Model) -> None:
    again = fleet[0].lifetimes.train(DRAFT, at=model.valid, known=model.known, resamples=25, actor="user-1")
    assert again.version == model.version + 1
    same = msgspec.structs.replace(again, version=model.version, position=model.position, trained=model.trained)
    assert same == model
    assert fleet[0].lifetimes.model("pumps", model.version) == model


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"counter": "days"}, "the counter of model pumps: hours, not days"),
        ({"parts": ("PUMP", "MILL")}, "parts of model pumps: PUMP, not MILL, PUMP"),
        ({"failures": Failures(events=("leak",))}, "events that are failures of model pumps: none, not leak"),
    ],
)
@pytest.mark.usefixtures("model")
def test_a_model_of_other_lives_is_refused_under_the_same_name(
    fleet: Fleet, other: dict[str, object], told: str
) -> None:
    asked = msgspec.structs.replace(PUMPS, **other)
    with pytest.raises(Conflict, match=f"{told}.*under another name"):
        fleet[0].lifetimes.train(msgspec.structs.replace(DRAFT, asked=asked), resamples=5)
    assert fleet[0].lifetimes.model("pumps").asked == PUMPS


def running(fleet: Fleet, revision: str) -> list[str]:
    rows = fleet[0].lifetimes.table(PUMPS).to_pylist()
    return [row["item"] for row in rows if row["ended"] == "running" and row["revision"] == revision]


def test_a_prediction_says_what_it_rests_on_and_how_sure_it_is(fleet: Fleet, model: Model) -> None:
    platform, truth = fleet
    item = running(fleet, "B")[0]
    found = platform.lifetimes.predict(item, model="pumps")
    assert found.age == pytest.approx(truth[item][0], abs=0.01)
    assert found.probability is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.probability < found.high < 1
    assert found.left is not None
    assert found.left_low is not None
    assert found.left_high is not None
    assert 0 < found.left_low < found.left < found.left_high
    assert (found.model, found.failures, found.machine) == ("pumps", model.failures, f"M{item[1:]}")
    assert found.position == platform.state.position
    # what is told is what the truth would say, as far as so few failures can tell it
    scale = 96 * 20 / np.log(2) ** 0.5
    truly = 1 - np.exp((found.age / scale) ** 2 - ((found.age + 1000) / scale) ** 2)
    assert found.low - 0.1 < truly < found.high + 0.1


def test_moments_follow_from_its_own_pace(fleet: Fleet, model: Model) -> None:
    platform, _ = fleet
    item = running(fleet, "A")[0]
    found = platform.lifetimes.predict(item, model="pumps")
    assert found.pace is not None
    assert found.pace.per_day == pytest.approx(20.0)
    assert found.left is not None
    assert found.fails == pytest.approx(found.at + found.left / 20 * DAY, abs=DAY / 100)
    (limit,) = found.limits
    assert limit.time == pytest.approx(found.at + (6000 - found.age) / 20 * DAY, abs=DAY / 100)
    until = platform.lifetimes.predict(item, model="pumps", until=found.at + 50 * DAY)
    assert until.more == pytest.approx(1000.0)
    assert until.probability == pytest.approx(found.probability)
    with pytest.raises(InvalidInput, match="give a later one"):
        platform.lifetimes.predict(item, model="pumps", until=found.at - 1)


def test_what_failed_and_what_no_model_knows_is_told_as_that(fleet: Fleet, model: Model) -> None:
    platform, truth = fleet
    gone = next(item for item, (_, failed) in truth.items() if failed)
    assert platform.lifetimes.predict(gone, model="pumps").why == "it has failed: leak"
    with pytest.raises(NotFound, match="no model has learnt from lives of MILL"):
        platform.lifetimes.predict("M0")
    with pytest.raises(NotFound, match="gemel lifetimes train"):
        platform.lifetimes.predict("P0", model="none")


def test_risks_come_sorted_by_machine_and_fleet_and_agree_with_the_item(fleet: Fleet, model: Model) -> None:
    platform, truth = fleet
    found = platform.lifetimes.risks("pumps", limit=1000)
    told = [one.probability for one in found.items]
    assert told == sorted(told, reverse=True)
    assert len(found.items) == found.total == sum(not failed for _, failed in truth.values())
    assert found.expected == pytest.approx(sum(told))
    worst = found.items[0]
    assert platform.lifetimes.predict(worst.item, model="pumps").probability == pytest.approx(worst.probability)
    of_machine = platform.lifetimes.risks("pumps", root=worst.machine)
    assert [one.item for one in of_machine.items] == [worst.item]


def test_predictions_are_kept_once_for_each_horizon_and_held_against_what_happened(fleet: Fleet, model: Model) -> None:
    platform, _ = fleet
    lifetimes, clock = platform.lifetimes, platform.clock
    assert isinstance(clock, SteppedClock)
    many = lifetimes.record("pumps")
    assert many == lifetimes.risks("pumps").total
    assert lifetimes.record("pumps") == 0
    again = lifetimes.train(DRAFT, resamples=5)
    assert again.uses
    assert lifetimes.record("pumps") == 0  # of no version while the use that one told of is not over
    kept = lifetimes.recorded(model="pumps", limit=1000)
    assert {one.outcome for one in kept} == {"open"}
    assert lifetimes.calibration("pumps").why.startswith("of 0 predictions")
    clock.step(80 * 24 * 3600)
    platform.configuration.use("hall", "hours", on(700), on(780), 1600.0)
    risky = sorted(kept, key=lambda one: -one.probability)[: round(sum(one.probability for one in kept))]
    for one in risky:
        platform.configuration.modify(one.item, "failed", "leak", on(720))
    found = lifetimes.calibration("pumps")
    assert (found.predictions, found.open, found.failed) == (many, 0, len(risky))
    assert found.expected == pytest.approx(len(risky), abs=0.5)
    assert found.bands
    outcome = {one.item: one.outcome for one in lifetimes.recorded(risky[0].item)}
    assert outcome == {risky[0].item: "failed"}
    with platform.database.write() as tx:  # of a model that cannot be read the others know nothing
        document = """replace(document, '"id":"pumps"', '"id":"torn"')"""
        tx.exec_driver_sql(
            f"INSERT INTO lifetime_model SELECT 'torn', 1, trained + 1, {document}, '{{' FROM lifetime_model "
            f"WHERE id = 'pumps' AND version = {again.version}"
        )
    assert lifetimes.models()[0].id == "torn"
    assert lifetimes.step(lambda: False) == 0
    clock.step(24 * 3600)
    assert lifetimes.step() == many - len(risky)
    assert lifetimes.step() == 0
    with platform.database.write() as tx:
        tx.exec_driver_sql("DELETE FROM lifetime_model WHERE id = 'torn'")


def test_a_model_that_says_the_truth_is_calibrated() -> None:
    rng = np.random.default_rng(5)
    kept, lived = [], {}
    for number in range(600):
        risk = float(rng.uniform(0.05, 0.6))
        one = Recorded(
            number=number, item=f"I{number}", model="m", version=1, life=1, at=0, known=0, position=0,
            age=10.0, more=100.0, probability=risk, low=risk, high=risk, left=0.0,
        )  # fmt: skip
        lasts = float(rng.exponential(-100 / np.log1p(-risk)))
        seen = float(rng.uniform(20, 300))
        kept.append(one)
        lived[one.item, 1] = (10 + min(lasts, seen), "failed" if lasts < seen else "running")
    found = calibrated("m", kept, lived)
    assert len(found.bands) == 5
    for band in found.bands:
        assert band.observed_low is not None
        assert band.observed_high is not None
        assert band.observed_low <= band.predicted <= band.observed_high
    told = {one.outcome for one in outcomes(kept, lived)}
    assert told == {"failed", "lived", "open"}


def test_a_training_that_takes_too_much_is_ended(fleet: Fleet) -> None:
    table = fleet[0].lifetimes.table(PUMPS)
    with pytest.raises(Overloaded, match="longer than"):
        run(Errand(DRAFT, 100_000, 4096), table, table, timeout_s=0.1)

    class Unwanted(Exception):
        pass

    def look() -> None:
        raise Unwanted

    with pytest.raises(Unwanted):
        run(Errand(DRAFT, 100_000, 4096), table, table, look=look)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"id": "../x"}, "names no model"),
        ({"features": ("colour",)}, "not known of lives"),
        ({"horizon": 0.0}, "more than 0"),
        ({"learn_share": 1.0}, "learn_share"),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused_with_the_way_out(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        msgspec.structs.replace(DRAFT, **wrong)

"""The life of a campaign: frozen, checked again, group by group, proved by reports, stopped, brought back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gemel.configuration import Effectivity, Having, ItemSpec, Need, PartsDocument, PartType, RelianceQuery, SlotSpec
from gemel.errors import Conflict, InvalidInput, KeyReused, NotFound
from gemel.services.campaigns import GroupSpec, Selection, forget_targets
from tests.services.fleet import Fleet, draft

TWO = (GroupSpec(name="first", share="1"), GroupSpec(name="rest", success="90%", errors="2"))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.close()


def test_a_group_begins_when_the_one_before_it_has_succeeded_by_reports(fleet):
    one = fleet.begun(draft(groups=TWO))
    relied = fleet.configuration.reliances(RelianceQuery(kind="campaign", reference=one.id)).items
    assert {each.reliance.root for each in relied} == {target.machine for target in fleet.targets(one.id).values()}
    assert not any(each.differences for each in relied)
    fleet.turn()
    assert fleet.told() == {0}
    fleet.answers(0, "done")
    fleet.turn()
    assert fleet.states(one.id)[0] == "updating", "that it says so is no proof"
    fleet.tells(0, "1.1.0")
    fleet.turn()
    assert fleet.told() == {1, 2, 3}
    for number in (1, 2, 3):
        fleet.updates(number)
    fleet.turn()
    assert fleet.campaigns.get(one.id).state == "finished"
    proofs = [target.proof for target in fleet.targets(one.id).values()]
    assert all(proof.version == "1.1.0" and proof.position for proof in proofs)
    assert fleet.journaled("update.proved") == [f"drive-{n}" for n in range(4)]
    assert fleet.journaled("campaign.finished") == [one.id]


def test_what_a_device_reported_before_it_was_told_proves_nothing(fleet):
    one = fleet.begun(draft(selection=Selection(twins=("drive-0",))))
    fleet.intake.submit("wire", []).result()
    fleet.turn()
    target = fleet.targets(one.id)[0]
    assert target.state == "updating"
    fleet.answers(0, "done")
    fleet.step(101)
    fleet.turn()
    assert (fleet.states(one.id)[0], fleet.targets(one.id)[0].reason) == ("unknown", "silent")


def test_a_device_that_lies_fails_by_what_it_reports(fleet):
    one = fleet.begun(draft(selection=Selection(twins=("drive-0",))))
    fleet.turn()
    fleet.answers(0, "done")
    fleet.tells(0, "1.0.0")
    fleet.step(101)
    fleet.turn()
    target = fleet.targets(one.id)[0]
    assert (target.state, target.reason) == ("failed", "reports")
    assert "it reports 1.0.0, not 1.1.0, although it said that it was done" in target.detail
    assert fleet.campaigns.get(one.id).state == "paused"


def test_what_nobody_can_tell_stays_unknown_until_the_device_tells_it(fleet):
    one = fleet.begun(draft(selection=Selection(twins=("drive-0",))))
    fleet.turn()
    fleet.answers(0, "unknown")
    fleet.step(101)
    fleet.turn()
    assert fleet.states(one.id)[0] == "unknown"
    with pytest.raises(Conflict, match="settled first"):
        fleet.campaigns.retry(one.id)
    fleet.tells(0, "1.1.0")
    fleet.turn()
    assert fleet.states(one.id)[0] == "succeeded", "it was told late, and counts"
    assert len(fleet.device.handed) == 1


def test_a_person_settles_what_is_unknown_and_it_is_tried_again_with_an_order_of_its_own(fleet):
    one = fleet.begun(draft(selection=Selection(twins=("drive-0",))))
    fleet.turn()
    fleet.answers(0, "unknown")
    fleet.step(101)
    fleet.turn()
    fleet.campaigns.settle(one.id, 0, actor="user-b", said="looked at it")
    fleet.campaigns.retry(one.id, actor="user-b")
    fleet.campaigns.resume(one.id, actor="user-b")
    fleet.turn()
    fleet.updates(0)
    fleet.turn()
    assert fleet.campaigns.get(one.id).state == "finished"
    assert sorted(fleet.device.handed.values()) == [1, 1], "two orders, each sent once"


def test_errors_up_to_the_threshold_pause_it_and_nothing_more_is_sent(fleet):
    one = fleet.begun(draft(groups=(GroupSpec(name="all", errors="50%"),), at_once=2))
    fleet.turn()
    assert fleet.told() == {0, 1}
    fleet.answers(0, "refused", "no room")
    fleet.turn()
    assert fleet.told() == {1, 2}, "one of four is no half"
    fleet.answers(1, "refused", "no room")
    fleet.turn()
    campaign = fleet.campaigns.get(one.id)
    assert (campaign.state, campaign.reason) == ("paused", "errors")
    assert "2 of 4 machines of all failed" in campaign.detail
    fleet.turn()
    assert fleet.told() == {2}, "what was under way goes on, and nothing is sent"
    fleet.campaigns.resume(one.id)
    fleet.turn()
    assert fleet.told() == {2, 3}, "who resumes forgives what has failed so far"


def test_a_group_that_ends_with_too_few_successes_pauses_it(fleet):
    groups = (GroupSpec(name="first", share="2", success="2", errors="2"), GroupSpec(name="rest"))
    one = fleet.begun(draft(groups=groups))
    fleet.turn()
    fleet.updates(0)
    fleet.answers(1, "refused")
    fleet.turn()
    campaign = fleet.campaigns.get(one.id)
    assert (campaign.state, campaign.reason) == ("paused", "success")
    fleet.campaigns.resume(one.id)
    fleet.turn()
    assert fleet.told() == {2, 3}


def test_targets_are_frozen_and_looked_at_again_right_before_each_is_told(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    fleet.configuration.create(ItemSpec(id="D-9", part="DRIVE", revision="B", serial="S9"), fleet.clock.now())
    fleet.configuration.modify("D-1", "revision", "C", fleet.clock.now() + 1)
    fleet.step(1)
    fleet.tells(2, "1.0.1")
    fleet.updates(0)
    fleet.turn()
    assert fleet.told() == {3}
    targets = fleet.targets(one.id)
    assert set(targets) == {0, 1, 2, 3}
    assert [(targets[n].state, targets[n].reason) for n in (1, 2)] == [("skipped", "changed")] * 2
    assert "its configuration has changed since targeting" in targets[1].detail
    assert "it reports 1.0.1, and reported 1.0.0" in targets[2].detail


def test_a_rule_that_comes_while_it_runs_keeps_machines_out(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    text = (
        "software: [{part: DRV-FW, scheme: semver, versions: [{version: 1.0.0}, "
        "{version: 1.1.0, excludes: [{part: DRIVE, versions: B}]}], "
        "ways: [{type: drive, slot: firmware, reports: firmware, command: update}]}]"
    )
    fleet.software.apply(text)
    fleet.updates(0)
    fleet.turn()
    assert fleet.told() == set()
    targets = fleet.targets(one.id)
    assert {(targets[n].state, targets[n].reason) for n in (1, 2, 3)} == {("skipped", "excludes")}
    assert fleet.campaigns.get(one.id).detail == "nobody is left in rest: all were skipped"


def test_a_machine_waits_while_its_own_rules_for_orders_do_not_hold(fleet):
    fleet.says(0, moving=True)
    one = fleet.begun(draft(selection=Selection(twins=("drive-0",))))
    fleet.turn()
    assert (fleet.told(), fleet.states(one.id)) == (set(), {0: "pending"})
    waiting, _ = fleet.campaigns.targets(one.id)
    assert "stop it first" in waiting[0].detail
    fleet.says(0, moving=False)
    fleet.turn()
    assert fleet.told() == {0}


def test_the_dry_run_says_who_is_blocked_by_which_rule_and_sends_nothing(fleet):
    fleet.configuration.modify("D-1", "revision", "A", fleet.clock.now() + 1)
    fleet.step(1)
    fleet.tells(2, "1.1.0")
    told = {one.twin: one for one in fleet.campaigns.preview(draft(groups=TWO))}
    assert {twin: str(one.chances) for twin, one in told.items()} == {
        "drive-0": "eligible",
        "drive-1": "blocked",
        "drive-2": "in_sync",
        "drive-3": "eligible",
    }
    assert told["drive-1"].objections[0].text == "DRV-FW 1.1.0 needs DRIVE B | C; there is A"
    assert (told["drive-0"].group, told["drive-3"].group) == ("first", "rest")
    fleet.turn()
    assert fleet.told() == set()


def test_machines_are_chosen_by_what_is_in_them(fleet):
    now = fleet.clock.now()
    fleet.configuration.create(ItemSpec(id="brake-1", part="BRAKE", revision="A"), now)
    fleet.configuration.install("brake-1", "D-2", "brake", now + 1)
    fleet.step(1)

    def chosen(**how):
        return [one.twin for one in fleet.campaigns.preview(draft(selection=Selection(**how)))]

    assert chosen(machines=(Need(part="BRAKE"),)) == ["drive-2"]
    assert chosen(having=(Having(part="BRAKE"),)) == ["drive-2"]
    assert chosen(effectivity=Effectivity(serials=("S1..S2",))) == ["drive-1", "drive-2"]
    assert chosen(versions=">=1.1") == []
    assert chosen(versions="<1.1", twins=("D-3", "drive-1")) == ["drive-1", "drive-3"]


def test_the_emergency_stop_takes_back_what_has_not_left(fleet):
    fleet.device.trouble = "there is no link"
    one = fleet.begun(draft())
    fleet.turn()
    assert set(fleet.states(one.id).values()) == {"updating"}
    fleet.campaigns.stop(one.id, actor="user-b")
    fleet.turn(3)
    assert set(fleet.states(one.id).values()) == {"cancelled"}
    fleet.device.trouble = ""
    fleet.turn()
    assert fleet.told() == set()
    with pytest.raises(Conflict, match="stopped"):
        fleet.campaigns.resume(one.id)


def test_what_is_paused_and_has_not_left_is_sent_later_by_an_order_of_its_own(fleet):
    fleet.device.trouble = "there is no link"
    one = fleet.begun(draft(selection=Selection(twins=("drive-0",))))
    fleet.turn()
    fleet.campaigns.pause(one.id)
    fleet.turn(3)
    assert fleet.states(one.id) == {0: "pending"}
    fleet.device.trouble = ""
    fleet.campaigns.resume(one.id)
    fleet.turn()
    fleet.updates(0)
    fleet.turn()
    assert fleet.campaigns.get(one.id).state == "finished"


def test_rolled_back_is_what_reports_the_version_before(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    fleet.updates(0)
    fleet.turn()
    fleet.campaigns.roll_back(one.id, actor="user-b")
    fleet.turn()
    for number in (1, 2, 3):
        fleet.updates(number)
    fleet.turn()
    assert fleet.told() == {0, 1, 2, 3}, "those that were under way to it ended well, and are brought back, too"
    for number in range(4):
        assert fleet.answers(number, "done") == "1.0.0"
        if number:
            fleet.tells(number, "1.0.0")
    fleet.tells(0, "1.1.0")
    fleet.step(101)
    fleet.turn()
    assert fleet.states(one.id) == {0: "not_rolled_back", **dict.fromkeys((1, 2, 3), "rolled_back")}
    campaign = fleet.campaigns.get(one.id)
    assert (campaign.state, campaign.detail) == (
        "rolled_back",
        "1 machines could not be brought back, or are unknown",
    )


def test_a_device_that_goes_back_by_itself_has_failed(fleet):
    one = fleet.begun(
        draft(groups=(GroupSpec(name="all", errors="4"),), selection=Selection(twins=("drive-0", "drive-1")))
    )
    fleet.turn()
    fleet.updates(0)
    fleet.turn()
    fleet.tells(0, "1.0.0")
    fleet.turn()
    target = fleet.targets(one.id)[0]
    assert (target.state, target.reason) == ("failed", "reverted")


def test_a_version_counts_when_it_has_held_and_the_function_check_passes(tmp_path):
    fleet = Fleet(tmp_path, 2, check="self_test = 'passed'")
    one = fleet.begun(draft(settle_s=30.0))
    fleet.turn()
    for number in (0, 1):
        fleet.updates(number)
    fleet.says(1, self_test="failed")
    fleet.turn()
    fleet.step(20)
    fleet.turn()
    assert fleet.states(one.id) == {0: "updating", 1: "updating"}
    fleet.step(11)
    fleet.turn()
    assert fleet.states(one.id) == {0: "succeeded", 1: "updating"}
    fleet.step(100)
    fleet.turn()
    target = fleet.targets(one.id)[1]
    assert (target.state, target.reason) == ("failed", "function")
    fleet.close()


def test_it_waits_for_somebody_else_and_for_its_time(fleet):
    asked = draft(approval=True, start=fleet.clock.now() + 60_000_000)
    one = fleet.begun(asked)
    fleet.turn()
    assert one.state == "waiting"
    with pytest.raises(Conflict, match="your own"):
        fleet.campaigns.approve(one.id, actor="user-a")
    assert fleet.campaigns.approve(one.id, actor="user-b").state == "scheduled"
    fleet.turn()
    assert fleet.told() == set()
    fleet.step(61)
    fleet.turn()
    assert fleet.told() == {0, 1, 2, 3}


def test_a_report_is_signed_off_once_and_then_stands(fleet):
    one = fleet.begun(draft())
    fleet.turn()
    with pytest.raises(Conflict, match="running"):
        fleet.campaigns.sign_off(one.id, actor="user-b")
    for number in range(4):
        fleet.updates(number)
    fleet.turn()
    signed = fleet.campaigns.sign_off(one.id, actor="user-b").signed
    assert (signed.actor, len(signed.sha256)) == ("user-b", 64)
    for verb in (fleet.campaigns.roll_back, fleet.campaigns.retry):
        with pytest.raises(Conflict, match="signed off"):
            verb(one.id)
    fleet.tells(0, "1.0.0")
    fleet.turn()
    assert fleet.states(one.id)[0] == "succeeded"


def test_the_same_key_is_the_same_campaign(fleet):
    first = fleet.campaigns.create(draft(key="k"), actor="user-a")
    assert fleet.campaigns.create(draft(key="k"), actor="user-a").id == first.id
    with pytest.raises(KeyReused):
        fleet.campaigns.create(draft("1.0.0", key="k"), actor="user-a")


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (draft("1.2.0"), InvalidInput, "withdrawn: it burns"),
        (draft("9.9.9"), NotFound, "declared are 1.0.0, 1.1.0, 1.2.0"),
        (draft(groups=(GroupSpec(share="1"),)), InvalidInput, "the last group takes all that are left"),
        (draft(groups=(GroupSpec(success="120%"),)), InvalidInput, "not '120%'"),
        (draft(groups=(GroupSpec(name="a", share="1"), GroupSpec(name="a"))), InvalidInput, "one name"),
        (draft(at_once=0), InvalidInput, "at_once"),
    ],
)
def test_what_could_never_be_carried_out_is_refused_at_once(fleet, asked, error, says):
    with pytest.raises(error, match=says):
        fleet.campaigns.create(asked)


def test_a_campaign_that_nobody_fits_does_not_begin(fleet):
    one = fleet.campaigns.create(draft(selection=Selection(versions=">=1.1")))
    with pytest.raises(InvalidInput, match="no machine could get DRV-FW"):
        fleet.campaigns.begin(one.id)


def test_what_is_erased_of_a_machine_is_no_target_any_more(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    with fleet.database.write() as tx:
        assert forget_targets(tx, "drive-1") == 1
    fleet.campaigns.engine.look_again()
    fleet.updates(0)
    fleet.turn()
    assert fleet.told() == {2, 3}
    assert set(fleet.targets(one.id)) == {0, 2, 3}


def test_rights_are_looked_at_again_right_before_each_machine_is_told(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    fleet.updates(0)
    fleet.revoked.add("drive-2")
    fleet.turn()
    assert fleet.told() == {1, 3}
    assert fleet.states(one.id)[2] == "skipped"
    assert (fleet.targets(one.id)[2].reason, fleet.targets(one.id)[2].detail) == (
        "rights",
        "user-a may not command drive-2",
    )
    for number in (1, 3):
        fleet.updates(number)
    fleet.turn()
    fleet.revoked.add("drive-3")
    fleet.campaigns.roll_back(one.id, actor="user-b")
    fleet.turn()
    assert fleet.told() == {0, 1}
    assert fleet.targets(one.id)[3].detail == "user-b may not command drive-3", "who wanted to go back is asked"


def test_somebody_else_takes_over_from_one_who_may_not_go_on(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    fleet.revoked.add("user-a")
    fleet.updates(0)
    fleet.turn()
    paused = fleet.campaigns.get(one.id)
    assert (paused.state, paused.detail) == ("paused", "nobody is left in rest: all were skipped")
    with pytest.raises(Conflict, match="your own"):
        fleet.campaigns.take_over(one.id, actor="user-a")
    taken = fleet.campaigns.take_over(one.id, actor="user-b")
    assert (taken.actor, taken.state, taken.detail) == ("user-b", "running", "taken over from user-a")
    fleet.turn()
    assert fleet.told() == {1, 2, 3}
    for number in (1, 2, 3):
        fleet.updates(number)
    fleet.turn()
    assert fleet.campaigns.get(one.id).state == "finished"
    orders = [fleet.commander.order(target.order) for target in fleet.targets(one.id).values()]
    assert [order.actor for order in orders] == ["user-a", "user-b", "user-b", "user-b"]


def test_an_order_that_was_not_noted_is_found_by_who_takes_over(fleet):
    one = fleet.begun(draft(groups=(GroupSpec(name="all", success="1"),), at_once=1))
    fleet.campaigns.engine.turn()
    fleet.commander.dispatcher.turn()
    (number,) = fleet.told()
    target = fleet.targets(one.id)[number]
    with fleet.database.write() as tx:  # as if Gemel had been killed in between
        tx.execute(text("UPDATE service_campaign_target SET \"order\" = '' WHERE ordinal = :n"), {"n": target.ordinal})
    fleet.campaigns.take_over(one.id, actor="user-b")
    fleet.turn()
    assert fleet.targets(one.id)[number].order == target.order
    assert len(fleet.device.errands) == 1


def safety(fleet: Fleet, part: str, *slots: SlotSpec) -> None:
    parts = fleet.configuration.parts
    parts.apply(parts.plan(PartsDocument(parts=(PartType(part=part, slots=slots),))))


def test_what_is_unsafe_where_it_goes_keeps_it_out_and_elsewhere_is_told(fleet):
    now = fleet.clock.now()
    safety(fleet, "LINE", SlotSpec(slot="drive"), SlotSpec(slot="guard", mandatory=True, safety=True))
    fleet.configuration.create(ItemSpec(id="LINE-1", part="LINE", serial="L1"), now)
    fleet.configuration.install("D-0", "LINE-1", "drive", now)
    brake = SlotSpec(slot="brake", mandatory=True, safety=True)
    firmware = SlotSpec(slot="firmware", mandatory=True, safety=True)
    safety(fleet, "DRIVE", brake, firmware)
    for number in (0, 2, 3):
        fleet.configuration.create(ItemSpec(id=f"B-{number}", part="BRAKE", serial=f"B{number}"), now)
        fleet.configuration.install(f"B-{number}", f"D-{number}", "brake", now)
    verdicts = {one.twin: one for one in fleet.campaigns.preview(draft())}
    assert [(one.rule, one.text) for one in verdicts["drive-1"].objections] == [
        ("unsafe", "brake of D-1 is empty; something belongs there")
    ]
    assert verdicts["drive-0"].chances == "eligible"
    assert "guard of LINE-1 is empty; something belongs there" in verdicts["drive-0"].unsafe
    assert verdicts["drive-2"].unsafe == ("firmware of D-2 is empty; something belongs there",)


def test_a_machine_that_has_become_unsafe_since_targeting_is_skipped(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.turn()
    fleet.updates(0)
    safety(fleet, "DRIVE", SlotSpec(slot="brake", mandatory=True, safety=True))
    fleet.turn()
    assert fleet.told() == set()
    assert {target.reason for n, target in fleet.targets(one.id).items() if n} == {"unsafe"}


def test_what_waits_for_a_link_is_not_told_what_its_rules_exclude_by_then(fleet):
    one = fleet.begun(draft(groups=TWO))
    fleet.campaigns.engine.turn()
    fleet.device.trouble = "there is no link"
    fleet.turn()
    (target,) = [one for one in fleet.targets(one.id).values() if one.state == "updating"]
    assert fleet.commander.order(target.order).state == "requested"
    fleet.step(1)
    fleet.configuration.modify("D-0", "revision", "A", fleet.clock.now())
    fleet.turn()
    fleet.device.trouble = ""
    fleet.turn()
    assert 0 not in fleet.told()
    assert (fleet.targets(one.id)[0].state, fleet.targets(one.id)[0].reason) == ("skipped", "changed")
    assert fleet.commander.order(target.order).state == "cancelled"

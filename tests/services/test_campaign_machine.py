"""A campaign against drives that do as they are told, refuse, lie, fall silent, are changed and go back, while Gemel is
restarted at any step; whatever happens, these hold."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gemel.errors import Conflict
from gemel.services.campaigns import GroupSpec, TargetState
from gemel.services.campaigns.campaign import ENDED
from tests.services.fleet import Fleet, draft

COUNT = 5
T = TargetState
GROUPS = (
    GroupSpec(name="first", share="1"),
    GroupSpec(name="second", share="2", success="1", errors="2"),
    GroupSpec(name="rest", success="50%", errors="50%"),
)
FOLDERS = Path(tempfile.gettempdir())


class Campaigning(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FOLDERS))
        self.fleet = Fleet(self.folder, COUNT)
        self.id = self.fleet.begun(draft(groups=GROUPS, at_once=2)).id
        self.excluded, self.changed = set(), set()
        self.sent = []
        """(drive, version, what held when it was handed over)"""
        self.ran = {number: ["1.0.0"] for number in range(COUNT)}
        self.fleet.device.carry = self.handed
        self.before = ("", 0)
        """The campaign's state and the attempts, when it was last looked at."""

    def teardown(self):
        self.fleet.close()
        shutil.rmtree(self.folder)

    def handed(self, errand, tell):
        """The carrier: what leaves is looked at in this very moment."""
        number = int(errand.twin.removeprefix("drive-"))
        version = errand.input["version"]
        assert not (number in self.excluded and version == "1.1.0"), f"drive-{number} got what its rules exclude"
        assert not (number in self.changed and version == "1.1.0"), f"drive-{number} is not what was targeted"
        assert errand.order not in [order for _, _, order in self.sent], "an order left twice"
        self.sent.append((number, version, errand.order))
        self.fleet.device.errands.append((errand, tell))

    # drives

    @precondition(lambda self: self.fleet.device.errands)
    @rule(data=st.data(), does=st.sampled_from(["update", "update", "update", "lie", "refuse", "doubt", "only report"]))
    def a_drive_answers(self, data, does):
        number = data.draw(st.sampled_from(sorted(self.fleet.told())))
        if does == "refuse":
            self.fleet.answers(number, "refused", "no room")
        elif does == "doubt":
            self.fleet.answers(number, "unknown")
        elif does == "lie":
            self.fleet.answers(number, "done")
            self.reported(number, self.ran[number][-1])
        elif does == "only report":
            errand, _ = self.fleet.errand_of(number)
            self.reported(number, errand.input["version"])
        else:
            self.reported(number, self.fleet.answers(number, "done"))
        self.fleet.turn()

    def reported(self, number, version):
        self.fleet.step(0.01)
        self.fleet.tells(number, version)
        self.ran[number].append(version)

    @rule(number=st.integers(0, COUNT - 1), version=st.sampled_from(["1.0.0", "1.1.0"]))
    def a_drive_is_updated_by_hand(self, number, version):
        self.reported(number, version)
        self.fleet.turn()

    @precondition(lambda self: len(self.excluded | self.changed) < 2)
    @rule(number=st.integers(1, COUNT - 1), revision=st.sampled_from(["A", "C"]))
    def a_drive_is_changed(self, number, revision):
        if number in self.excluded | self.changed:
            return
        self.fleet.step(0.01)
        self.fleet.configuration.modify(f"D-{number}", "revision", revision, self.fleet.clock.now())
        (self.excluded if revision == "A" else self.changed).add(number)
        self.fleet.turn()

    # people, time, Gemel

    @rule(verb=st.sampled_from(["pause", "resume", "resume", "retry", "roll_back", "stop"]))
    def somebody_acts(self, verb):
        if verb in ("roll_back", "stop") and len(self.sent) < 3:
            return
        if verb == "retry":
            self.changed.clear()  # who tries again has seen what it is now
        try:
            getattr(self.fleet.campaigns, verb)(self.id)
        except Conflict:
            return
        self.fleet.turn()

    @rule(seconds=st.sampled_from([1, 60, 101]))
    def time_goes_by(self, seconds):
        self.fleet.step(seconds)
        self.fleet.turn()

    @rule()
    def the_link_goes_and_comes(self):
        self.fleet.device.trouble = "" if self.fleet.device.trouble else "there is no link"
        self.fleet.turn()

    @rule(turns=st.integers(0, 2))
    def gemel_is_killed_and_begins_again(self, turns):
        left = self.fleet.device.errands
        self.fleet.reopen()
        self.fleet.device.carry = self.handed
        tell = self.fleet.commander.dispatcher.tell
        self.fleet.device.errands += [(errand, tell) for errand, _ in left]  # the drives have them still
        self.fleet.turn(turns)

    # what holds

    @invariant()
    def success_is_only_what_was_reported(self):
        for number, target in self.fleet.targets(self.id).items():
            wanted = {T.SUCCEEDED: "1.1.0", T.ROLLED_BACK: "1.0.0"}.get(target.state)
            if wanted is not None:
                assert target.proof.version == wanted
                assert target.proof.position > target.sent_after
                assert wanted in self.ran[number]
            if target.state in (T.PENDING, T.SKIPPED, T.CANCELLED) and target.attempt == 0:
                assert number not in [drive for drive, _, _ in self.sent], (
                    f"drive-{number} is {target.state}, and was told"
                )

    @invariant()
    def thresholds_hold(self):
        campaign = self.fleet.campaigns.get(self.id)
        for target in self.fleet.targets(self.id).values():
            if target.group > campaign.group and target.state not in (T.SKIPPED, T.CANCELLED):
                assert target.state is T.PENDING, "a group was told before its turn"
        told = [target.state for target in self.fleet.targets(self.id).values()]
        assert sum(state in (T.UPDATING, T.ROLLING_BACK) for state in told) <= campaign.at_once

    @invariant()
    def each_order_is_of_one_attempt(self):
        attempts = sum(target.attempt for target in self.fleet.targets(self.id).values())
        assert len(self.sent) <= attempts

    @invariant()
    def nothing_is_begun_while_it_stands_still(self):
        state = self.fleet.campaigns.get(self.id).state
        attempts = sum(target.attempt for target in self.fleet.targets(self.id).values())
        if (before := self.before)[0] == state and state in ("paused", "stopped", "finished", "rolled_back"):
            assert attempts == before[1]
        self.before = (state, attempts)

    @invariant()
    def every_end_has_its_reason(self):
        for target in self.fleet.targets(self.id).values():
            if target.state in ENDED - {T.SUCCEEDED, T.ROLLED_BACK}:
                assert target.reason, target


@pytest.mark.slow
def test_a_campaign_keeps_its_promises_whatever_happens():
    how = settings(
        max_examples=6,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Campaigning, settings=how)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_campaign_keeps_its_promises_in_many_lives():
    how = settings(max_examples=400, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Campaigning, settings=how)

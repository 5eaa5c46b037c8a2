"""The life of an order, against a device that answers when and what the test says."""

import pytest

from gemel.commands import OrderState, Outcome, Result, forget_twin
from gemel.errors import Conflict, Overloaded, RevisionConflict, StorageFull
from gemel.twin import Change
from tests.commands.world import World

S = OrderState


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


def states(world, order):
    return [step.state for step in world.order(order.id).steps]


class TestSteps:
    def test_every_step_is_a_row_and_a_change_before_anything_follows(self, world):
        order = world.set("speed", 40)
        assert (order.state, world.device.errands) == (S.REQUESTED, [])
        seen = []
        world.device.at_once = lambda errand, tell: seen.append(world.order(errand.order).state)
        world.turn()
        assert seen == [S.SENT]  # on stable storage before the device is handed anything
        world.commander.dispatcher.tell(order.id, _outcome("delivered"))
        world.commander.dispatcher.tell(order.id, _outcome("acknowledged"))
        world.turn()
        world.report("speed", 40.4)
        world.turn()
        wanted = ["requested", "sent", "delivered", "acknowledged", "applied"]
        assert states(world, order) == wanted
        assert [change.kind for change in world.changes(order.id)] == [f"command.{one}" for one in wanted]
        assert world.changes(order.id)[0].actor == "user-a"

    def test_a_value_outside_the_tolerance_is_not_applied(self, world):
        order = world.set("speed", 40)
        world.turn()
        world.device.answer("acknowledged")
        world.report("speed", 39)
        world.turn()
        assert world.order(order.id).state is S.ACKNOWLEDGED
        world.step(31)
        world.turn()
        ended = world.order(order.id)
        assert (ended.state, ended.reason) == (S.TIMED_OUT, "deadline")
        assert "reported 39.0" in ended.detail

    def test_what_is_so_already_is_applied_when_the_device_has_it(self, world):
        world.report("speed", 40)
        order = world.set("speed", 40)
        world.turn()
        assert world.order(order.id).state is S.SENT, "a value from before the sending is no proof"
        world.device.answer("acknowledged")
        world.turn()
        assert world.order(order.id).state is S.APPLIED

    def test_a_late_answer_changes_nothing_that_has_ended(self, world):
        order = world.command("stop")
        world.turn()
        _, tell = world.device.errands[0]
        world.step(31)
        world.turn()
        assert world.order(order.id).state is S.UNKNOWN
        tell(order.id, _outcome("done"))
        tell(order.id, _outcome("done"))
        world.turn()
        assert world.order(order.id).state is S.UNKNOWN

    def test_doubled_answers_count_once(self, world):
        order = world.command("start", {"ramp": 3})
        world.turn()
        _, tell = world.device.errands[0]
        for _ in range(3):
            tell(order.id, _outcome("done", {"cycle": 7}))
        world.turn()
        assert states(world, order) == ["requested", "sent", "applied"]
        assert world.order(order.id).output == {"cycle": 7}

    def test_an_output_that_does_not_fit_is_no_proof(self, world):
        order = world.command("start", {"ramp": 3})
        world.turn()
        world.device.answer("done", output={"cycle": "seven"})
        world.turn()
        now = world.order(order.id)
        assert (now.state, now.reason) == (S.ACKNOWLEDGED, "output")
        assert "is an integer" in now.detail


class TestNotSent:
    def test_what_waits_is_sent_when_the_connector_is_there(self, world):
        world.device.trouble = "wire is waiting: no route"
        order = world.command("stop")
        world.turn()
        assert world.order(order.id).state is S.REQUESTED
        world.device.trouble = ""
        world.turn()
        assert world.order(order.id).state is S.SENT

    def test_what_could_not_be_sent_in_time_expires_and_says_why(self, world):
        world.device.trouble = "wire is waiting: no route"
        order = world.command("stop", deadline_s=5)
        world.step(6)
        world.turn()
        ended = world.order(order.id)
        assert (ended.state, ended.detail) == (S.EXPIRED, "not sent: wire is waiting: no route")
        assert world.device.handed == {}

    def test_what_certainly_did_not_leave_is_tried_again(self, world):
        order = world.command("stop")
        world.turn()
        world.device.answer("unsent", detail="the line was busy")
        world.turn()
        assert world.order(order.id).attempts == 1, "not at once: the line is given time"
        world.step(1)
        world.turn()
        assert states(world, order) == ["requested", "sent", "requested", "sent"]
        assert world.order(order.id).attempts == 2

    def test_it_is_taken_back_before_it_has_left_and_not_after(self, world):
        order = world.command("stop")
        assert world.commander.cancel(order.id, actor="user-a").result().state is S.CANCELLED
        world.turn()
        assert world.device.handed == {}
        other = world.command("stop")
        world.turn()
        with pytest.raises(Conflict, match="only what has not left"):
            world.commander.cancel(other.id).result()


class TestOrder:
    def test_orders_of_one_twin_leave_in_their_order_those_of_others_do_not_wait(self, world):
        first, second, other = world.command("stop"), world.set("speed", 3), world.command("stop", twin="pump-2")
        world.turn()
        assert [errand.order for errand, _ in world.device.errands] == [first.id, other.id]
        world.device.answer("left")
        world.turn()
        assert second.id in world.device.handed

    def test_a_newer_value_takes_the_place_of_one_that_has_not_left(self, world):
        world.device.trouble = "not there"
        first, second = world.set("speed", 1), world.set("speed", 2)
        world.device.trouble = ""
        world.turn()
        assert world.order(first.id).state is S.SUPERSEDED
        assert [errand.value for errand, _ in world.device.errands] == [2.0]
        assert world.commander.desired("pump-1")["speed"].order == second.id

    def test_a_newer_value_takes_the_place_of_one_that_the_device_has(self, world):
        first = world.set("speed", 1)
        world.turn()
        world.device.answer("acknowledged")
        second = world.set("speed", 2)
        world.turn()
        assert (world.order(first.id).state, world.order(second.id).state) == (S.SUPERSEDED, S.SENT)

    def test_only_so_many_are_under_way(self, tmp_path):
        world = World(tmp_path, control="{in_flight: 2}")
        for _ in range(4):
            world.command("stop")
        for _ in range(6):
            world.turn()
            if world.device.errands:
                world.device.answer("delivered")
        assert len(world.device.handed) == 2
        world.close()

    def test_too_many_that_wait_are_refused_with_a_time_to_come_again(self, world, monkeypatch):
        monkeypatch.setattr("gemel.commands.asking.MOST_OPEN_OF_ONE", 3)
        for _ in range(3):
            world.command("stop")
        with pytest.raises(Overloaded, match="have not ended"):
            world.command("stop")


class TestWishes:
    def test_a_wish_on_an_older_revision_is_refused(self, world):
        assert world.set("speed", 1, if_revision=0).revision == 1
        with pytest.raises(RevisionConflict, match="at revision 1, not 0"):
            world.set("speed", 2, if_revision=0)
        assert world.commander.desired("pump-1")["speed"].value == 1

    def test_the_wish_stands_when_its_order_has_ended(self, world):
        order = world.set("speed", 1, deadline_s=1)
        world.turn()
        world.step(2)
        world.turn()
        assert world.order(order.id).state is S.UNKNOWN
        assert world.commander.desired("pump-1")["speed"].order == order.id

    def test_an_unknown_wish_is_known_when_the_value_is_reported(self, world):
        order = world.set("speed", 9)
        world.turn()
        world.device.answer("unknown", detail="the line broke")
        world.turn()
        assert world.order(order.id).state is S.UNKNOWN
        world.report("speed", 9)
        world.turn()
        assert world.order(order.id).state is S.APPLIED


class TestRestart:
    def test_what_was_sent_is_never_sent_again(self, world):
        order = world.command("stop")
        world.turn()
        world.reopen()
        world.turn()
        ended = world.order(order.id)
        assert (ended.state, ended.reason) == (S.UNKNOWN, "restart")
        assert world.device.handed == {}
        settled = world.commander.resolve(order.id, applied=True, actor="user-b", said="I saw it").result()
        assert (settled.state, settled.reason) == (S.APPLIED, "settled")

    def test_a_device_that_knows_orders_again_gets_it_again(self, tmp_path):
        world = World(tmp_path, deduplicates=True)
        order = world.command("stop")
        world.turn()
        world.reopen()
        world.turn()
        assert world.device.handed == {order.id: 1}
        assert [errand.attempt for errand, _ in world.device.errands] == [2]
        world.close()

    def test_what_waited_is_sent_and_what_the_device_had_is_followed(self, world):
        had = world.set("speed", 5)
        world.turn()
        world.device.answer("acknowledged")
        world.turn()
        waits = world.command("stop", twin="pump-2")
        world.reopen()
        world.report("speed", 5)
        world.turn()
        assert (world.order(had.id).state, world.order(waits.id).state) == (S.APPLIED, S.SENT)

    def test_what_was_reported_before_the_sending_is_no_proof_after_a_restart(self, world):
        world.report("speed", 5)
        order = world.set("speed", 5)
        world.turn()
        world.reopen()
        assert world.order(order.id).state is S.UNKNOWN


class TestWhatIsNoMore:
    def test_after_a_restore_nothing_that_waited_is_sent(self, world):
        world.device.trouble = "not there yet"
        order = world.command("stop")
        restored = Change(kind="backup.restored", subject="plant", time=world.clock.now())
        world.intake.transact(lambda _tx: (None, [restored])).result()
        world.device.trouble = ""
        world.turn()
        assert (world.order(order.id).state, world.device.handed) == (S.EXPIRED, {})

    def test_after_a_restore_nothing_is_sent_though_it_could_not_be_written_at_once(self, world, monkeypatch):
        world.device.trouble = "not there yet"
        order = world.command("stop")
        dispatcher = world.commander.dispatcher
        dispatcher.expire_all("the plant was brought back from a backup")
        commit, full = dispatcher.open.commit, [True]

        def once_full(moves):
            if full:
                full.clear()
                raise StorageFull("the disk is full")
            return commit(moves)

        monkeypatch.setattr(dispatcher.open, "commit", once_full)
        with pytest.raises(StorageFull):
            dispatcher.turn()
        world.device.trouble = ""
        world.turn()
        assert (world.order(order.id).state, world.device.handed) == (S.EXPIRED, {})

    def test_orders_of_an_erased_twin_go_and_hold_nothing_up(self, world):
        world.device.trouble = "not there"
        world.set("speed", 3, deadline_s=5)
        other = world.command("stop", twin="pump-2")
        world.turn()
        world.commander.authority.take("pump-1", "user-a")
        assert world.intake.transact(lambda tx: (forget_twin(tx, "pump-1"), ())).result()[0] == 1
        world.commander.authority.reload()
        assert (world.commander.orders("pump-1").items, world.commander.desired("pump-1")) == ([], {})
        assert world.commander.authority.of("pump-1", world.clock.now()) is None
        world.step(6)
        world.device.trouble = ""
        world.turn()
        assert world.order(other.id).state is S.SENT


def _outcome(result, output=None):
    return Outcome(result=Result(result), output=output)

"""Records, links and measurements: said once, believed as of two moments, followed both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.exc import DatabaseError

from gemel.configuration import Basis, ItemSpec
from gemel.errors import Conflict, InvalidInput, InvalidTime, NotFound
from gemel.platform import Platform
from gemel.testing.postgres import PostgresServer
from gemel.thread import (
    DocumentSpec,
    LinkSpec,
    Node,
    NodeKind,
    Phase,
    RecordQuery,
    RecordSpec,
    Thread,
    forget_twin_records,
    phrase,
    tables,
)
from gemel.thread.sight import All
from tests.tables import migrated
from tests.thread.conftest import at, node


def reached(thread: Thread, start: str, **how: object) -> dict[str, int]:
    """Everything that is reached, and in how many steps."""
    found = thread.follow(node(start), thread.asked(**how))
    return {str(one.node): one.depth for one in found.reached}


def link(kind: str, source: str, target: str, **more: int) -> LinkSpec:
    return LinkSpec(kind=kind, source=node(source), target=node(target), **more)


@pytest.fixture(scope="module")
def woven(plant: Platform) -> Thread:
    """requirement ← part; drawing → part revision; drawing → program ← run → item, and the run's time of a machine."""
    thread = plant.thread
    thread.weave(
        [
            RecordSpec(id="REQ-1", kind="requirement", title="Cools"),
            RecordSpec(id="DRW-1", kind="drawing", revision="B", system="plm", external="4711"),
            RecordSpec(id="NC-1", kind="nc-program"),
            RecordSpec(id="RUN-1", kind="operation"),
            RecordSpec(id="RUN-2", kind="operation"),
        ],
        [
            link("satisfies", "part:PUMP", "record:REQ-1"),
            link("defines", "record:DRW-1", "part:PUMP#B"),
            link("derived_from", "record:NC-1", "record:DRW-1"),
            link("executed", "record:RUN-1", "record:NC-1"),
            link("executed", "record:RUN-2", "record:NC-1"),
            link("made", "record:RUN-1", "item:pump-100"),
            link("made", "record:RUN-2", "item:pump-200"),
            link("ran_on", "record:RUN-1", "twin:mill-1@2026-01-01T08:00:00Z/2026-01-01T09:00:00Z"),
        ],
        basis=Basis(source="test", key="woven"),
    )
    return thread


def test_from_a_serial_number_the_thread_leads_to_everything(woven: Thread) -> None:
    found = reached(woven, "item:pump-100", depth=4)
    assert found["record:RUN-1"] == 1
    assert found["part:PUMP#B"] == 1
    assert found["record:NC-1"] == 2
    assert found["record:DRW-1"] == 2  # by its part, sooner than by the program
    assert found["record:REQ-1"] == 2
    assert found["twin:mill-1@2026-01-01T08:00:00Z/2026-01-01T09:00:00Z"] == 2
    assert found["slot:m-1#coolant"] == 1


def test_and_back_from_a_requirement_or_an_hour_of_a_machine_to_the_serial_number(woven: Thread) -> None:
    assert reached(woven, "twin:mill-1@2026-01-01T08:30:00Z/2026-01-01T08:31:00Z")["item:pump-100"] == 2
    assert "item:pump-100" not in reached(woven, "twin:mill-1@2026-01-01T09:00:00Z/2026-01-01T10:00:00Z")
    assert {"item:pump-100", "item:pump-200"} <= set(reached(woven, "record:REQ-1"))


def test_there_is_more_only_where_something_else_would_be_reached(plant: Platform, woven: Thread) -> None:
    """The link that one came by is none, nor one to what may not be seen."""
    plant.configuration.create(ItemSpec(id="alone", part="LONELY"), at("01-01"))
    ends = woven.follow(node("part:LONELY"), woven.asked(depth=1))
    assert ([str(one.node) for one in ends.reached], ends.more) == (["item:alone"], False)
    assert woven.follow(node("item:pump-100"), woven.asked(depth=1)).more
    far = woven.follow(node("item:pump-100"), woven.asked(depth=10))
    assert not far.more
    assert woven.follow(node("item:pump-100"), woven.asked(depth=10, limit=len(far.reached))).more is False
    assert woven.follow(node("item:pump-100"), woven.asked(depth=10, limit=len(far.reached) - 1)).more

    class OnlyThis(All):
        everything = False

        def twin(self, _id: str, _property: str = "") -> bool:
            return False

        def item(self, id: str) -> bool:
            return id == "pump-100"

        def part(self, _part: str) -> bool:
            return False

    seen = woven.follow(node("item:pump-100"), woven.asked(depth=1, kinds=("is_a", "fits")), sight=OnlyThis())
    assert (seen.reached, seen.more) == ((), False)


def test_siblings_are_reached_only_when_they_are_asked_for(woven: Thread) -> None:
    assert "item:pump-200" not in reached(woven, "item:pump-100", depth=6)
    assert "item:pump-200" in reached(woven, "item:pump-100", depth=6, siblings=True)
    assert {"item:pump-100", "item:pump-200"} <= set(reached(woven, "record:NC-1"))


def test_a_phase_a_direction_and_kinds_narrow_what_is_told(woven: Thread) -> None:
    assert set(reached(woven, "item:pump-100", depth=4, phases=(Phase.DESIGN,))) == {"record:DRW-1"}
    assert "record:RUN-1" not in reached(woven, "item:pump-100", direction="forward")
    assert set(reached(woven, "record:RUN-1", kinds=("executed",), depth=1)) == {"record:NC-1"}


def test_every_path_leads_step_by_step_from_the_start_to_what_was_reached(woven: Thread) -> None:
    found = woven.follow(node("item:pump-100"), woven.asked(depth=4))
    for one in found.reached:
        where = found.start
        assert len(one.path) == one.depth
        for step in one.path:
            source, target = (step.link.target, step.link.source) if step.back else (step.link.source, step.link.target)
            assert (source.kind, source.id) == (where.kind, where.id)
            where = target
        assert where == one.node


def test_what_is_said_again_changes_nothing_and_a_key_is_said_once(woven: Thread) -> None:
    again = woven.weave([RecordSpec(id="REQ-1", kind="requirement", title="Cools")], basis=Basis(source="again"))
    assert (again.records, again.links) == (0, 0)
    assert woven.weave([RecordSpec(id="REQ-9", kind="requirement")], basis=Basis(source="test", key="woven")).repeated
    with pytest.raises(NotFound):
        woven.record("REQ-9")


def test_a_record_is_found_by_the_id_of_the_system_that_holds_it(woven: Thread) -> None:
    (found,) = woven.records(RecordQuery(system="plm", external="4711")).items
    assert (found.id, found.phase, found.revision) == ("DRW-1", Phase.DESIGN, "B")


def test_what_was_believed_then_is_still_told(plant: Platform, woven: Thread) -> None:
    woven.weave([RecordSpec(id="WO-1", kind="work-order", title="Change the seal")])
    plant.clock.step(1)
    before = plant.clock.now()
    plant.clock.step(60)
    woven.weave([RecordSpec(id="WO-1", kind="work-order", title="Change the pump")])
    done = woven.weave(links=[link("concerns", "record:WO-1", "item:pump-100")])
    assert done.links == 1
    assert woven.record("WO-1").title == "Change the pump"
    assert woven.record("WO-1", known=before).title == "Change the seal"
    assert "item:pump-100" in reached(woven, "record:WO-1")
    assert "item:pump-100" not in reached(woven, "record:WO-1", known=before)


def test_a_link_ends_or_never_was_and_says_why(plant: Platform, woven: Thread) -> None:
    woven.weave([RecordSpec(id="BUL-1", kind="bulletin")])
    woven.weave(links=[link("concerns", "record:BUL-1", "part:PUMP", start=at("01-01"))])
    (one,) = woven.links(node("record:BUL-1"))
    with pytest.raises(InvalidInput, match="reason"):
        woven.end(one.number, at("02-01"), basis=Basis())
    with pytest.raises(InvalidTime):
        woven.end(one.number, at("01-01"), basis=Basis(reason="replaced"))
    plant.clock.step(60)
    woven.end(one.number, at("02-01"), basis=Basis(reason="replaced by BUL-2"))
    assert "part:PUMP" in reached(woven, "record:BUL-1", at=at("01-15"))
    assert "part:PUMP" not in reached(woven, "record:BUL-1", at=at("02-15"))
    with pytest.raises(Conflict, match="not believed"):
        woven.end(one.number, None, basis=Basis(reason="once more"))


def test_a_link_to_nothing_or_to_itself_is_refused_whole(woven: Thread) -> None:
    with pytest.raises(NotFound, match="NO-1"):
        woven.weave([RecordSpec(id="REQ-7", kind="requirement")], [link("changes", "record:REQ-7", "record:NO-1")])
    with pytest.raises(NotFound):
        woven.record("REQ-7")
    for nobody in ("item:NOPE", "slot:NOPE#lid", "document:NOPE#1", "act:999999", "measurement:999999"):
        with pytest.raises(NotFound, match=r"there is no .* that could be linked; .*look for"):
            woven.weave([RecordSpec(id="REQ-7", kind="requirement")], [link("concerns", "record:REQ-7", nobody)])
    with pytest.raises(NotFound, match="gemel item create"):
        woven.add_document(DocumentSpec(id="of-nobody"), b"x", links=[node("item:NOPE")])
    for unheard in ("record:REQ-7", "document:of-nobody"):
        with pytest.raises(NotFound):
            woven.follow(node(unheard))
    with pytest.raises(InvalidInput, match="itself"):
        woven.weave(links=[link("changes", "record:REQ-1", "record:REQ-1")])
    with pytest.raises(InvalidInput, match="phase"):
        woven.weave([RecordSpec(id="X", kind="rumour")])
    with pytest.raises(InvalidInput, match="address"):
        woven.weave([RecordSpec(id="X", kind="drawing", url="javascript:alert(1)")])


def test_moments_that_nobody_could_be_told_are_refused(woven: Thread) -> None:
    """Nanoseconds, say: what is kept must have a time that can be written."""
    far = 10**18
    one, other = Node.parse("item:a"), Node.parse("item:b")
    for start, end in ((far, None), (None, far), (-far, 0)):
        with pytest.raises(InvalidTime, match="nanoseconds"):
            woven.weave([], [LinkSpec(kind="about", source=one, target=other, start=start, end=end)])
        with pytest.raises(InvalidTime, match="nanoseconds"):
            woven.add_document(DocumentSpec(id="d", name="d.txt", start=start, end=end), b"text")
    with pytest.raises(InvalidTime, match="nanoseconds"):
        Node(kind=NodeKind.TWIN, id="m", start=0, end=far).checked()
    for kind in ("act", "measurement"):
        for number in ("9" * 19, "9" * 200, "one"):
            with pytest.raises(InvalidInput, match="named by its number"):
                Node(kind=NodeKind(kind), id=number).checked()


def test_the_database_itself_refuses_to_forget(plant: Platform, woven: Thread) -> None:
    for change in (delete(tables.link), update(tables.record).values(title="other"), delete(tables.act)):
        with pytest.raises(DatabaseError, match=r"never"), plant.database.engine.connect() as tx:
            tx.execute(change)


@pytest.mark.parametrize(
    "text", ["box-3", "robot:x", "item:", "slot:m-1", "twin:m@2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"]
)
def test_a_node_that_is_none_is_told_with_the_way_out(text: str) -> None:
    with pytest.raises((InvalidInput, InvalidTime)):
        Node.parse(text)


WORDS = st.text("abcxyz-.:/ 09", min_size=1, max_size=12)


@given(
    st.one_of(
        st.builds(lambda id, sub: Node(kind="part", id=id, sub=sub), WORDS, WORDS),
        st.builds(lambda id: Node(kind="item", id=id), WORDS),
        st.builds(
            lambda id, start, length: Node(kind="twin", id=id, start=start, end=start + length),
            WORDS,
            st.integers(0, 2_000_000_000_000_000),
            st.integers(1, 10_000_000_000),
        ),
    )
)
@settings(max_examples=50)
def test_a_node_is_what_it_was_when_it_is_written_and_read(one: Node) -> None:
    assert Node.parse(str(one)) == one


def test_every_kind_of_link_reads_both_ways() -> None:
    assert phrase("derived_from", back=False) == "derived from"
    assert phrase("derived_from", back=True) == "led to"
    assert phrase("is_haunted_by", back=True) == "(is haunted by it)"


def test_on_postgresql_the_same_is_refused_and_told(postgres: PostgresServer) -> None:
    from gemel.clock import SteppedClock
    from gemel.configuration import Configuration
    from gemel.database import Database

    database = Database(migrated(postgres))
    try:
        database.migrate()

        def run(work, *, actor=""):  # type: ignore[no-untyped-def]  # as the writer does
            with database.write() as tx:
                work(tx)

        clock = SteppedClock(at("01-01"))
        thread = Thread(database, clock, run, Configuration(database, clock, run), None)  # type: ignore[arg-type]
        thread.weave([RecordSpec(id="A", kind="drawing"), RecordSpec(id="B", kind="drawing")])
        thread.weave(links=[link("supersedes", "record:B", "record:A")])
        assert reached(thread, "record:A") == {"record:B": 1}
        thread.weave(links=[link("concerns", "record:B", "twin:mill-9")])
        with database.write() as tx:
            assert forget_twin_records(tx, "mill-9") == 2  # the link, and what was linked to it alone
        assert thread.links(node("twin:mill-9")) == []
        assert thread.record("B").title == ""
        with pytest.raises(DatabaseError, match="never"), database.engine.connect() as tx:
            tx.execute(delete(tables.link))
    finally:
        database.close()


def test_a_part_with_very_many_items_is_told_page_by_page(plant: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.thread.implied.MOST", 2)
    for number in range(5):
        plant.configuration.create(ItemSpec(id=f"many-{number}", part="MANY"), plant.clock.now())
    told, after = [], ""
    while True:
        page = plant.thread.follow(node("part:MANY"), plant.thread.asked(depth=1, after=after))
        told.append([one.node.id for one in page.reached])
        if not (after := page.next):
            break
    assert told == [["many-0", "many-1"], ["many-2", "many-3"], ["many-4"]]

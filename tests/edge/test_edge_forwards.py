"""An edge node hands on what it journals: in order, once, whenever the line is there; and says what waits."""

from __future__ import annotations

import http.server
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

import gemel
from gemel.backup import Vault, restore
from gemel.clock import WallClock
from gemel.diagnosis import Level
from gemel.errors import InvalidDocument, NotFound
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import Quality
from tests.edge.conftest import PLANT, count, counted, edge_folder, level, opened, wait_for
from tests.edge.wire import Wire


def check(edge: Platform, part: str = "edge") -> Any:
    return next(one for one in edge.health.look() if one.part == part)


def test_everything_comes_upstream_in_order_with_its_types_and_twins(edge: Platform, upstream: Platform) -> None:
    readings = [
        Reported(twin="press-1", property="force", value=1.5),
        Reported(twin="press-1", property="program", value="ß"),
        Reported(twin="press-1", property="open", value=True),
        Reported(twin="press-1", property="recipe", value={"a": [1, 2.5]}),
        Reported(twin="press-1", property="wave", value=[1.0, 2.0]),
        Reported(twin="press-1", property="health", value={"level": "fault", "code": "F1"}),
        Reported(twin="press-2", property="force", value=2.5, quality=Quality.UNCERTAIN),
        Reported(twin="press-2", property="program", value=None),
    ]
    happened = Happened(twin="press-1", event="overheated", fields={"degrees": 91.0})
    edge.ingest([Message(readings=readings, events=[happened])])
    level(edge, count(edge, 0, 200))
    assert counted(upstream) == list(range(200))
    for twin in ("press-1", "press-2"):
        here, there = edge.now(twin), upstream.now(twin)
        assert {n: (o.value, o.time, o.quality) for n, o in here.items() if n != "doubled"} == {
            n: (o.value, o.time, o.quality) for n, o in there.items() if n != "doubled"
        }
    assert upstream.twin("press-1").serial == "SN-1"
    facts = [fact.change for fact in upstream.events().items if fact.change.kind == "event.happened"]
    assert [(one.subject, one.body["fields"]) for one in facts] == [("press-1", {"degrees": 91.0})]
    assert not upstream.quarantined().items
    assert all(not type_.id.startswith("gemel_") or type_.id != "gemel_edge" for type_ in upstream.types())
    assert edge.edge is not None
    standing = edge.edge.standing()
    assert (standing.buffered, standing.quarantined, standing.skipped, standing.error) == (0, 0, 0, "")
    assert check(edge).level is Level.OK
    with Server(edge, port=0) as server, gemel.connect(server.url, token=edge.gate.tokens.local()) as client:
        told = client.edge()
        assert (told["name"], told["state"]) in {("hall-3", "forwarding"), ("hall-3", "level")}
        assert told["acknowledged"] >= standing.acknowledged


def test_it_buffers_while_the_line_is_cut_and_loses_and_doubles_nothing(
    edge: Platform, upstream: Platform, line: Wire
) -> None:
    level(edge, count(edge, 0, 50))
    line.cut()
    last = count(edge, 50, 300)
    wait_for(edge, lambda: edge.edge is not None and edge.edge.standing().state == "waiting")
    assert edge.edge is not None
    standing = edge.edge.standing()
    assert standing.buffered >= 250
    assert standing.oldest is not None
    assert standing.lag_s >= 0
    assert "cannot be reached" in standing.error
    assert check(edge).level is Level.WARN
    line.heal()
    level(edge, last)
    assert counted(upstream) == list(range(300))
    assert upstream.intake.missed() == []


@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 20))])
def test_cuts_in_the_middle_of_requests_lose_and_double_nothing(
    edge: Platform, upstream: Platform, line: Wire, number: int
) -> None:
    """The wire is cut at random bytes: of a request, so that it is not taken; behind it, so that its answer is lost."""
    chance = random.Random(number)
    last = count(edge, 0, 10)
    level(edge, last)
    done, standing = 10, edge.edge
    assert standing is not None
    for turn in range(6):
        line.cut_after(chance.randrange(1, 4_000))
        more = chance.randrange(1, 40)
        last, done = count(edge, done, done + more), done + more

        def cut_or_level(turn: int = turn, last: int = last) -> bool:
            return line.cuts > turn or standing.standing().acknowledged >= last

        wait_for(edge, cut_or_level)
    line.heal()
    level(edge, last)
    assert line.cuts
    assert counted(upstream) == list(range(done)), f"seed {number}"
    assert upstream.intake.missed() == []


def test_an_answer_that_never_came_is_no_second_effect(
    edge: Platform, upstream: Platform, line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream takes a request whose sender has given up, and gets it again meanwhile."""
    monkeypatch.setattr("gemel.edge.upstream.TIMEOUT_S", 1.0)
    level(edge, count(edge, 0, 5))
    line.silence()
    last = count(edge, 5, 25)
    wait_for(edge, lambda: edge.edge is not None and edge.edge.standing().error)
    line.heal()
    level(edge, last)
    assert counted(upstream) == list(range(25))


def test_a_restart_of_the_edge_goes_on_where_upstream_is(
    tmp_path: Path, upstream: Platform, line: Wire, token: str
) -> None:
    folder = edge_folder(tmp_path / "edge", line.url, token)
    with opened(folder) as edge:
        level(edge, count(edge, 0, 50))
        line.cut()
        count(edge, 50, 100)
    (folder / "edge.json").unlink()  # what it remembered: upstream knows better
    line.heal()
    with opened(folder) as edge:
        level(edge, count(edge, 100, 120))
    assert counted(upstream) == list(range(120))


def test_a_restored_edge_sends_what_is_new_in_its_new_life_and_nothing_twice(
    tmp_path: Path, upstream: Platform, line: Wire, token: str
) -> None:
    folder = edge_folder(tmp_path / "edge", line.url, token)
    with opened(folder) as edge:
        level(edge, count(edge, 0, 50))
        edge.backup(tmp_path / "vault")
        level(edge, count(edge, 50, 70))  # forwarded, and then lost with the edge's disk
    again = tmp_path / "again"
    restore(Vault(tmp_path / "vault"), again)
    edge_folder(again, line.url, token)
    with opened(again) as edge:
        assert edge.epoch
        assert counted(edge) == list(range(50))
        level(edge, count(edge, 1_000, 1_020))
    assert counted(upstream) == [*range(70), *range(1_000, 1_020)]


def test_an_edge_older_than_what_it_forwarded_says_so_and_sends_nothing(
    tmp_path: Path, upstream: Platform, line: Wire, token: str
) -> None:
    """A folder copied by hand, not restored: its numbers would be taken for repeats."""
    folder = edge_folder(tmp_path / "edge", line.url, token)
    with opened(folder) as edge:
        level(edge, count(edge, 0, 10))
    shutil.copytree(folder, tmp_path / "copy")
    with opened(folder) as edge:
        level(edge, max(count(edge, n, n + 1) for n in range(10, 60)))
    with opened(tmp_path / "copy") as edge:
        wait_for(edge, lambda: edge.edge is not None and edge.edge.standing().state == "refused")
        assert edge.edge is not None
        assert "is older than what was forwarded" in edge.edge.standing().error
        assert check(edge).level is Level.BAD
    assert counted(upstream) == list(range(60))


def test_upstream_that_was_set_back_gets_again_what_it_lost(
    tmp_path: Path, line: Wire, upstream: Platform, token: str
) -> None:
    folder = edge_folder(tmp_path / "edge", line.url, token)
    with opened(folder) as edge:
        level(edge, count(edge, 0, 30))
    with Platform.open(tmp_path / "new") as new, Server(new, port=0) as server:
        edge_folder(folder, server.url, str(new.gate.tokens.add("hall 3", "engineer")[1]))
        progress = (folder / "edge.json").read_text()
        with gemel.connect(server.url, token=(folder / "secrets" / "upstream.token").read_text()) as client:
            who = client.me().id
        kept = msgspec.json.decode(progress)
        (folder / "edge.json").write_bytes(msgspec.json.encode({**kept, "who": who}))
        with opened(folder) as edge:
            level(edge, count(edge, 30, 40))
        assert counted(new) == list(range(40))


def test_what_upstream_does_not_know_waits_there_in_quarantine_and_can_be_replayed(
    tmp_path: Path, upstream: Platform, line: Wire
) -> None:
    """A token that may not declare types: health at the edge says so, and nothing is lost."""
    secret = str(upstream.gate.tokens.add("hall 3", "operator")[1])
    with opened(edge_folder(tmp_path / "edge", line.url, secret)) as edge:
        level(edge, count(edge, 0, 10))
        assert edge.edge is not None
        standing = edge.edge.standing()
        assert standing.quarantined == 10
        assert standing.problem.startswith("unknown-twin: ")
        assert "cannot be declared upstream" in standing.note
        assert check(edge).level is Level.WARN
        upstream.apply(PLANT)
        upstream.intake.replay(code="unknown-twin").result(60)
        level(edge, count(edge, 10, 20))
    assert sorted(counted(upstream)) == list(range(20))


def test_only_what_is_selected_goes_upstream(tmp_path: Path, upstream: Platform, line: Wire, token: str) -> None:
    more = "  select: {twins: [press-2], properties: [count], events: false}\n"
    with opened(edge_folder(tmp_path / "edge", line.url, token, more)) as edge:
        count(edge, 0, 10)
        edge.write("press-2", "force", 1.0)
        level(edge, count(edge, 0, 10, twin="press-2"))
    assert [twin.id for twin in upstream.twins().items if twin.id.startswith("press")] == ["press-2"]
    assert counted(upstream, "press-2") == list(range(10))
    assert set(upstream.now("press-2")) <= {"count", "doubled"}
    assert not upstream.quarantined().items


def test_a_large_block_goes_in_parts(
    edge: Platform, upstream: Platform, line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.edge.messages.PART_BYTES", 20_000)
    monkeypatch.setattr("gemel.edge.upstream.REQUEST_BYTES", 50_000)
    level(edge, count(edge, 0, 10))
    line.cut_after(60_000)
    level(edge, count(edge, 10, 2_000))
    line.heal()
    assert counted(upstream) == list(range(2_000))


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Passes on to nobody: a proxy that is full."""

    answers: ClassVar[list[tuple[int, str]]] = []
    times: ClassVar[list[float]] = []

    def do_GET(self) -> None:
        self.times.append(WallClock().monotonic())
        status, after = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        self.send_header("Retry-After", after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def refusing(answers: list[tuple[int, str]]) -> Iterator[str]:
    _Refusing.answers, _Refusing.times = answers, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with (
        refusing([(503, "0"), (429, "2"), (507, "1"), (429, "600")]) as url,
        opened(edge_folder(tmp_path / "edge", url, "any")) as edge,
    ):
        wait_for(edge, lambda: len(_Refusing.times) >= 4)
        came = _Refusing.times
        assert came[2] - came[1] >= 2.0
        assert came[3] - came[2] >= 1.0


def test_an_upstream_that_is_full_gets_everything_when_it_has_room(edge: Platform, upstream: Platform) -> None:
    level(edge, count(edge, 0, 10))
    upstream.intake.refuse("the disk budget is used up")
    last = count(edge, 10, 40)
    wait_for(edge, lambda: edge.edge is not None and "budget" in edge.edge.standing().error)
    upstream.intake.refuse("")
    level(edge, last)
    assert counted(upstream) == list(range(40))


def test_a_token_that_was_withdrawn_is_told_and_all_is_kept(tmp_path: Path, upstream: Platform, line: Wire) -> None:
    made, secret = upstream.gate.tokens.add("hall 3", "engineer")
    folder = edge_folder(tmp_path / "edge", line.url, str(secret))
    with opened(folder) as edge:
        level(edge, count(edge, 0, 10))
        upstream.gate.tokens.withdraw(made.id)
        count(edge, 10, 30)
        wait_for(edge, lambda: edge.edge is not None and edge.edge.standing().state == "refused")
        assert check(edge).way_out == "mend the token or the address in gemel.yaml; all is kept here meanwhile"
    edge_folder(folder, line.url, str(upstream.gate.tokens.add("again", "engineer")[1]))
    with opened(folder) as edge:
        level(edge, count(edge, 30, 40))
    assert counted(upstream) == list(range(40))


def test_a_new_token_does_not_tell_again_what_arrived_but_was_never_answered(
    tmp_path: Path, upstream: Platform, line: Wire
) -> None:
    made, secret = upstream.gate.tokens.add("hall 3", "engineer")
    folder = edge_folder(tmp_path / "edge", line.url, str(secret))
    with opened(folder) as edge:
        level(edge, count(edge, 0, 10))
        line.mute()
        last = count(edge, 10, 30)
        wait_for(edge, lambda: counted(upstream) == list(range(30)))
        assert edge.edge is not None
        assert edge.edge.standing().acknowledged < last
        line.cut()
    upstream.gate.tokens.withdraw(made.id)
    line.heal()
    edge_folder(folder, line.url, str(upstream.gate.tokens.add("again", "engineer")[1]))
    with opened(folder) as edge:
        level(edge, count(edge, 30, 40))
    assert counted(upstream) == list(range(40))


def test_what_had_to_go_is_told_as_a_gap_on_both_sides(edge: Platform, upstream: Platform, line: Wire) -> None:
    level(edge, count(edge, 0, 20))
    line.cut()
    gone = count(edge, 20, 40)
    wait_for(edge, lambda: edge.edge is not None and edge.edge.standing().error)
    edge.history.flush(60)
    assert edge.edge is not None
    edge.journal.expire(edge.edge.floor + 1)
    assert edge.journal.whole_after(edge.edge.floor)  # retention leaves what is not upstream
    edge.journal.expire(gone + 1)  # unless it is told to
    edge.journal._recent.clear()
    line.heal()
    level(edge, count(edge, 40, 50))
    assert counted(upstream) == [*range(20), *range(40, 50)]
    assert edge.edge is not None
    assert edge.edge.standing().skipped >= 20

    def told() -> list[str]:
        return [fact.change.kind for fact in edge.events().items if fact.change.kind.startswith("edge.")]

    wait_for(edge, told)
    assert told() == ["edge.skipped"]
    assert any(missed.source.endswith("/hall-3") for missed in upstream.intake.missed())


def test_settings_that_do_not_fit_are_refused_with_their_place(tmp_path: Path) -> None:
    for text, why in (
        ("edge: {url: 'http://plant.example', token: {env: GEMEL_SECRET_A}}", "is not reached by https"),
        ("edge: {url: 'https://plant.example'}", "needs a token"),
        ("edge: {url: 'https://plant.example', token: {env: GEMEL_SECRET_A}, name: Hall 3}", "write hall-3"),
        ("edge: {keep: soon}", "soon"),
    ):
        folder = tmp_path / "plant"
        folder.mkdir(exist_ok=True)
        (folder / "gemel.yaml").write_text(text)
        with pytest.raises(InvalidDocument, match=why):
            Platform.open(folder)


def test_a_plant_that_is_no_edge_says_how_it_becomes_one(upstream: Platform, server: Server) -> None:
    with (
        gemel.connect(server.url, token=upstream.gate.tokens.local()) as client,
        pytest.raises(NotFound, match=r"under `edge:` in gemel\.yaml"),
    ):
        client.edge()

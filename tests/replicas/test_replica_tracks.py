"""A replica holds what the platform held at the position that it says, whatever its rate, and after every cut."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import gemel
from gemel.access import Selector
from gemel.clock import WallClock
from gemel.errors import Denied, FolderInUse, InvalidInput, NotFound, NotYet, Unauthenticated, UnknownTwin, Unreachable
from gemel.platform import Platform
from gemel.replicas import Replica, Select
from gemel.server import Server
from gemel.state import Selection
from gemel.twin.fingerprint import fingerprint
from tests.edge.wire import Wire
from tests.replicas.conftest import PRESSES, work

PATIENCE_S = 60.0


def held(platform: Platform, selection: Selection | None = None) -> str:
    """The fingerprint of the platform's own state, by the library."""
    with platform.subscribe(selection or Selection()) as subscription:
        delta = subscription.get(PATIENCE_S)
        assert delta is not None
        return fingerprint(delta.values.cells())


def until(holds: Callable[[], bool], replica: Replica) -> None:
    """Look again whenever the replica has moved, or a tick later."""
    end = WallClock().monotonic() + PATIENCE_S
    with replica._held.changed:
        while not holds():
            assert WallClock().monotonic() < end, replica.standing()
            replica._held.changed.wait(0.2)


@pytest.mark.parametrize("rate", [None, 20.0])
def test_it_follows_and_ends_equal_to_the_platform(
    platform: Platform, server: Server, token: str, rate: float | None
) -> None:
    chance = random.Random(1)
    work(platform, chance, 10)
    with gemel.replica(server.url, token=token, rate=rate) as replica:
        for _ in range(5):
            replica.wait(work(platform, chance, 20), PATIENCE_S)
            replica.check(PATIENCE_S)
        replica.wait(platform.position, PATIENCE_S)
        assert replica.hash() == held(platform)
        standing = replica.standing()
        assert (standing.mended, standing.restarted) == (0, None)
        assert standing.checked >= 5
        for twin in PRESSES:
            mine, theirs = replica.now(twin), platform.now(twin)
            assert mine.keys() == theirs.keys()
            for name, now in theirs.items():
                assert (mine[name].value, mine[name].time, mine[name].position) == (now.value, now.time, now.position)


def test_two_replicas_at_one_position_are_equal(platform: Platform, server: Server, token: str) -> None:
    work(platform, random.Random(2), 5)
    with (
        gemel.replica(server.url, token=token) as each,
        gemel.replica(server.url, token=token, rate=5) as some,
    ):
        last = work(platform, random.Random(3), 50)
        assert each.wait(last, PATIENCE_S) == some.wait(last, PATIENCE_S) == last
        assert each.hash() == some.hash()
        assert each.snapshot().values.keys() == some.snapshot().values.keys()
        with gemel.connect(server.url, token=token) as client:
            said = client.hash(at_position=last)
        assert (said["position"], said["hash"], said["count"]) == (last, each.hash(), each.standing().values)


def test_a_selection_is_of_twins_and_properties(platform: Platform, server: Server, token: str) -> None:
    work(platform, random.Random(4), 30)
    platform.write("hall-1", "temperature", 21.0)
    with gemel.replica(server.url, token=token, select={"twins": ["press-1"], "properties": ["force"]}) as replica:
        assert replica.twins() == ["press-1"]
        assert set(replica.now("press-1")) == {"force"}
        with pytest.raises(UnknownTwin, match="holds nothing of 'press-2'"):
            replica.now("press-2")
        with pytest.raises(NotFound, match=r"press-1\.count"):
            replica.value("press-1", "count")
    with gemel.replica(server.url, token=token, select=Select(twins=("hall-1",), depth=None)) as replica:
        assert set(replica.twins()) == {"hall-1", "press-1", "press-2"}
    with gemel.replica(server.url, token=token, select=Select(type="hall")) as replica:
        assert replica.twins() == ["hall-1"]
        platform.apply({"gemel": 1, "twins": [{"id": "hall-2", "types": ["hall"]}]})
        replica.wait(platform.write("hall-2", "temperature", 4.0), PATIENCE_S)
        assert replica.value("hall-2", "temperature").value == 4.0
        replica.check(PATIENCE_S)


def test_it_answers_while_it_is_cut_off_and_catches_up_by_position(platform: Platform, line: Wire, token: str) -> None:
    before = work(platform, random.Random(5), 30)
    with gemel.replica(line.url, token=token) as replica:
        replica.wait(before, PATIENCE_S)
        line.cut()
        until(lambda: not replica.connected, replica)
        after = work(platform, random.Random(6), 30)
        assert replica.position == before
        offline = replica.value("press-1", "force")
        assert (offline.fresh, offline.stale_since is not None) == (False, True)
        with pytest.raises(NotYet, match="is at position"):
            replica.wait(after, 0.1)
        line.heal()
        replica.wait(after, PATIENCE_S)
        replica.check(PATIENCE_S)
        assert replica.hash() == held(platform)
        assert (replica.standing().restarted, replica.standing().mended) == (None, 0)
        assert replica.lag().positions == 0
        assert replica.value("press-1", "force").fresh


def test_freshness_is_right_after_a_cut(platform: Platform, line: Wire, token: str) -> None:
    platform.write("press-1", "beat", 1.0)
    with gemel.replica(line.url, token=token) as replica:
        line.cut()
        until(lambda: not replica.connected, replica)
        platform.write("press-1", "count", 1)
        until(lambda: not platform.now("press-1")["beat"].fresh, replica)
        line.heal()
        until(lambda: replica.connected, replica)
        assert not replica.value("press-1", "beat").fresh
        assert replica.value("press-1", "count").fresh

        def beats() -> bool:
            """On a busy machine a beat may be old before anybody looks."""
            replica.wait(platform.write("press-1", "beat", 2.0), PATIENCE_S)
            return replica.value("press-1", "beat").fresh

        assert any(beats() for _ in range(50))


def test_a_folder_lets_it_go_on_after_a_restart_also_without_the_platform(
    platform: Platform, line: Wire, token: str, tmp_path: Path
) -> None:
    last = work(platform, random.Random(7), 20)
    folder = tmp_path / "copy"
    with gemel.replica(line.url, token=token, folder=folder) as replica:
        replica.wait(last, PATIENCE_S)
        with pytest.raises(FolderInUse, match="give this one another"):
            gemel.replica(line.url, token=token, folder=folder)
        hash_ = replica.hash()
    line.cut()
    with gemel.replica(line.url, token=token, folder=folder) as replica:
        assert replica.position >= last  # that a beat has become old is told after it
        assert (replica.hash(), replica.connected) == (hash_, False)
        assert replica.lag().seconds is None
        after = work(platform, random.Random(8), 20)
        line.heal()
        replica.wait(after, PATIENCE_S)
        replica.check(PATIENCE_S)
        assert replica.standing().restarted is None
    with gemel.replica(line.url, token=token, folder=folder, select=["press-1"]) as replica:
        restarted = replica.standing().restarted
        assert restarted is not None
        assert "another selection" in restarted.reason
        assert replica.twins() == ["press-1"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_folder_is_told_and_made_anew(
    platform: Platform, server: Server, token: str, tmp_path: Path, damage: str
) -> None:
    last = work(platform, random.Random(9), 20)
    with gemel.replica(server.url, token=token, folder=tmp_path / "copy") as replica:
        replica.wait(last, PATIENCE_S)
    file = tmp_path / "copy" / "replica.gemel"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data if damage == "flipped" else data[:-20])
    with gemel.replica(server.url, token=token, folder=tmp_path / "copy") as replica:
        restarted = replica.standing().restarted
        assert restarted is not None
        assert "what was kept" in restarted.reason
        assert replica.hash() == held(platform)


def test_what_is_changed_in_the_copy_is_found_and_mended(platform: Platform, server: Server, token: str) -> None:
    last = work(platform, random.Random(10), 20)
    with gemel.replica(server.url, token=token) as replica:
        replica.wait(last, PATIENCE_S)
        with replica._held.changed:
            replica._held.copy._drop("press-1")
        replica._held.ask(hashed=True)
        until(lambda: replica.standing().mended == 1 and replica.connected, replica)
        replica.check(PATIENCE_S)
        assert replica.hash() == held(platform)
        restarted = replica.standing().restarted
        assert restarted is not None
        assert "was not what the platform has" in restarted.reason


def test_a_twin_or_property_that_goes_goes_from_the_copy(platform: Platform, server: Server, token: str) -> None:
    platform.apply({"gemel": 1, "twins": [{"id": "press-9", "types": ["press"]}]})
    platform.write("press-9", "count", 1)
    with gemel.replica(server.url, token=token) as replica:
        assert "press-9" in replica.twins()
        platform.change(lambda tx: platform.registry.remove_twin(tx, "press-9"))
        until(lambda: "press-9" not in replica.twins(), replica)
        replica.wait(platform.write("press-2", "count", 2), PATIENCE_S)
        replica.check(PATIENCE_S)
        assert replica.standing().mended == 0


def test_a_property_that_is_renamed_is_renamed_in_the_copy(platform: Platform, server: Server, token: str) -> None:
    pump = {"id": "pump", "properties": [{"name": "flow"}, {"name": "noise"}]}
    platform.apply({"gemel": 1, "types": [pump], "twins": [{"id": "pump-1", "types": ["pump"]}]})
    platform.write("pump-1", "flow", 1.0)
    platform.write("pump-1", "noise", 1.0)
    with gemel.replica(server.url, token=token, select="pump-1") as replica:
        assert set(replica.now("pump-1")) == {"flow", "noise"}
        renamed = {"id": "pump", "properties": [{"name": "flow"}, {"name": "sound", "aliases": ["noise"]}]}
        platform.apply({"gemel": 1, "types": [renamed]})
        until(lambda: replica.connected and set(replica.now("pump-1")) == {"flow", "sound"}, replica)
        replica.check(PATIENCE_S)


def party_token(platform: Platform, party: str) -> str:
    platform.gate.parties.add(party, party)
    account = platform.gate.accounts.add(f"{party} reader", None, None, party=party, kind="service")
    return str(platform.gate.tokens.add(f"{party} reader", None, owner=account.id)[1])


def test_a_party_has_a_copy_of_what_is_granted_and_a_revocation_takes_it_away(
    platform: Platform, server: Server, tmp_path: Path
) -> None:
    work(platform, random.Random(11), 40)
    secret = party_token(platform, "acme")
    first = platform.gate.grant("party:acme", ["read", "subscribe"], Selector(twins=("press-1",)))
    second = platform.gate.grant("party:acme", ["read", "subscribe"], Selector(twins=("press-2",)))
    folder = tmp_path / "copy"
    with gemel.replica(server.url, token=secret, folder=folder) as replica:
        assert replica.twins() == ["press-1", "press-2"]
        platform.gate.grants.revoke(first.id)
        until(lambda: replica.twins() == ["press-2"], replica)
        replica.check(PATIENCE_S)
        assert replica.standing().mended == 0
        platform.gate.grants.revoke(second.id)
        until(lambda: replica.twins() == [], replica)
        restarted = replica.standing().restarted
        assert restarted is not None
        assert restarted.reason.startswith("the platform says no")
        assert not (folder / "replica.gemel").exists()


def test_what_was_revoked_while_it_was_cut_off_goes_when_it_is_back(platform: Platform, line: Wire) -> None:
    work(platform, random.Random(12), 40)
    secret = party_token(platform, "bolt")
    grant = platform.gate.grant("party:bolt", ["read", "subscribe"], Selector(twins=("press-1",)))
    platform.gate.grant("party:bolt", ["read", "subscribe"], Selector(twins=("press-2",)))
    with (
        gemel.replica(line.url, token=secret) as everything,
        gemel.replica(line.url, token=secret, select=["press-1", "press-2"]) as named,
    ):
        line.cut()
        until(lambda: not everything.connected and not named.connected, named)
        platform.gate.grants.revoke(grant.id)
        line.heal()
        for replica in (everything, named):
            until(lambda replica=replica: replica.connected and replica.twins() == ["press-2"], replica)  # type: ignore[misc]
            replica.check(PATIENCE_S)


def test_the_pace_of_a_party_slows_its_copies_and_ends_none(
    platform: Platform, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = party_token(platform, "dash")
    platform.gate.grant("party:dash", ["read", "subscribe"], Selector(twins=("press-1",)))
    with gemel.replica(server.url, token=secret) as replica:
        monkeypatch.setattr(platform.gate.pace, "per_second", 2.0)
        for number in range(3):
            replica.wait(platform.write("press-1", "count", number), PATIENCE_S)
        assert replica.value("press-1", "count").value == 2
        assert replica.standing().restarted is None
        assert replica.connected


def test_whoever_may_not_or_cannot_is_told_at_once(platform: Platform, server: Server, token: str) -> None:
    with pytest.raises(Unauthenticated):
        gemel.replica(server.url, token="gemel_nonsense")
    with pytest.raises(UnknownTwin):
        gemel.replica(server.url, token=token, select="press-99")
    with pytest.raises(Unreachable, match="is the server running"):
        gemel.replica("http://127.0.0.1:9", token=token)
    with pytest.raises(InvalidInput, match="rate=99 is not between"):
        gemel.replica(server.url, token=token, rate=99)
    with pytest.raises(InvalidInput, match="it takes ids, or twins"):
        gemel.replica(server.url, token=token, select={"twin": "press-1"})
    with pytest.raises(Denied):
        gemel.replica(server.url, token=party_token(platform, "cog"))


def test_a_replica_of_another_plant_begins_anew(platform: Platform, server: Server, token: str, tmp_path: Path) -> None:
    """A position that the platform has not reached is of another journal."""
    work(platform, random.Random(13), 10)
    with gemel.replica(server.url, token=token) as replica:
        ahead = 1_000_000
        with replica._held.changed:
            replica._held.copy.position = ahead
            subscription = replica._held.subscription
        assert subscription is not None
        subscription.close()
        until(lambda: 0 < replica.position < ahead and replica.connected, replica)
        restarted = replica.standing().restarted
        assert restarted is not None
        assert f"position {ahead} is not between" in restarted.reason
        replica.check(PATIENCE_S)


def test_changes_are_told_in_order_with_their_position(platform: Platform, server: Server, token: str) -> None:
    heard: list[tuple[int, list[object]]] = []
    came = threading.Event()
    with gemel.replica(server.url, token=token, select="press-1") as replica:
        replica.on_change(lambda position, new: (heard.append((position, [one.value for one in new])), came.set()))  # type: ignore[func-returns-value]
        last = max(platform.write("press-1", "count", value) for value in range(20))
        replica.wait(last, PATIENCE_S)
        assert came.wait(PATIENCE_S)
        assert [position for position, _ in heard] == sorted(position for position, _ in heard)
        assert [value for _, values in heard for value in values] == list(range(20))
        assert replica.hash(last) == replica.hash()
        with pytest.raises(NotFound, match="was not at position"):
            replica.hash(last + 1_000)

"""Accounts, tokens, sessions, the set-up token, throttling: nothing but hashes at rest, ends that end."""

from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gemel.access import Gate, Role
from gemel.access.accounts import Accounts
from gemel.access.sessions import GRACE_S, IDLE_S, LONGEST_S, ROTATE_S
from gemel.clock import SECOND, SteppedClock
from gemel.errors import Conflict, InvalidInput, NotFound, Overloaded, RevisionConflict, Unauthenticated

GOOD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 with little memory: the tests are about what is done with a hash."""
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr("gemel.access.accounts.PasswordHasher", lambda: quick)


def test_the_first_administrator_needs_the_one_time_token(gate: Gate) -> None:
    token = gate.accounts.setup_token()
    assert token
    with pytest.raises(Unauthenticated):
        gate.accounts.set_up("gemel_setup_wrong", "Ada", GOOD)
    ada = gate.accounts.set_up(token, "Ada", GOOD)
    assert ada.role is Role.ADMINISTRATOR
    assert gate.accounts.setup_token() is None
    with pytest.raises(Conflict):
        gate.accounts.set_up(token, "Eve", GOOD)


def test_the_set_up_token_makes_one_administrator_however_many_try_at_once(gate: Gate) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = gate.accounts.setup_token() or ""
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(gate.accounts.set_up, token, f"Ada {n}", GOOD) for n in range(4)]
    made = [one for one in tries if one.exception() is None]
    assert len(made) == 1
    assert len(gate.accounts.all()) == 1


def test_a_second_start_voids_the_first_set_up_token(gate: Gate) -> None:
    first = gate.accounts.setup_token()
    second = gate.accounts.setup_token()
    assert first
    assert second
    with pytest.raises(Unauthenticated):
        gate.accounts.set_up(first, "Ada", GOOD)
    gate.accounts.set_up(second, "Ada", GOOD)


def test_secrets_are_not_in_the_database_file(gate: Gate, tmp_path: Path) -> None:
    ada = gate.accounts.add("Ada", GOOD, "administrator")
    _, token = gate.tokens.add("press line", "viewer", owner=ada.id)
    session = gate.sessions.start(ada)
    setup = "gemel_setup_"
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (GOOD, token, session, setup):
        assert secret.encode() not in content


def test_names_are_not_in_the_journal(gate: Gate, writer) -> None:  # type: ignore[no-untyped-def]
    ada = gate.accounts.add("Ada Lovelace", GOOD, "administrator", actor="setup")
    assert [change.kind for change in writer.changes] == ["access.user_created"]
    assert writer.changes[0].subject == ada.id
    assert "Ada" not in repr(writer.changes)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaa", "x" * 1025, "ada lovelace"])
def test_a_weak_password_is_refused(gate: Gate, password: str) -> None:
    with pytest.raises(InvalidInput):
        gate.accounts.add("Ada Lovelace", password, "viewer")


def test_a_taken_name_an_unknown_role_and_an_empty_name_are_refused(gate: Gate) -> None:
    gate.accounts.add("Ada", GOOD, "viewer")
    with pytest.raises(Conflict):
        gate.accounts.add("ada", GOOD, "viewer")
    with pytest.raises(InvalidInput):
        gate.accounts.add("Bob", GOOD, "root")
    with pytest.raises(InvalidInput):
        gate.accounts.add(" \n", GOOD, "viewer")


def test_sign_in_slows_down_after_five_failures_and_recovers(gate: Gate, clock: SteppedClock) -> None:
    gate.accounts.add("Ada", GOOD, "viewer")
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            gate.accounts.verify("Ada", "wrong password", address="10.0.0.1")
    with pytest.raises(Overloaded) as told:
        gate.accounts.verify("Ada", GOOD, address="10.0.0.2")
    assert told.value.retry_after_s >= 1
    with pytest.raises(Overloaded):
        gate.accounts.verify("Bob", GOOD, address="10.0.0.1")
    clock.step(2)
    assert gate.accounts.verify("ada", GOOD, address="10.0.0.2").name == "Ada"


def test_an_unknown_name_a_wrong_password_and_a_disabled_account_get_the_same_answer(gate: Gate) -> None:
    gate.accounts.add("Root", GOOD, "administrator")
    gate.accounts.add("Ada", GOOD, "viewer")
    gate.accounts.change("Ada", disabled=True)
    told = set()
    for name, password in [("Nobody", GOOD), ("Root", "wrong password"), ("Ada", GOOD), ("", "")]:
        with pytest.raises(Unauthenticated) as error:
            gate.accounts.verify(name, password)
        told.add(str(error.value))
    assert len(told) == 1


def test_the_last_administrator_stays(gate: Gate) -> None:
    ada = gate.accounts.add("Ada", GOOD, "administrator")
    for change in ({"role": "viewer"}, {"disabled": True}):
        with pytest.raises(Conflict):
            gate.accounts.change(ada.id, **change)  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        gate.accounts.erase(ada.id)
    gate.accounts.add("Bob", GOOD, "administrator")
    gate.accounts.change(ada.id, role="viewer")


def test_a_stale_revision_is_refused(gate: Gate) -> None:
    ada = gate.accounts.add("Ada", GOOD, "viewer")
    gate.accounts.change(ada.id, role="operator", if_revision=1)
    with pytest.raises(RevisionConflict, match="revision 2, not 1"):
        gate.accounts.change(ada.id, role="engineer", if_revision=1)


def test_an_erased_person_is_gone_but_the_random_id_stays(gate: Gate, database) -> None:  # type: ignore[no-untyped-def]
    gate.accounts.add("Root", GOOD, "administrator")
    ada = gate.accounts.add("Ada", GOOD, "viewer")
    _, token = gate.tokens.add("t", "viewer", owner=ada.id)
    session = gate.sessions.start(ada)
    gate.accounts.erase("Ada")
    assert gate.accounts.get(ada.id).name == ""
    with pytest.raises(NotFound):
        gate.accounts.get("Ada")
    with pytest.raises(Unauthenticated):
        gate.tokens.principal(token)
    with pytest.raises(Unauthenticated):
        gate.sessions.principal(session)
    with database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from person where name = 'Ada'").scalar() == 0


def test_a_token_ends_when_it_expires_or_is_withdrawn_and_notes_its_use(gate: Gate, clock: SteppedClock) -> None:
    token, secret = gate.tokens.add("line 1", "operator", expires=clock.now() + 100 * SECOND)
    assert gate.tokens.principal(secret).role is Role.OPERATOR
    assert gate.tokens.all()[0].last_used == clock.now()
    clock.step(100)
    with pytest.raises(Unauthenticated, match="expired"):
        gate.tokens.principal(secret)
    other, secret = gate.tokens.add("line 2", "operator")
    gate.tokens.withdraw(other.id)
    with pytest.raises(Unauthenticated):
        gate.tokens.principal(secret)
    with pytest.raises(NotFound):
        gate.tokens.withdraw(other.id)
    with pytest.raises(InvalidInput):
        gate.tokens.add("late", "viewer", expires=clock.now())
    assert [one.id for one in gate.tokens.all()] == [token.id]


def test_the_local_token_is_an_administrator_s_and_is_nowhere_written(gate: Gate, tmp_path: Path) -> None:
    secret = gate.tokens.local()
    gate.tokens.add("another", "viewer")
    assert gate.tokens.principal(secret).role is Role.ADMINISTRATOR
    assert [token.name for token in gate.tokens.all()] == ["another"]
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_token_can_no_more_than_its_owner(gate: Gate) -> None:
    gate.accounts.add("Root", GOOD, "administrator")
    ada = gate.accounts.add("Ada", GOOD, "engineer")
    _, secret = gate.tokens.add("t", "engineer", owner=ada.id)
    gate.accounts.change(ada.id, role="viewer")
    assert gate.tokens.principal(secret).role is Role.VIEWER
    gate.accounts.change(ada.id, disabled=True)
    with pytest.raises(Unauthenticated):
        gate.tokens.principal(secret)


def test_a_session_ends_idle_after_a_shift_and_after_a_week_in_any_case(gate: Gate, clock: SteppedClock) -> None:
    ada = gate.accounts.add("Ada", GOOD, "viewer")
    idle = gate.sessions.start(ada)
    clock.step(IDLE_S)
    with pytest.raises(Unauthenticated):
        gate.sessions.principal(idle)
    secret, passed = gate.sessions.start(ada), 0
    while passed < LONGEST_S:
        _, fresh = gate.sessions.principal(secret)
        secret = fresh or secret
        clock.step(IDLE_S / 2)
        passed += IDLE_S // 2
    with pytest.raises(Unauthenticated):
        gate.sessions.principal(secret)


def test_a_rotated_session_keeps_its_earlier_secret_for_a_moment(gate: Gate, clock: SteppedClock) -> None:
    ada = gate.accounts.add("Ada", GOOD, "viewer")
    first = gate.sessions.start(ada)
    clock.step(ROTATE_S + 1)
    _, second = gate.sessions.principal(first)
    assert second
    assert second != first
    assert gate.sessions.principal(first)[1] is None
    clock.step(GRACE_S)
    with pytest.raises(Unauthenticated):
        gate.sessions.principal(first)
    assert gate.sessions.principal(second)[0].id == ada.id


def test_a_new_password_and_signing_out_end_sessions(gate: Gate) -> None:
    ada = gate.accounts.add("Ada", GOOD, "viewer")
    gate.accounts.add("Root", GOOD, "administrator")
    one, two = gate.sessions.start(ada), gate.sessions.start(ada)
    gate.sessions.end(one)
    gate.sessions.end(one)
    with pytest.raises(Unauthenticated):
        gate.sessions.principal(one)
    assert gate.sessions.principal(two)
    gate.accounts.change(ada.id, password="another good sentence")
    with pytest.raises(Unauthenticated):
        gate.sessions.principal(two)


def test_everything_survives_a_restart(gate: Gate, database, clock, writer) -> None:  # type: ignore[no-untyped-def]
    ada = gate.accounts.add("Ada", GOOD, "engineer")
    _, token = gate.tokens.add("t", "viewer", owner=ada.id)
    session = gate.sessions.start(ada)
    again = Gate(database, writer, clock)
    assert again.accounts.verify("Ada", GOOD).id == ada.id
    assert again.tokens.principal(token).owner == ada.id
    assert again.sessions.principal(session)[0].id == ada.id


def test_a_read_only_folder_knows_people_and_changes_none(gate: Gate, database, clock) -> None:  # type: ignore[no-untyped-def]
    gate.accounts.add("Ada", GOOD, "engineer")
    readers = Gate(database, None, clock)
    assert readers.accounts.verify("Ada", GOOD).name == "Ada"
    with pytest.raises(Conflict, match="read-only"):
        readers.accounts.add("Bob", GOOD, "viewer")
    readers.close()


def test_the_real_hasher_is_argon2id() -> None:
    assert Accounts.__init__.__kwdefaults__ == {"hasher": None}
    assert PasswordHasher().hash("x").startswith("$argon2id$")

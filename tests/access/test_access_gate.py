"""Decisions: deny by default, four roles, expiry, errors deny."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from gemel.access import AUDITED, Action, Decision, Gate, Policies, Principal, Resource, ResourceKind, Role
from gemel.access.audit import QUEUE
from gemel.clock import SECOND, SteppedClock
from gemel.errors import Corrupt, Denied, Overloaded, UnknownTwin

SCHEMA = """
namespace Gemel {
  entity Role in [Role];
  entity User in [Role] = { expires?: Long };
  entity Twin = { types: Set<String>, group: String };
  action read appliesTo { principal: [User], resource: [Twin], context: { now: Long } };
}
"""
PRESS = Resource(ResourceKind.TWIN, "press-7")


def someone(role: Role, **fields: object) -> Principal:
    return Principal(**{"id": "user-1", "kind": "User", "role": role, **fields})  # type: ignore[arg-type]


GRANTED = {
    Role.VIEWER: {Action.READ, Action.SUBSCRIBE, Action.QUERY, Action.EXPORT},
    Role.OPERATOR: {Action.WRITE, Action.COMMAND, Action.MAINTAIN, Action.OPERATE},
    Role.ENGINEER: {Action.CONFIGURE},
    Role.ADMINISTRATOR: {Action.ADMINISTER},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", list(Action))
def test_each_role_has_its_grants_and_those_below(gate: Gate, role: Role, action: Action) -> None:
    granted = set().union(*(GRANTED[below] for below in Role if below.rank <= role.rank))
    assert gate.allows(someone(role), action, Resource(ResourceKind.PLATFORM)) == (action in granted)


def test_identities_are_for_administrators_alone(gate: Gate) -> None:
    for role in Role:
        for action in Action:
            allowed = gate.allows(someone(role), action, Resource(ResourceKind.IDENTITY))
            assert allowed == (role is Role.ADMINISTRATOR and action is Action.ADMINISTER)


def test_an_action_nobody_declared_is_denied(gate: Gate) -> None:
    assert not gate.allows(someone(Role.ADMINISTRATOR), "destroy", PRESS)


def test_expired_credentials_are_denied_although_the_decision_was_remembered(gate: Gate, clock: SteppedClock) -> None:
    who = someone(Role.VIEWER, kind="Token", expires=clock.now() + 10 * SECOND)
    assert gate.allows(who, "read", PRESS)
    clock.step(10)
    assert gate.decide(who, "read", PRESS).policy == "an-expired-grant-is-none"


def test_the_demo_principal_is_denied_off_the_loopback(gate: Gate) -> None:
    here = Principal(id="demo", kind="Demo", role=Role.ADMINISTRATOR, loopback=True)
    there = Principal(id="demo", kind="Demo", role=Role.ADMINISTRATOR, loopback=False)
    assert gate.allows(here, "configure", PRESS)
    assert gate.decide(there, "read", PRESS).policy == "the-demo-stays-on-this-machine"


def test_a_policy_that_can_err_is_refused_at_the_start() -> None:
    with pytest.raises(Corrupt, match="expires"):
        Policies(SCHEMA, "forbid (principal, action, resource) when { principal.expires < 3 };")


def test_a_policy_of_another_schema_is_refused() -> None:
    with pytest.raises(Corrupt):
        Policies(SCHEMA, 'permit (principal, action == Gemel::Action::"fly", resource);')
    with pytest.raises(Corrupt):
        Policies(SCHEMA, "permit everything")


def test_a_policy_that_errs_while_it_is_evaluated_denies() -> None:
    # Integer overflow passes validation; Cedar would skip the erroring forbid and allow.
    errs = "permit (principal, action, resource); forbid (principal, action, resource) when { context.now * 4 > 0 };"
    decision = Policies(SCHEMA, errs).decide(someone(Role.VIEWER), "read", PRESS, now=2**62)
    assert decision == Decision(False, "error-in-policies")


def test_a_refusal_names_the_action_and_the_policy(gate: Gate) -> None:
    with pytest.raises(Denied, match="configure on twin press-7 is not granted to the role viewer"):
        gate.require(someone(Role.VIEWER), "configure", PRESS)


def test_a_refusal_does_not_tell_that_a_thing_exists_which_may_not_be_read(gate: Gate) -> None:
    stranger = Principal(id="demo", kind="Demo", role=Role.VIEWER, loopback=False)
    with pytest.raises(UnknownTwin):
        gate.require(stranger, "write", PRESS, missing=UnknownTwin("there is no twin 'press-7'"))
    with pytest.raises(Denied):
        gate.require(someone(Role.VIEWER), "write", PRESS, missing=UnknownTwin("there is no twin 'press-7'"))


def test_audited_actions_and_every_refusal_are_logged_with_policy_time_and_position(
    gate: Gate, clock: SteppedClock
) -> None:
    gate.require(someone(Role.ENGINEER), "configure", PRESS, detail="PUT /twins/press-7")
    gate.require(someone(Role.ENGINEER), "read", PRESS)
    with pytest.raises(Denied):
        gate.require(someone(Role.VIEWER), "write", PRESS)
    refused, configured = gate.audit.entries()
    assert (configured.action, configured.allowed, configured.policy) == ("configure", True, "engineers-configure")
    assert (configured.principal, configured.resource, configured.time) == ("user-1", "press-7", clock.now())
    assert configured.detail == "PUT /twins/press-7"
    assert (refused.action, refused.allowed, refused.policy) == ("write", False, "nothing-granted")
    assert Action.WRITE not in AUDITED


def test_the_audit_log_pages_backwards_and_filters(gate: Gate) -> None:
    for number in range(5):
        gate.require(someone(Role.ENGINEER), "configure", Resource(ResourceKind.TWIN, f"t{number}"))
    newest = gate.audit.entries(limit=2)
    assert [entry.resource for entry in newest] == ["t4", "t3"]
    assert [entry.resource for entry in gate.audit.entries(before=newest[-1].id, limit=2)] == ["t2", "t1"]
    assert gate.audit.entries(allowed=False) == []
    assert gate.audit.entries(only={"principal": "user-2"}) == []


class Stuck:
    """A writer that never gets there."""

    def transact(self, work: Any, *, actor: str = "") -> Future[Any]:
        return Future()


def test_without_room_in_the_audit_log_nothing_is_done(database, clock) -> None:  # type: ignore[no-untyped-def]
    gate = Gate(database, Stuck(), clock)
    for _ in range(QUEUE + 1):  # one is on its way, the rest wait
        gate.require(someone(Role.ENGINEER), "configure", PRESS)
    with pytest.raises(Overloaded):
        gate.require(someone(Role.ENGINEER), "configure", PRESS)

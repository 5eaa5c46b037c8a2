"""Why may somebody do something, or not: by which grant or rule, and what would be needed."""

from __future__ import annotations

import msgspec

from gemel.access.gate import Gate
from gemel.access.grants import Grant, grantees_of
from gemel.access.principal import Action, Principal, Resource, ResourceKind, Role
from gemel.clock import to_rfc3339
from gemel.errors import InvalidInput, NotFound, UnknownProperty, UnknownTwin
from gemel.registry import Entry

__all__ = ["Reason", "Why", "explain", "principal_called"]

RULES = {
    "viewers-read": "its role has every reading right of all twins",
    "operators-operate": "its role may write, command and operate",
    "engineers-configure": "its role may configure",
    "administrators-administer": "its role may administer",
    "devices-speak-for-their-twins": "the device speaks for this twin",
    "devices-hand-in": "devices may hand in",
    "an-expired-grant-is-none": "the token has expired",
    "an-expired-credential-is-none": "the device's credential has expired",
    "an-expired-session-is-none": "the session has ended",
    "the-demo-stays-on-this-machine": "the demonstration is for this machine alone",
    "a-token-keeps-to-its-actions": "the token is not for this action",
    "a-token-keeps-to-its-twins": "the token is not for this twin",
    "a-token-of-some-twins-is-for-twins-alone": "the token is for some twins alone",
    "error-in-policies": "a policy could not be evaluated, which is a no",
}
STATES = ("holds", "waiting", "ended", "revoked")
MOST_TOLD = 20
_ROLE_OF = {
    Action.WRITE: Role.OPERATOR,
    Action.COMMAND: Role.OPERATOR,
    Action.MAINTAIN: Role.OPERATOR,
    Action.OPERATE: Role.OPERATOR,
    Action.CONFIGURE: Role.ENGINEER,
    Action.ADMINISTER: Role.ADMINISTRATOR,
}


class Reason(msgspec.Struct, frozen=True):
    """One grant or rule, and what it says to this."""

    policy: str
    """Id of the grant, or name of the rule."""
    told: str


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    allowed: bool
    principal: str
    action: str
    twin: str
    property: str = ""
    item: str = ""
    """Where it was asked of an item, and not of a twin."""
    group: str = ""
    """Of the property; empty: the twin as a whole."""
    reasons: list[Reason]
    """What decided; where nothing was granted, why none of the grants that concern it does."""
    needed: list[str]
    """Any one of these would do."""


def principal_called(gate: Gate, name: str) -> Principal:
    """A user by name or id, a token by its id, a device as device:<id>, a party as party:<id>. Raises NotFound."""
    if name.startswith("party:"):
        party = gate.parties.get(name.removeprefix("party:"))
        return Principal(id=name, kind="User", party=party.id)
    if name.startswith("device:"):
        return Principal(id=f"device:{gate.devices.get(name.removeprefix('device:')).id}", kind="Device")
    token = next((one for one in gate.tokens.all() if one.id == name), None)
    if token is not None:
        return gate.tokens.known(token.id)
    try:
        account = gate.accounts.get(name)
    except NotFound:
        raise NotFound(f"there is no user, token, device:<id> or party:<id> called {name!r:.80}") from None
    return Principal(id=account.id, kind="User", role=account.role, party=account.party)


def explain(gate: Gate, principal: Principal, action: str, what: tuple[Entry | None, str, str]) -> Why:
    """May it, and by what; `what`: the twin, what it was called, and a property or nothing. Raises InvalidInput …"""
    entry, called, property = what
    if action not in set(Action):
        raise InvalidInput(f"{action!r:.40} is no action; use one of {', '.join(Action)}")
    if entry is None:
        raise UnknownTwin(f"there is no twin {called!r:.100}", twin=called[:128])
    if property and property not in entry.properties:
        raise UnknownProperty(f"{entry.id} has no property {property!r:.80}", twin=entry.id, property=property[:80])
    group = str(entry.properties[property].property.shared_as) if property else ""
    decision = gate.decide(principal, action, Resource(ResourceKind.TWIN, entry.id, group))
    known = {one.id: one for one in gate.grants.all()}
    if decision.policies:
        reasons = [_reason(policy, known.get(policy)) for policy in decision.policies]
    elif decision.policy in RULES:
        reasons = [Reason(decision.policy, RULES[decision.policy])]
    else:
        mine = [one for one in known.values() if one.to in grantees_of(principal)]
        mine = sorted(mine, key=lambda one: STATES.index(one.state(gate.now())))[:MOST_TOLD]
        reasons = [Reason(one.id, _misses(gate, one, action, entry, group)) for one in mine]
    return Why(
        allowed=decision.allowed,
        principal=principal.id,
        action=action,
        twin=entry.id,
        property=property,
        group=group,
        reasons=reasons,
        needed=[] if decision.allowed else _needed(principal, action, entry.id, group),
    )


def _reason(policy: str, grant: Grant | None) -> Reason:
    if grant is None:
        return Reason(policy, RULES.get(policy, "a rule of the platform"))
    of = f" ({', '.join(grant.groups)})" if grant.groups else ""
    until = "until it is revoked" if grant.ends is None else f"until {to_rfc3339(grant.ends)}"
    return Reason(policy, f"granted to {grant.to}: {', '.join(grant.actions)} of {grant.selector}{of}, {until}")


def _misses(gate: Gate, grant: Grant, action: str, entry: Entry, group: str) -> str:
    """Why a grant does not do."""
    state = grant.state(gate.now())
    if state == "revoked":
        return f"was revoked at {to_rfc3339(grant.revoked or 0)}"
    if state == "ended":
        return f"ended at {to_rfc3339(grant.ends or 0)}"
    if state == "waiting":
        return f"begins at {to_rfc3339(grant.starts or 0)}"
    if grant.items is not None:
        return f"is for items of the configuration alone: {grant.items}"
    if action not in grant.actions:
        return f"is for {', '.join(grant.actions)} alone"
    if not gate.covers.covers(grant.selector, entry.number):
        return f"is for other twins: {grant.selector}"
    if grant.groups and group not in grant.groups:
        asked = group or "the twin as a whole"
        return f"is for {', '.join(grant.groups)} alone, not for {asked}"
    return "does not decide this"


def _needed(principal: Principal, action: str, twin: str, group: str) -> list[str]:
    of = f" with the group {group}" if group else ""
    to = f"party:{principal.party}" if principal.party else f"user:{principal.owner or principal.id}"
    if principal.kind == "Device":
        return [f"the device speaks for {twin}, or for what it is part of"]
    needed = [f"a grant to {to} of {action} on {twin}{of}"]
    if not principal.party:
        needed.insert(0, f"the role {_ROLE_OF.get(Action(action), Role.VIEWER)}, or one above it")
    if principal.kind == "Token":
        needed.append("a token that is for this action and twin, whose owner has the right")
    return needed

"""One gate: identities (people, tokens, sessions), Cedar policies, decisions, and the audit log."""

from gemel.access.accounts import Account, Accounts
from gemel.access.audit import Audit, AuditEntry
from gemel.access.credentials import Credential, Device
from gemel.access.devices import Devices
from gemel.access.gate import Gate
from gemel.access.policy import Decision, Policies
from gemel.access.principal import AUDITED, Action, Principal, Resource, ResourceKind, Role
from gemel.access.sessions import Sessions
from gemel.access.store import Writer
from gemel.access.throttle import Throttle
from gemel.access.tokens import Token, Tokens

__all__ = [
    "AUDITED",
    "Account",
    "Accounts",
    "Action",
    "Audit",
    "AuditEntry",
    "Credential",
    "Decision",
    "Device",
    "Devices",
    "Gate",
    "Policies",
    "Principal",
    "Resource",
    "ResourceKind",
    "Role",
    "Sessions",
    "Throttle",
    "Token",
    "Tokens",
    "Writer",
]

"""One gate: identities (people, tokens, sessions), Cedar policies, decisions, and the audit log."""

from gemel.access.accounts import Account, Accounts
from gemel.access.audit import SEALED, Audit, AuditEntry, AuditVerification, Told
from gemel.access.authority import Authority, write_private
from gemel.access.certificates import Certificates, Issued
from gemel.access.credentials import SECRET_PREFIX, Credential, Device
from gemel.access.devices import Claimed, Devices
from gemel.access.enrolment import Row, codes_csv
from gemel.access.gate import Gate
from gemel.access.grants import GRANTABLE, Grant, Grants
from gemel.access.pace import Pace
from gemel.access.parties import Parties, Party
from gemel.access.policy import Decision, Policies
from gemel.access.preview import Preview, preview
from gemel.access.principal import AUDITED, VIEWED, Action, Principal, Resource, ResourceKind, Role
from gemel.access.projection import Projection
from gemel.access.sealed import ERASED_TEXT, seal, unseal
from gemel.access.selector import Selector
from gemel.access.sessions import Sessions
from gemel.access.store import Writer
from gemel.access.templates import TEMPLATES, Template
from gemel.access.throttle import Throttle
from gemel.access.tokens import Token, Tokens
from gemel.access.view import Rooms, View
from gemel.access.why import Reason, Why, explain, principal_called

__all__ = [
    "AUDITED",
    "ERASED_TEXT",
    "GRANTABLE",
    "SEALED",
    "SECRET_PREFIX",
    "TEMPLATES",
    "VIEWED",
    "Account",
    "Accounts",
    "Action",
    "Audit",
    "AuditEntry",
    "AuditVerification",
    "Authority",
    "Certificates",
    "Claimed",
    "Credential",
    "Decision",
    "Device",
    "Devices",
    "Gate",
    "Grant",
    "Grants",
    "Issued",
    "Pace",
    "Parties",
    "Party",
    "Policies",
    "Preview",
    "Principal",
    "Projection",
    "Reason",
    "Resource",
    "ResourceKind",
    "Role",
    "Rooms",
    "Row",
    "Selector",
    "Sessions",
    "Template",
    "Throttle",
    "Token",
    "Tokens",
    "Told",
    "View",
    "Why",
    "Writer",
    "codes_csv",
    "explain",
    "preview",
    "principal_called",
    "seal",
    "unseal",
    "write_private",
]

"""One gate: identities (people, tokens, sessions), Cedar policies, decisions, and the audit log."""

from gemel.access.accounts import Account, Accounts
from gemel.access.audit import SEALED, Audit, AuditEntry, AuditVerification, Told
from gemel.access.authority import Authority, write_private
from gemel.access.certificates import Certificates, Issued
from gemel.access.credentials import SECRET_PREFIX, Credential, Device
from gemel.access.cursors import Cursors
from gemel.access.devices import Claimed, Devices
from gemel.access.enrolment import Row, codes_csv
from gemel.access.gate import Gate
from gemel.access.grants import GRANTABLE, Grant, Grants
from gemel.access.item_view import ItemColumn, ItemsSeen, ItemView, Machines, check_item_view
from gemel.access.pace import Pace
from gemel.access.parties import Parties, Party
from gemel.access.policy import Decision, Policies
from gemel.access.preview import Preview, PreviewType, preview
from gemel.access.principal import AUDITED, VIEWED, Action, Principal, Resource, ResourceKind, Role
from gemel.access.projection import Projection
from gemel.access.sealed import ERASED_TEXT, destroy_key, in_own_words, seal, unseal, unseal_in, words_of
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
    "Cursors",
    "Decision",
    "Device",
    "Devices",
    "Gate",
    "Grant",
    "Grants",
    "Issued",
    "ItemColumn",
    "ItemView",
    "ItemsSeen",
    "Machines",
    "Pace",
    "Parties",
    "Party",
    "Policies",
    "Preview",
    "PreviewType",
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
    "check_item_view",
    "codes_csv",
    "destroy_key",
    "explain",
    "in_own_words",
    "preview",
    "principal_called",
    "seal",
    "unseal",
    "unseal_in",
    "words_of",
    "write_private",
]

"""In-product capabilities: sold as licences, unlocked on machines by command, proved by what the machine reports."""

from gemel.services.capabilities.capabilities import Capabilities
from gemel.services.capabilities.rows import forget_licences
from gemel.services.capabilities.values import (
    Capability,
    CapabilityStanding,
    Grant,
    Licence,
    LicenceState,
)

__all__ = [
    "Capabilities",
    "Capability",
    "CapabilityStanding",
    "Grant",
    "Licence",
    "LicenceState",
    "forget_licences",
]

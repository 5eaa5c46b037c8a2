"""Verifiable together: signed heads of journal and audit log, countersigned by other parties' plants."""

from gemel.witness.evidence import Evidence
from gemel.witness.judge import FAULTS, Verdict
from gemel.witness.note import Head, Note, PublicKey
from gemel.witness.peer import Consistency, Countersigned, Heads, Offer
from gemel.witness.standing import Held, PeerStanding, Witnessed
from gemel.witness.witness import Rooms, Witness

__all__ = [
    "FAULTS",
    "Consistency",
    "Countersigned",
    "Evidence",
    "Head",
    "Heads",
    "Held",
    "Note",
    "Offer",
    "PeerStanding",
    "PublicKey",
    "Rooms",
    "Verdict",
    "Witness",
    "Witnessed",
]

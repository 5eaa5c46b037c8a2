"""The journal: what happened, in order, durable, hash-chained. One SQL implementation, SQLite or PostgreSQL."""

from gemel.journal.base import Head, Journal, Progress, Verification, Witness
from gemel.journal.proof import Proof
from gemel.journal.sql import SqlJournal

__all__ = ["Head", "Journal", "Progress", "Proof", "SqlJournal", "Verification", "Witness"]

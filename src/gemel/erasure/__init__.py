"""Erasing a person or a twin for good, the record of it, and doing it again after a restore."""

from gemel.erasure.erasures import Erased, Erasures, Preview
from gemel.erasure.ledger import LEDGER, Entry, read_ledger

__all__ = ["LEDGER", "Entry", "Erased", "Erasures", "Preview", "read_ledger"]

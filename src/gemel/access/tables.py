"""Tables of the access room. Names of people are in `person` and nowhere else: to erase a person, erase a row."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from gemel.database import metadata

__all__ = [
    "account",
    "audit",
    "device",
    "device_credential",
    "device_twin",
    "person",
    "person_key",
    "session",
    "setup",
    "token",
]

person = Table(
    "person",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
)

person_key = Table(
    "person_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("key", LargeBinary(32), nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("owner", String(40), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("last_used", BigInteger),
)

session = Table(
    "session",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("account", String(40), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("rotated", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

setup = Table(
    "setup",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", LargeBinary(32), nullable=False),
    Column("created", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),
    Column("principal", String(80), nullable=False),
    Column("action", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("resource", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("policy", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_audit_time", "time"),
)

device = Table(
    "device",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("revoked", BigInteger),
    Column("seen", BigInteger),
    Column("claim", LargeBinary(32), unique=True),
    Column("claim_ends", BigInteger),
)

device_twin = Table(
    "device_twin",
    metadata,
    Column("device", String(64), primary_key=True),
    Column("twin", String(128), primary_key=True),
)

# What a device shows: `hash` is the SHA-256 of its secret, or of its certificate in DER form.
device_credential = Table(
    "device_credential",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("device", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("ends", BigInteger),
    Column("used", BigInteger),
    Column("warned", BigInteger),
    Column("revoked", BigInteger),
    Index("ix_device_credential_device", "device"),
)

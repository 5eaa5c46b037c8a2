"""Tables of the access room. Names of people are in `person` and nowhere else: to erase a person, erase a row."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from gemel.database import metadata

__all__ = [
    "access_grant",
    "account",
    "audit",
    "device",
    "device_credential",
    "device_twin",
    "federated",
    "one_time_link",
    "party",
    "person",
    "person_key",
    "second_factor",
    "session",
    "setup",
    "token",
    "usage",
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
    Column("party", String(64), nullable=False, server_default=""),
    Column("kind", String(16), nullable=False, server_default="person"),
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
    Column("actions", Text, nullable=False, server_default="[]"),
    Column("selector", Text, nullable=False, server_default=""),
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
    Column("party", String(64), nullable=False, server_default=""),
    Column("rows", BigInteger),
    Column("since", BigInteger),
    Column("until", BigInteger),
    Column("hash", LargeBinary(32)),
    Index("ix_audit_time", "time"),
    Index("ix_audit_resource", "resource", "id"),
)

# How much each principal used each twin for what, by the hour.
usage = Table(
    "usage",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("principal", String(80), primary_key=True),
    Column("twin", String(128), primary_key=True),
    Column("action", String(16), primary_key=True),
    Column("policy", String(64), primary_key=True),
    Column("party", String(64), nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Index("ix_usage_twin_hour", "twin", "hour"),
)

party = Table(
    "party",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
)

access_grant = Table(
    "access_grant",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("grantee", String(80), nullable=False),
    Column("actions", Text, nullable=False),
    Column("selector", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("starts", BigInteger),
    Column("ends", BigInteger),
    Column("history_from", BigInteger),
    Column("history_s", BigInteger),
    Column("purpose", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("revoked", BigInteger),
    Column("items", Text),
    Column("naming", LargeBinary(16)),
)

# Invitations and new passwords: `hash` of the secret in the link that an administrator hands over.
one_time_link = Table(
    "one_time_link",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("account", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
)

# `secret`: sealed with the person's key; `step`: the last that was used; `recovery`: hashes, hexadecimal, as JSON.
second_factor = Table(
    "second_factor",
    metadata,
    Column("account", String(40), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("confirmed", BigInteger),
    Column("step", BigInteger, nullable=False),
    Column("recovery", Text, nullable=False),
)

# Who signs in by another system: its issuer and their subject there.
federated = Table(
    "federated",
    metadata,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("account", String(40), nullable=False),
    Column("created", BigInteger, nullable=False),
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

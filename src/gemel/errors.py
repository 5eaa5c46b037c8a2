"""Every deliberate error of Gemel, as one tree.

GemelError                      base; has .code (stable), .status (HTTP), .detail, .extra
├── InvalidInput        422     what was handed in cannot be accepted; says where and how to mend it
│   ├── InvalidDocument         a YAML/JSON document; .problems holds line, column, field, message
│   ├── InvalidValue            one value does not fit its property (kind, range, enumeration, NaN)
│   ├── InvalidUnit             unknown UCUM code, or one of another dimension
│   ├── InvalidTime             not RFC 3339, or outside what the clock rule allows
│   ├── InvalidId               an id that is not of the allowed form
│   ├── InvalidQuery            SQL or selector that is not allowed or cannot be parsed
│   ├── InvalidExpression       an expression that cannot be read or does not fit its names; .position
│   ├── TooLarge         413     more than is taken at once; send it in parts
│   └── WrongMediaType   415     a form of body that this address does not take
├── NotFound            404     UnknownTwin, UnknownType, UnknownProperty, UnknownConnector, UnknownPlugin …
├── Conflict            409     it exists already, or was changed meanwhile
│   ├── RevisionConflict 412    If-Match failed: "press-7 is at revision 12, not 9; read it again and retry"
│   ├── SequenceConflict        another writer of the journal was first
│   ├── MessageConflict         the same (source, id) with other content
│   ├── NewerFormat             a later version wrote this folder; nothing was touched
│   ├── KeyReused               the same Idempotency-Key with another request
│   ├── RuleBroken              a rule of the parts book forbids it; .extra["findings"] says all
│   └── ConfigurationDiffers 412  what an operation assumes is not so; look again and decide
├── Denied              403     the gate said no (or 404-like silence where even existence is a secret)
├── Unauthenticated     401     no or unknown credentials
├── Overloaded          429     refused for now; .retry_after_s says when to come again
├── WrongMethod         405     the address exists, but not for this method
├── NotYet              503     a position that was asked for is not reached yet
├── StorageFull         507     no space; nothing of the request was written, what was accepted is intact
├── StorageFailed       500     the disk refused an fsync or a read; the writer has stopped
├── Corrupt             500     stored data does not match its hash; refuses rather than skip
├── FolderInUse         409     another process holds this folder; names it
├── MissingExtra        501     an optional package is not installed; prints the pip line
└── PluginFailed        501     the code of a plug-in could not be loaded; says whose, and why
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "ConfigurationDiffers",
    "Conflict",
    "Corrupt",
    "Denied",
    "FolderInUse",
    "GemelError",
    "InvalidDocument",
    "InvalidExpression",
    "InvalidId",
    "InvalidInput",
    "InvalidQuery",
    "InvalidTime",
    "InvalidUnit",
    "InvalidValue",
    "KeyReused",
    "MessageConflict",
    "MissingExtra",
    "NewerFormat",
    "NotFound",
    "NotYet",
    "Overloaded",
    "PluginFailed",
    "Problem",
    "RevisionConflict",
    "RuleBroken",
    "SequenceConflict",
    "StorageFailed",
    "StorageFull",
    "TooLarge",
    "Unauthenticated",
    "UnknownConnector",
    "UnknownPlugin",
    "UnknownProperty",
    "UnknownTwin",
    "UnknownType",
    "WrongMediaType",
    "WrongMethod",
]


class GemelError(Exception):
    """Base of every deliberate error.

    `detail` is a sentence for a person: the value that was wrong and the way out. `code` is stable and
    documented in docs/reference/errors.md; HTTP answers carry both (RFC 9457). `extra` holds fields that a
    program may want (the current revision, the allowed values …) and never a secret.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class InvalidInput(GemelError):
    """What was handed in cannot be accepted."""

    code = "invalid-input"
    status = 422
    title = "The input is not valid"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a document: where it is and what is wrong. Lines and columns count from 1; 0 is unknown."""

    message: str
    field: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{where}{self.field + ': ' if self.field else ''}{self.message}"


class InvalidDocument(InvalidInput):
    """A document (types, plant, import) with faults; all of them are in `.problems`, with line and field."""

    code = "invalid-document"
    title = "The document is not valid"

    def __init__(self, name: str, problems: list[Problem]) -> None:
        listed = "\n".join(f"  {problem}" for problem in problems[:20])
        more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(f"{name} has {len(problems)} problem(s):\n{listed}{more}")
        self.name = name
        self.problems = problems
        self.extra = {
            "problems": [{"message": p.message, "field": p.field, "line": p.line, "column": p.column} for p in problems]
        }


class InvalidValue(InvalidInput):
    """A value does not fit its property."""

    code = "invalid-value"
    title = "The value does not fit the property"


class InvalidUnit(InvalidInput):
    """An unknown UCUM code, or a unit of another dimension."""

    code = "invalid-unit"
    title = "The unit does not fit"


class InvalidTime(InvalidInput):
    """A time that cannot be read or that the clock rule refuses."""

    code = "invalid-time"
    title = "The time is not acceptable"


class InvalidId(InvalidInput):
    """An id that is not of the allowed form."""

    code = "invalid-id"
    title = "The id is not of the allowed form"


class InvalidQuery(InvalidInput):
    """A query that cannot be parsed or asks for what is not offered."""

    code = "invalid-query"
    status = 400
    title = "The query is not valid"


class InvalidExpression(InvalidInput):
    """An expression that cannot be read, or does not fit what its names mean."""

    code = "invalid-expression"
    title = "The expression is not valid"

    def __init__(self, detail: str, *, position: int = 0, **extra: Any) -> None:
        """`position`: where in the text, in characters from 1; 0: nowhere in particular."""
        super().__init__(f"{detail} (at character {position})" if position else detail, **extra)
        self.position = position
        if position:
            self.extra["position"] = position


class TooLarge(InvalidInput):
    """More than is taken in one request."""

    code = "too-large"
    status = 413
    title = "Too large"


class WrongMediaType(InvalidInput):
    """The body has a form that this address does not take."""

    code = "wrong-media-type"
    status = 415
    title = "Not this form of body"


class NotFound(GemelError):
    """There is no such thing (or none that the caller may know of)."""

    code = "not-found"
    status = 404
    title = "Not found"


class UnknownTwin(NotFound):
    """No twin of this id or alias."""

    code = "unknown-twin"
    title = "No such twin"


class UnknownType(NotFound):
    """No twin type of this id (or version)."""

    code = "unknown-type"
    title = "No such twin type"


class UnknownProperty(NotFound):
    """The twin has no property of this name."""

    code = "unknown-property"
    title = "No such property"


class UnknownConnector(NotFound):
    """No connector of this id, or no plug-in of this kind."""

    code = "unknown-connector"
    title = "No such connector"


class UnknownPlugin(NotFound):
    """No plug-in of this name may be used here."""

    code = "unknown-plugin"
    title = "No such plug-in"


class Conflict(GemelError):
    """The thing exists already or was changed meanwhile."""

    code = "conflict"
    status = 409
    title = "Conflict"


class RevisionConflict(Conflict):
    """An optimistic lock failed."""

    code = "revision-conflict"
    status = 412
    title = "It was changed meanwhile"


class RuleBroken(Conflict):
    """What may be in which slot does not allow it; `findings` says which rules, and how to go on."""

    code = "rule-broken"
    title = "A rule forbids it"


class ConfigurationDiffers(Conflict):
    """An operation assumes another configuration than the one that is there."""

    code = "configuration-differs"
    status = 412
    title = "The configuration is another"


class SequenceConflict(Conflict):
    """Another writer appended to this journal partition first."""

    code = "sequence-conflict"
    title = "Another writer was first"


class MessageConflict(Conflict):
    """The same (source, id) came again with other content."""

    code = "message-conflict"
    title = "The same message id with other content"


class KeyReused(Conflict):
    """The same Idempotency-Key came with another request, or while the first one is still being answered."""

    code = "key-reused"
    title = "The idempotency key was used before"


class FolderInUse(Conflict):
    """Another process has this folder open for writing."""

    code = "folder-in-use"
    title = "The folder is in use"


class NewerFormat(Conflict):
    """The data was written by a later version; this one leaves it as it is."""

    code = "newer-format"
    title = "A later version wrote this"


class Denied(GemelError):
    """The gate refused; the detail names the action and the policy."""

    code = "denied"
    status = 403
    title = "Not allowed"


class Unauthenticated(GemelError):
    """No credentials, or unknown or expired ones."""

    code = "unauthenticated"
    status = 401
    title = "Sign in first"


class Overloaded(GemelError):
    """Refused for now, nothing was written; try again after `retry_after_s` seconds."""

    code = "overloaded"
    status = 429
    title = "Too much at once"

    def __init__(self, detail: str, *, retry_after_s: float = 1.0, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after_s = retry_after_s


class WrongMethod(GemelError):
    """The address exists, but not for this method."""

    code = "wrong-method"
    status = 405
    title = "Not this method"


class NotYet(GemelError):
    """A position that was asked for has not been reached in time; ask again."""

    code = "not-yet"
    status = 503
    title = "Not there yet"


class Unreachable(GemelError):
    """The platform at an address does not answer."""

    code = "unreachable"
    status = 503
    title = "The platform cannot be reached"


class StorageFull(GemelError):
    """No space left: nothing of this request was written, everything accepted earlier is intact."""

    code = "storage-full"
    status = 507
    title = "The disk is full"


class StorageFailed(GemelError):
    """The disk refused a write, an fsync or a read; the writer has stopped and says so."""

    code = "storage-failed"
    title = "The storage failed"


class Corrupt(GemelError):
    """Stored data does not match its hash or cannot be decoded; refused, never skipped."""

    code = "corrupt"
    title = "Stored data is damaged"


class MissingExtra(GemelError):
    """An optional package is missing; the detail is the pip line that installs it."""

    code = "missing-extra"
    status = 501
    title = "An optional part is not installed"


class PluginFailed(GemelError):
    """The code of a plug-in could not be loaded; the detail says whose it is, and why."""

    code = "plugin-failed"
    status = 501
    title = "A plug-in does not load"

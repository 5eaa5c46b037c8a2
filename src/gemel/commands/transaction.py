"""A transaction: orders to several machines that belong together, and what became of them as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from gemel.commands.order import Ask, OrderKind
from gemel.errors import InvalidInput
from gemel.twin import Expected, OnFailure

__all__ = [
    "SETTLED",
    "AskTogether",
    "Member",
    "MemberWanted",
    "Role",
    "Transaction",
    "TransactionState",
    "TransactionStep",
    "Undo",
    "UndoWanted",
    "Wish",
    "together",
]


class TransactionState(StrEnum):
    """preparing → committing → committed; or, when a member fails, → compensating → one of the other ends."""

    PREPARING = "preparing"
    """On stable storage; nothing is requested of any machine yet."""
    COMMITTING = "committing"
    """What is requested of all members appeared at one position; they are told."""
    COMPENSATING = "compensating"
    """A member failed; what the others did is being put back, the last one first."""
    COMMITTED = "committed"
    """Every member is applied."""
    COMPENSATED = "compensated"
    """A member failed, and everything that was done is put back."""
    PARTLY = "partly"
    """Some of it is done, or may be, and some is not."""
    UNKNOWN = "unknown"
    """Of some member nobody can tell whether it is done."""
    REFUSED = "refused"
    """Nothing of it was done; the reason names the member and the rule."""
    CANCELLED = "cancelled"
    """Taken back before anything was requested."""
    EXPIRED = "expired"
    """Its deadline passed before anything was requested."""


T = TransactionState
SETTLED = frozenset({T.COMMITTED, T.COMPENSATED, T.PARTLY, T.UNKNOWN, T.REFUSED, T.CANCELLED, T.EXPIRED})


class Role(StrEnum):
    """What an order is in its transaction."""

    MEMBER = "member"
    UNDO = "undo"
    """Puts back what a member did."""
    ASK = "ask"
    """Asks the object beforehand whether it could."""
    RELEASE = "release"
    """Tells an object that agreed that nothing comes of it."""


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """What puts a member back."""

    kind: OrderKind
    name: str
    input: Any = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One member as it is asked for."""

    ask: Ask
    """Its key and deadline are the transaction's."""
    undo: Undo | None = None
    """None: of a property its previous value, of a command what its type says."""


class AskTogether(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for of several machines at once."""

    wishes: tuple[Wish, ...]
    title: str = ""
    on_failure: OnFailure = OnFailure.COMPENSATE
    in_order: bool = False
    """A member is told only when the one before it is applied; else all are told at once."""
    deadline_s: float | None = None
    """From now, for preparing, and from the commit on for the members; None: the longest of theirs."""
    key: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member, and the orders that came of it."""

    twin: str
    kind: OrderKind
    name: str
    input: Any = None
    if_revision: int | None = None
    expects: tuple[Expected, ...] = ()
    """What is assumed of the configuration of its machine: nothing of the transaction is requested where that is not
    so."""
    undo: Undo | None = None
    asked: str = ""
    """Id of the order that asked the object beforehand."""
    order: str = ""
    """Id of its order, once it is requested."""
    undone: str = ""
    """Id of the order that puts it back."""
    note: str = ""
    """Why it is not put back, though something may be done."""


class TransactionStep(msgspec.Struct, frozen=True, kw_only=True):
    state: TransactionState
    time: int
    detail: str = ""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction as it is now. Moments are microseconds since the epoch, UTC."""

    id: str
    number: int
    """Transactions that share a twin are committed one after the other, by rising number."""
    title: str = ""
    actor: str
    key: str = ""
    created: int
    deadline: int
    """Nothing is requested after it."""
    deadline_s: float
    """What each member has, once it is requested."""
    on_failure: OnFailure
    in_order: bool = False
    state: TransactionState = TransactionState.PREPARING
    approval: str = ""
    """`waiting` for a second person, or that person's id; empty: none is needed."""
    goal: str = ""
    """The run of a goal that it is a stage of."""
    members: tuple[Member, ...]
    reason: str = ""
    """Why it did not go well: prepare, interlock:door_closed, device, cancelled …"""
    detail: str = ""
    steps: tuple[TransactionStep, ...] = ()

    @property
    def settled(self) -> bool:
        return self.state in SETTLED

    @property
    def twins(self) -> tuple[str, ...]:
        """Each once, in the order of the members."""
        return tuple(dict.fromkeys(member.twin for member in self.members))

    def orders(self) -> Sequence[str]:
        """Ids of all orders that came of it."""
        return [id for one in self.members for id in (one.asked, one.order, one.undone) if id]


def together(members: Sequence[Any], **how: Any) -> AskTogether:
    """What programs write as plain data. Raises InvalidInput."""
    try:
        wanted = [one if isinstance(one, MemberWanted) else msgspec.convert(one, MemberWanted) for one in members]
        ask = msgspec.convert({**how, "wishes": ()}, AskTogether)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"this is no transaction: {error!s:.300}") from error
    return msgspec.structs.replace(ask, wishes=tuple(one.wish() for one in wanted))


class UndoWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What puts a member back: a command, or of a property the value it gets."""

    command: str = ""
    input: dict[str, Any] = {}
    value: Any = None


class MemberWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member as programs and people write it: {twin: pump-1, property: speed, value: 900} or {twin: pump-1, command:
    start, input: {ramp: 5}}."""

    twin: str
    property: str = ""
    value: Any = None
    unit: str = ""
    command: str = ""
    input: dict[str, Any] = {}
    if_revision: int | None = None
    expects: tuple[Expected, ...] = ()
    undo: UndoWanted | None = None

    def wish(self) -> Wish:
        """Raises InvalidInput."""
        if bool(self.property) == bool(self.command):
            raise InvalidInput(f"say of {self.twin:.100} a property and its value, or a command; one of the two")
        if self.property:
            kind, name, given = OrderKind.PROPERTY, self.property, self.value
        else:
            kind, name, given = OrderKind.COMMAND, self.command, self.input
        ask = Ask(
            twin=self.twin,
            name=name,
            kind=kind,
            input=given,
            unit=self.unit,
            expects=self.expects,
            if_revision=self.if_revision,
        )
        undo = self.undo
        if undo is None:
            return Wish(ask=ask)
        if undo.command:
            return Wish(ask=ask, undo=Undo(kind=OrderKind.COMMAND, name=undo.command, input=undo.input))
        if not self.property:
            raise InvalidInput(f"what takes {self.twin:.100}.{self.command:.80} back is a command; say which")
        return Wish(ask=ask, undo=Undo(kind=OrderKind.PROPERTY, name=self.property, input=undo.value))

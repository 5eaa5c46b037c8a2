"""How plants stand to each other, and what is said of it."""

from __future__ import annotations

import msgspec

from gemel.clock import to_rfc3339
from gemel.witness.book import Entry
from gemel.witness.judge import Verdict
from gemel.witness.note import Head

__all__ = ["Held", "PeerStanding", "Witnessed", "words"]


class Held(msgspec.Struct, frozen=True):
    """How far a log is countersigned."""

    position: int
    size: int
    seen: int
    """When; microseconds since the epoch, UTC."""


class PeerStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One peer."""

    name: str
    url: str
    state: str
    """well, waiting (not looked at yet), unreachable, restored (it told so), fault."""
    error: str
    """Why it was not looked at the last time."""
    checked: int | None
    held: dict[str, Held]
    """Of its logs: what we countersigned."""
    holds: dict[str, Held]
    """Of our logs: what it countersigned."""
    wrong: list[Entry]
    """What is open."""
    said: list[str]
    """What it finds wrong with us."""


class Witnessed(msgspec.Struct, frozen=True, kw_only=True):
    """What was found when one log was held against everything that others countersigned of it."""

    log: str
    ok: bool
    size: int
    heads: int
    """Countersigned heads that it was held against."""
    position: int
    """Up to here a countersignature holds it."""
    reason: str
    parties: list[str]


def words(
    verdict: Verdict, new: Head, last: Head | None, common: Head | None, *, by: str = "", searched: bool = False
) -> str:
    """What is wrong, as a sentence. `by`: who countersigned `last`; empty: we did. `searched`: whether `common` is
    known; it is None where nothing is."""
    log = f"the {'audit log' if new.log == 'audit' else 'journal'} of {new.owner}"
    who = by or "we"
    if verdict is Verdict.STRANGE_KEY or last is None:
        return f"{log} is signed with a key that the pinned one does not name; ask that party, and pin its new key"
    was = f"{who} countersigned it up to {last.position:,} ({last.size:,} entries) at {to_rfc3339(last.time)}"
    if verdict is Verdict.ROLLED_BACK:
        what = f"{log} ends at {new.position:,}, but {was}: what came after is gone, and nothing tells of a restore"
    elif verdict is Verdict.FORKED:
        what = f"{log} has another content up to {new.position:,} than what {who} countersigned: it was told twice"
    elif verdict is Verdict.CHANGED:
        what = f"{log} does not begin with what {who} countersigned up to {last.position:,}: its past was changed"
    elif common is not None and common.size == last.size:
        return f"{log} goes on in a new epoch (a restore or an import); nothing that {who} countersigned is missing"
    else:
        what = f"{log} was restored from a backup and is at {new.position:,} now; {was}, and not all of that is in it"
    if not searched:
        return what
    return f"{what}; it agrees with us up to {0 if common is None else common.position:,}"

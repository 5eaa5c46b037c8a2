"""Plants of two parties hold each other to what they have told: heads are signed, looked at, countersigned, kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection

from gemel.access import Audit
from gemel.clock import Clock, to_rfc3339
from gemel.connectors.reach import Reach, in_header
from gemel.database import Database
from gemel.errors import Conflict, GemelError, InvalidInput, NotFound, NotYet, Unreachable
from gemel.folder import PeerSettings, WitnessSettings
from gemel.journal import SqlJournal
from gemel.journal import Witness as JournalWitness
from gemel.registry import Directory
from gemel.twin import Change, Position, parse_duration
from gemel.witness.book import Book, Entry
from gemel.witness.evidence import Evidence, about, evidence_of
from gemel.witness.judge import FAULTS, Verdict, agreed, judge
from gemel.witness.keys import Keys, followed
from gemel.witness.logs import JOURNAL, Run
from gemel.witness.note import Head, Note, PublicKey
from gemel.witness.own import Own
from gemel.witness.peer import Consistency, Countersigned, Heads, Offer, Peer
from gemel.witness.standing import Held, PeerStanding, Witnessed, words
from gemel.witness.tree import consistent

__all__ = ["Rooms", "Witness"]

FAULT, RESTORED, ACCEPTED, ROTATED, FOLLOWED = (
    "witness.fault", "witness.restored", "witness.accepted", "witness.key_rotated", "witness.key_followed",
)  # fmt: skip
Extends = Callable[[Head, Head], bool]
LEAST_S = 1.0
SOONER_S = 5.0
"""After a look that failed, then twice as long each time, up to the interval."""
_log = structlog.get_logger("gemel.witness")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What of a plant is used."""

    journal: SqlJournal
    audit: Audit
    database: Database
    directory: Directory
    clock: Clock
    run: Run
    reach: Reach
    epoch: str


@dataclass
class _Pair:
    """Another party, as it is set and as it stands."""

    settings: PeerSettings
    key: PublicKey
    checked: int | None = None
    """When its answer was last looked at."""
    error: str = ""
    said: Sequence[str] = ()
    """What it finds wrong with us."""


class Witness:
    """Signs our heads; looks at the peers' at an interval, and countersigns what extends what we saw. Any thread."""

    def __init__(self, folder: Path, rooms: Rooms, settings: WitnessSettings) -> None:
        """Raises InvalidInput for a peer's key that is none."""
        self._rooms, self._clock = rooms, rooms.clock
        self.keys = Keys(folder / "secrets", rooms.clock, name=settings.name)
        self.book = Book(rooms.database, rooms.run)
        self._own = Own(rooms.journal, rooms.audit, rooms.database, rooms.run)
        self._logs = self._own.logs
        self._exchanging, self._offering = threading.Lock(), threading.Lock()
        self._every_s = max(LEAST_S, parse_duration(settings.every) or 0.0)
        pairs = [_Pair(one, PublicKey.parse(one.key)) for one in settings.peers]
        self._pairs = {pair.key.name: pair for pair in pairs}
        if len(self._pairs) != len(pairs):
            raise InvalidInput("witness.peers: two peers have the same name in their keys; name each once")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="gemel-witness", daemon=True)

    def start(self) -> None:
        if self._pairs:
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    # --- what others are told ------------------------------------------------------------------------------------

    def heads(self) -> Heads:
        """How far our logs are now, signed."""
        signed = {name: str(self.keys.sign(self._head(name).text())) for name in self._logs}
        return Heads(name=self.keys.name, rotations=self.keys.rotations, heads=signed)

    def consistency(self, log: str, old: int, new: int) -> Consistency:
        """The proof that our log of `new` entries begins with that of `old`. Raises NotFound, InvalidInput."""
        return self._own.consistency(log, old, new)

    def countersigned(self, of: str) -> Countersigned:
        """The newest heads of another plant that we countersigned, and what is wrong with it."""
        found = [self.book.last(of, log, self.keys.name) for log in self._logs]
        notes = [one.note for one in found if one is not None and one.verdict not in FAULTS]
        wrong = [one.told for one in self.book.open() if one.owner == of]
        return Countersigned(owner=of, rotations=self.keys.rotations, notes=notes, faults=wrong)

    def _head(self, log: str) -> Head:
        size, root, position, hash_ = self._own.end(log)
        return Head(
            owner=self.keys.name, log=log, size=size, root=root, epoch=self._rooms.epoch, position=position,
            hash=hash_, time=self._clock.now(),
        )  # fmt: skip

    # --- looking at others ---------------------------------------------------------------------------------------

    def check(self, party: str = "") -> list[PeerStanding]:
        """Look at all peers, or one, now; what is wrong is in what comes back. Raises NotFound."""
        if party and party not in self._pairs:
            raise NotFound(f"{party!r:.100} is no peer; `witness.peers` in gemel.yaml names {self._named()}")
        for name, pair in self._pairs.items():
            if not party or name == party:
                self._look(pair)
        return self.standing()

    def _named(self) -> str:
        return ", ".join(self._pairs) or "none"

    def _keep(self) -> None:
        sooner_s = SOONER_S
        while not self._closing.is_set():
            for pair in self._pairs.values():
                if not self._closing.is_set():
                    self._look(pair)
            if any(pair.error for pair in self._pairs.values()):  # two plants that start do not wait a whole interval
                self._closing.wait(min(sooner_s, self._every_s))
                sooner_s *= 2
            else:
                self._closing.wait(self._every_s)
                sooner_s = SOONER_S

    def _look(self, pair: _Pair) -> None:
        if not pair.settings.url:  # it comes by itself
            return
        with self._exchanging:
            try:
                self._exchange(pair)
                pair.error, pair.checked = "", self._clock.now()
            except GemelError as error:
                pair.error = error.detail
                _log.warning("a peer could not be witnessed", peer=pair.key.name, error=error.detail)
            except Exception as error:  # whatever it answers, the next look comes
                pair.error = f"{type(error).__name__}: {error!s:.300}"
                _log.exception("a peer could not be witnessed", peer=pair.key.name)

    def _exchange(self, pair: _Pair) -> None:
        reach, settings = self._rooms.reach, pair.settings
        assert settings.token is not None
        certificate = str(reach.file(settings.certificate)) if settings.certificate else ""
        with Peer(settings.url, in_header(reach.secret(settings.token)), certificate=certificate) as other:
            told = other.heads()
            if told.name != pair.key.name:
                raise Unreachable(f"{settings.url} is {told.name:.100}, not {pair.key.name}: mend `witness.peers`")
            keys = self._keys_of(pair, told.rotations)

            def extends(old: Head, new: Head) -> bool:
                return _proven(old, new, other.consistency(new.log, old.size, new.size).proof)

            for log in self._logs:
                self._judge(keys[-1], log, told.heads.get(log, ""), extends, search=True)
            ours = other.countersigned(self.keys.name)
            if settings.offers:
                ours = other.offer(self._offer(ours.notes))
            for written in ours.notes[: len(self._logs)]:
                self._take(keys, written)
            pair.said = ours.faults[:10]

    def _offer(self, held: Sequence[str]) -> Offer:
        """Our heads, with the proofs that they extend what the other one holds."""
        sizes = {head.log: head.size for head in (Head.parse(Note.parse(one).text) for one in held)}
        now, proofs = self.heads(), dict[str, list[str]]()
        for log, written in now.heads.items():
            new, old = Head.parse(Note.parse(written).text).size, sizes.get(log, 0)
            proofs[log] = self.consistency(log, old, new).proof if old <= new else []  # it will see that it is shorter
        return Offer(name=now.name, rotations=now.rotations, heads=now.heads, proofs=proofs)

    def offered(self, offer: Offer) -> Countersigned:
        """What a plant hands in that we cannot reach: looked at as if we had asked. Returns what we hold of it now.

        Raises NotFound for one that is no peer, InvalidInput where a proof does not show what it should.
        """
        pair = self._pairs.get(offer.name)
        if pair is None:
            raise NotFound(f"{offer.name!r:.100} is no peer of {self.keys.name}; its key must stand in `witness.peers`")

        def extends(old: Head, new: Head) -> bool:
            if not _proven(old, new, offer.proofs.get(new.log, [])):
                raise InvalidInput(f"the proof does not show that the {new.log} grew from {old.size:,} to {new.size:,}")
            return True

        with self._offering:  # never the other lock: two plants that offer to each other would wait for each other
            keys = self._keys_of(pair, offer.rotations)
            for log in self._logs:
                self._judge(keys[-1], log, offer.heads.get(log, ""), extends, search=False)
            pair.error, pair.checked = "", self._clock.now()
        return self.countersigned(offer.name)

    def _keys_of(self, pair: _Pair, offered: Sequence[str]) -> list[PublicKey]:
        """The peer's keys, from the pinned one on. What we once took binds: an old key cannot name another next one."""
        known = followed(pair.key, self.book.keys(pair.key.name))
        new = followed(known[-1], offered)[1:]
        if new:
            mine = {str(key) for key in new}
            taken = [one for one in offered if any(key in one for key in mine)]
            said = self._change(FOLLOWED, {"party": pair.key.name, "key": str(new[-1])})
            self.book.put_keys(pair.key.name, taken, self._clock.now(), [said])
        return [*known, *new]

    def _judge(self, key: PublicKey, log: str, written: str, extends: Extends, *, search: bool) -> None:
        """Look at one head: countersign it, or keep it as evidence. `search`: ask up to where both agree."""
        note = Note.parse(written)
        head, me, now = Head.parse(note.text), self.keys.name, self._clock.now()
        if (head.owner, head.log) != (key.name, log):
            raise InvalidInput(f"this is a head of {head.owner:.100}/{head.log:.40}, not of {key.name}/{log}")

        last = self.book.last(key.name, log, me)
        seen = None if last is None else last.head
        verdict = judge(seen, head, extends) if note.signed_by(key) else Verdict.STRANGE_KEY
        if verdict is Verdict.SAME:
            return
        note = note.only(key.name)
        if verdict not in FAULTS:
            note = self.keys.countersign(note)
        if seen is None or verdict is Verdict.EXTENDED:
            self.book.put(head, note, signer=me, seen=now, verdict=verdict)
            return
        search = search and verdict is not Verdict.STRANGE_KEY
        common = agreed(self._kept(seen, me), head, extends) if search else None
        self._tell(head, note, me, verdict, words(verdict, head, seen, common, searched=search))

    def _kept(self, last: Head, signer: str) -> list[Head]:
        """All heads of that life of the log which we hold, by size."""
        held = [one.head for one in self.book.held(last.owner, last.log, signer) if one.epoch == last.epoch]
        return sorted(held, key=lambda one: one.size)

    def _take(self, keys: Sequence[PublicKey], written: str) -> None:
        """Keep what another party countersigned of our logs, and hold our own against it."""
        note = Note.parse(written)
        head, party = Head.parse(note.text), keys[0].name
        signed = next((found for key in keys[::-1] if (found := note.countersigned_by(key))), None)
        if signed is None or head.owner != self.keys.name or head.log not in self._logs:
            raise Unreachable(f"{party} answered with a head that it has not countersigned")
        if self.book.knows(head, party):
            return
        if not any(note.signed_by(key) for key in self.keys.all()):
            told = f"{party} holds a head of {head.owner} that no key of ours signed; was secrets/ lost or copied?"
            self._tell(head, note, party, Verdict.STRANGE_KEY, told)
            return
        size = self._own.logs[head.log].size()
        if not self._own.holds(head):
            same = head.epoch == self._rooms.epoch
            verdict = Verdict.RESTORED if not same else Verdict.ROLLED_BACK if head.size > size else Verdict.CHANGED
            own = self._head(head.log)
            self._tell(head, note, party, verdict, words(verdict, own, head, None, by=party))
            return
        time, signature = signed
        self.book.put(head, note, signer=party, seen=self._clock.now(), verdict=Verdict.EXTENDED)
        if head.log == JOURNAL and head.size:
            kept = JournalWitness(head.size, head.position, head.hash, party, time, signature)
            self._rooms.journal.add_witness(kept, run=self._write)

    def _write(self, work: Callable[[Connection], None]) -> None:
        def changing(tx: Connection) -> Sequence[Change]:
            work(tx)
            return ()

        self._rooms.run(changing)

    def _tell(self, head: Head, note: Note, signer: str, verdict: Verdict, told: str) -> None:
        """Keep what is wrong, and journal it; once, while it is open."""
        alike = [
            one for one in self.book.open()
            if (one.owner, one.log, one.signer, one.verdict) == (head.owner, head.log, signer, verdict)
        ]  # fmt: skip
        if alike and verdict in FAULTS:
            return
        kind = RESTORED if verdict is Verdict.RESTORED else FAULT
        body = {"owner": head.owner, "log": head.log, "verdict": str(verdict), "told": told, "position": head.position}
        now = self._clock.now()
        self.book.put(
            head, note, signer=signer, seen=now, verdict=verdict, told=told, changes=[self._change(kind, body)]
        )

    def _change(self, kind: str, body: dict[str, object], actor: str = "") -> Change:
        return Change(kind=kind, subject="plant", time=self._clock.now(), actor=actor, source="witness", body=body)

    # --- people --------------------------------------------------------------------------------------------------

    def standing(self) -> list[PeerStanding]:
        """Each peer: when it was looked at, what both hold of each other, what is wrong."""
        wrong, me = self.book.open(), self.keys.name if self._pairs else ""
        found = []
        for name, pair in self._pairs.items():
            mine = [one for one in wrong if name in (one.owner, one.signer)]
            late = pair.checked is None or self._clock.now() - pair.checked > 3e6 * self._every_s
            state = (
                "fault" if any(one.verdict in FAULTS for one in mine)
                else "restored" if mine
                else "unreachable" if late and (pair.error or pair.checked is not None)
                else "waiting" if pair.checked is None
                else "well"
            )  # fmt: skip
            found.append(
                PeerStanding(
                    name=name, url=pair.settings.url, state=state, error=pair.error, checked=pair.checked,
                    holds=self._held(me, name), held=self._held(name, me), wrong=mine, said=list(pair.said),
                )
            )  # fmt: skip
        return found

    def _held(self, owner: str, signer: str) -> dict[str, Held]:
        found = {log: self.book.last(owner, log, signer) for log in self._logs}
        return {log: Held(one.position, one.size, one.seen) for log, one in found.items() if one is not None}

    def accept(self, party: str, *, reason: str, actor: str = "") -> None:
        """Somebody here knows what was wrong; from now on the party is held to what it told last. Raises NotFound,
        Conflict when nothing is wrong."""
        if party not in self._pairs:
            raise NotFound(f"{party!r:.100} is no peer; there are {self._named()}")
        if not any(party in (one.owner, one.signer) for one in self.book.open()):
            raise Conflict(f"nothing is wrong between {party} and this plant")
        body: dict[str, object] = {"party": party, "reason": reason[:500]}
        self.book.accept(party, self._clock.now(), [self._change(ACCEPTED, body, actor)])

    def rotate(self, *, actor: str = "") -> PublicKey:
        """A new key, which the old one signs; peers follow by themselves."""
        new = self.keys.rotate()
        said = self._change(ROTATED, {"key": str(new)}, actor)
        self._rooms.run(lambda _tx: [said])
        return new

    # --- proving -------------------------------------------------------------------------------------------------

    def proof(self, position: Position) -> Evidence:
        """That what is at `position` stands in a countersigned record: of those that hold it, the earliest.

        Raises NotYet when nobody has countersigned so far, Corrupt when our record is another one.
        """
        found = self._rooms.journal.prove(position)
        entries = [one for one in self._good(JOURNAL) if one.size >= found.sequence]
        if not entries:
            last = max((one.position for one in self._good(JOURNAL)), default=0)
            raise NotYet(
                f"position {position} is not countersigned yet; the parties hold this plant up to {last}: "
                "`gemel witness check` looks now, and the other party must have looked since"
            )
        entry = min(entries, key=lambda one: one.size)
        way = self._own.inclusion(JOURNAL, found.sequence, entry)
        keys = [key for key in self.keys.all() if Note.parse(entry.note).signed_by(key)]
        pair = self._pairs.get(entry.signer)
        theirs = [] if pair is None else followed(pair.key, self.book.keys(entry.signer))
        keys += [key for key in theirs if Note.parse(entry.note).countersigned_by(key)]
        told = about(found.data, self._rooms.directory)
        return evidence_of(
            found, way, entry.size, about=told, position=position, head=entry.note, keys=[str(key) for key in keys]
        )

    def _good(self, log: str) -> list[Entry]:
        """Our own heads that others countersigned, and that were ours when we got to know of them."""
        me = self.keys.name
        return [one for one in self.book.held(me, log) if one.signer != me and not one.told]

    def verify(self) -> list[Witnessed]:
        """Compute the trees of both logs again, and hold them against everything that was countersigned."""
        found = []
        for name, log in self._logs.items():
            good, size = self._good(name), log.size()
            roots = self._own.roots(name, {one.size for one in good})
            wrong = [one for one in good if roots.get(one.size) != one.root]
            position = max((one.position for one in good if one not in wrong), default=0)
            reason = ""
            if wrong:
                first = min(wrong, key=lambda one: one.size)
                what = "ends before it" if first.size > size else "has another past"
                reason = (
                    f"{first.signer} countersigned it up to {first.position:,} at {to_rfc3339(first.seen)}; it {what}"
                )
            elif open_ := [one for one in self.book.open() if (one.owner, one.log) == (self.keys.name, name)]:
                reason = open_[0].told if open_[0].verdict in FAULTS else ""
            found.append(
                Witnessed(log=name, ok=not reason, size=size, heads=len(good), position=position, reason=reason,
                          parties=sorted({one.signer for one in good}))
            )  # fmt: skip
        return found


def _proven(old: Head, new: Head, proof: Sequence[str]) -> bool:
    try:
        hashes = [bytes.fromhex(one) for one in proof]
    except ValueError:
        return False
    return consistent((old.size, old.root), (new.size, new.root), hashes)

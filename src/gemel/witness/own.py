"""Our own logs and the trees over them: how far they are, and the proofs that they only grew."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from gemel.access import Audit
from gemel.database import Database
from gemel.errors import Corrupt, InvalidInput, NotFound
from gemel.journal import SqlJournal
from gemel.witness.book import Entry
from gemel.witness.logs import AUDIT, JOURNAL, AuditLog, JournalLog, Log, Nodes, Run
from gemel.witness.note import Head
from gemel.witness.peer import Consistency
from gemel.witness.tree import Tree, roots_at

__all__ = ["Own"]

AT_ONCE = 65_536


class Own:
    """The journal and the audit log, as others hold us to them. Any thread."""

    def __init__(self, journal: SqlJournal, audit: Audit, database: Database, run: Run) -> None:
        self.logs: dict[str, Log] = {JOURNAL: JournalLog(journal), AUDIT: AuditLog(audit)}
        self._trees = {name: Tree(log, Nodes(name, database, run)) for name, log in self.logs.items()}
        self._lock = threading.Lock()

    def end(self, log: str) -> tuple[int, bytes, int, bytes]:
        """(size, root, position, hash) of a log as it is now."""
        with self._lock:
            tree, size = self._trees[log], self.logs[log].size()
            tree.grow(size)
            position, hash_ = self.logs[log].end(size)
            return size, tree.root(size), position, hash_

    def consistency(self, log: str, old: int, new: int) -> Consistency:
        """The proof that our log of `new` entries begins with that of `old`. Raises NotFound, InvalidInput."""
        if log not in self.logs:
            raise NotFound(f"there is no log {log!r:.40}; there are {', '.join(self.logs)}")
        with self._lock:
            size = self.logs[log].size()
            if not 0 <= old <= new <= size:
                raise InvalidInput(f"old={old} and new={new} are not 0 <= old <= new <= {size}")
            proof = self._trees[log].consistency(old, new)
        return Consistency(log=log, old=old, new=new, proof=[one.hex() for one in proof])

    def holds(self, head: Head) -> bool:
        """Whether our log was so when it was as long as a head says."""
        with self._lock:
            size = self.logs[head.log].size()
            return head.size <= size and self._trees[head.log].root(head.size) == head.root

    def inclusion(self, log: str, sequence: int, entry: Entry) -> list[bytes]:
        """The proof that an entry stands in what was countersigned. Raises Corrupt when ours is another one."""
        with self._lock:
            tree = self._trees[log]
            if tree.root(entry.size) != entry.root:
                raise Corrupt(f"block {entry.size} is not the one that {entry.signer} countersigned")
            return tree.inclusion(sequence - 1, entry.size)

    def roots(self, log: str, sizes: Collection[int]) -> Mapping[int, bytes]:
        """The roots at these sizes, computed again from every entry."""
        own, size = self.logs[log], self.logs[log].size()
        hashes = (one for start in range(0, size, AT_ONCE) for one in own.hashes(start, min(size, start + AT_ONCE)))
        return roots_at(hashes, set(sizes))

"""Two parties: plants that serve each other, each with the other's key and a token for nothing but the record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
import yaml

from gemel.access import Action, Role
from gemel.clock import WallClock
from gemel.connectors.ports import free_port
from gemel.database import Database, overwrite
from gemel.journal.codec import GENESIS, Row, open_row, seal
from gemel.journal.tables import block_table
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import Block
from gemel.witness.keys import Keys
from gemel.witness.tables import node

PLANT = """
gemel: 1
types: [{id: press, properties: [{name: force, unit: kN}, {name: count, kind: integer}]}]
twins: [{id: press-7, types: [press]}]
"""


class Party:
    """A plant of one party, and its server."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.port = free_port()
        self.variable = f"GEMEL_SECRET_{name.split('.')[0].upper()}"
        self.first_key = str(Keys(folder / "secrets", WallClock(), name=name).public)
        self.open = ExitStack()
        self.platform: Platform
        self.server: Server

    def knows(self, other: Party, *, offers: bool = False, reached: bool = True) -> None:
        """Name the other as a peer, by its key and a token of it."""
        peer: dict[str, object] = {"key": other.first_key}
        if reached:
            peer |= {"url": f"http://127.0.0.1:{other.port}", "token": {"env": other.variable}, "offers": offers}
        settings = {"witness": {"name": self.name, "every": "1h", "peers": [peer]}}
        (self.folder / "gemel.yaml").write_text(yaml.safe_dump(settings))

    def start(self) -> None:
        self.platform = self.open.enter_context(Platform.open(self.folder))
        self.server = self.open.enter_context(Server(self.platform, port=self.port))

    def stop(self) -> None:
        self.open.close()

    @property
    def key(self) -> str:
        return str(self.platform.witness.keys.public)

    def token(self) -> str:
        """For heads, and nothing else."""
        return self.platform.gate.tokens.add("peer", Role.VIEWER, only=((Action.WITNESS,), None))[1]

    def works(self, count: int = 3) -> int:
        """Make blocks; the position of the last reading."""
        return max(self.platform.write("press-7", "force", float(value)) for value in range(count))

    def looks(self) -> dict[str, str]:
        """Look at the peers now; state of each."""
        return {one.name: one.state for one in self.platform.witness.check()}

    def again(self) -> None:
        self.stop()
        self.start()


class Pair:
    def __init__(self, a: Party, b: Party) -> None:
        self.a, self.b = a, b


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Acme, whose machine works, and Bolt; each knows the other."""
    a, b = Party(tmp_path / "a", "acme.example/shop"), Party(tmp_path / "b", "bolt.example/works")
    a.knows(b)
    b.knows(a)
    try:
        for one in (a, b):
            one.start()
            monkeypatch.setenv(one.variable, one.token())
        a.platform.apply(PLANT)
        a.works()
        yield Pair(a, b)
    finally:
        a.stop()
        b.stop()


def rewrite(folder: Path, sequence: int) -> None:
    """Change a block as somebody would who has the folder and knows all of this: every hash after it is made anew."""
    database = Database(f"sqlite:///{folder / 'gemel.sqlite'}")
    c = block_table.c
    try:
        with database.write() as tx:
            rows = [Row(*one) for one in tx.execute(sa.select(*[c[n] for n in Row.__slots__]).order_by(c.sequence))]
            previous = GENESIS
            for row in rows:
                made = _forged(row, previous, row.sequence == sequence) if row.sequence >= sequence else row
                overwrite(tx, True)
                tx.execute(block_table.update().where(c.sequence == row.sequence).values(**made.values()))
                previous = made.hash
            overwrite(tx, False)
            tx.execute(node.delete())
    finally:
        database.close()
    (folder / "gemel.sqlite.main.head").unlink()


def _forged(row: Row, previous: bytes, change: bool) -> Row:
    block = open_row(row)
    frames = block.frames
    if change:
        assert frames, "there is no reading in this block"
        frames = {form: replace(one, value=pc.add(one.value, 1.0)) for form, one in frames.items()}
    return seal(Block(block.sequence, block.first, block.recorded, frames, block.changes), previous)


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("gemel.lock", "gemel.owner"))
    return to

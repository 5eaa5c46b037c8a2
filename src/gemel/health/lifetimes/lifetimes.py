"""How long items live: the table of their lives, models learnt from it, what these expect, and whether it came true."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration import Configuration, Node
from gemel.database import Database
from gemel.errors import Conflict, GemelError, InvalidInput, NotFound
from gemel.health.learning.scoring import RESAMPLES
from gemel.health.learning.training import CONFIGURATION, Learnt, Parameters
from gemel.health.learning.values import Asked, Draft
from gemel.health.learning.worker import MEMORY_MB, Errand, run
from gemel.health.lifetimes import rows
from gemel.health.lifetimes.calibrating import calibrated, outcomes
from gemel.health.lifetimes.lives import Lives
from gemel.health.lifetimes.outlook import Outlook, expected, risk_of, why_not
from gemel.health.lifetimes.predicting import probabilities
from gemel.health.lifetimes.values import Calibration, Model, Prediction, Recorded, Risk, Risks
from gemel.history import History
from gemel.registry import Registry
from gemel.twin import Change

__all__ = ["Lifetimes", "Run"]

AT_ONCE = 500
FIRST_S, EVERY_S = 600.0, 24 * 3600.0
Sees = Callable[[str, int, int], bool]
Progress = Callable[[float], None]
_log = structlog.get_logger("gemel.health.lifetimes")


class Run(Protocol):
    """Does work in the writer's transaction for an actor, and journals the changes that it returns."""

    def __call__(self, work: Callable[[Connection], Sequence[Change]], *, actor: str = "") -> object: ...


class Lifetimes:
    """Of one platform. Any thread."""

    def __init__(
        self,
        database: Database,
        run: Run,
        clock: Clock,
        *,
        of: tuple[Configuration, History, Registry],
        position: Callable[[], int],
    ) -> None:
        """`position`: of the journal, up to which answers are."""
        self._database, self._run, self._clock, self._position = database, run, clock, position
        self._configuration = of[0]
        self._lives = Lives(*of)
        self._outlook = Outlook(of[0], self._lives)
        self._due = clock.monotonic() + FIRST_S

    # the view

    def table(
        self,
        asked: Asked,
        at: int | None = None,
        *,
        known: int | None = None,
        changing: bool = False,
        sees: Sees | None = None,
    ) -> pa.Table:
        """`LIVES` of items up to a moment, as believed at another (left out: now); with `changing`, a row for each time
        in which nothing of an item's configuration changed. Asked with the same two moments, it is the same for ever.
        """
        return self._lives.table(
            asked, self._clock.now() if at is None else at, known=known, changing=changing, sees=sees
        )

    # models

    def train(
        self,
        draft: Draft,
        *,
        at: int | None = None,
        known: int | None = None,
        actor: str = "",
        progress: Progress | None = None,
        resamples: int = RESAMPLES,
    ) -> Model:
        """Learn from the lives up to a moment, as they were believed at another, in a process of its own.

        Under a name that is known it is the next version, of the same lives, counted in the same way.

        `progress(0…1)` may raise to end it. Raises InvalidInput, Overloaded (it took too long), Conflict (the name is
        of a model of other lives).
        """
        with self._database.read() as tx:
            _same_lives(tx, draft)
        tell = progress or (lambda _part: None)
        valid = self._clock.now() if at is None else at
        believed = self._configuration.latest() if known is None else known
        position = self._position()
        now = self._lives.table(draft.asked, valid, known=believed)
        if not now.num_rows:
            raise InvalidInput(
                f"no item of {', '.join(draft.asked.parts)[:200]} was in a machine until then; nothing can be learnt"
            )
        tell(0.1)
        cut = _cut(now, draft.learn_share)
        then = now.slice(0, 0) if cut is None else self._lives.table(draft.asked, cut, known=believed)
        tell(0.2)
        learnt = run(Errand(draft, resamples, MEMORY_MB), now, then, look=lambda: tell(0.5))
        tell(0.9)
        made: list[Model] = []

        def work(tx: Connection) -> list[Change]:
            _same_lives(tx, draft)
            version = rows.next_version(tx, draft.id)
            model = _model(draft, learnt, version, now, (valid, believed, position, self._clock.now()), cut, actor)
            rows.put_model(tx, model, _used(learnt))
            made[:] = [model]
            body = {"version": version, "lives": model.lives, "failures": model.failures, "uses": model.uses}
            return [Change(kind="lifetimes.learnt", subject=draft.id, time=model.trained, actor=actor, body=body)]

        self._run(work, actor=actor)
        return made[0]

    def models(self) -> list[Model]:
        """The newest version of each, the one that was learnt last first."""
        with self._database.read() as tx:
            return rows.newest_models(tx)

    def model(self, id: str, version: int | None = None) -> Model:
        """Of a version, or the newest one. Raises NotFound."""
        with self._database.read() as tx:
            return rows.find_model(tx, id, version)[0]

    # what is expected

    def predict(
        self,
        item: str,
        *,
        model: str = "",
        more: float | None = None,
        until: int | None = None,
        at: int | None = None,
        known: int | None = None,
    ) -> Prediction:
        """What is expected of one item: of `more` use from now on (left out: the model's horizon), or until a moment
        at its pace. Raises NotFound, InvalidInput."""
        now = self._clock.now() if at is None else at
        if more is not None and not (math.isfinite(more) and more > 0):
            raise InvalidInput(f"more use is above 0, not {more:g}")
        if until is not None and until <= now:
            raise InvalidInput("a prediction is of a moment that comes; give a later one")
        node = self._configuration.tree(item, now, known=known)
        found, parameters = self._of(model, node.item.part)
        asked = found.asked
        row = self._outlook.life(asked, node.item.id, now, known)
        told = Prediction(
            item=node.item.id,
            part=node.item.part,
            machine=row["machine"] if row else "",
            model=found.id,
            version=found.version,
            uses=found.uses,
            counter=asked.counter,
            age=row["exit"] if row else 0.0,
            at=now,
            known=self._configuration.latest() if known is None else known,
            position=self._position(),
            more=more or found.horizon,
            until=until,
            pace=self._outlook.pace(node.item, asked.counter, now, known),
            limits=tuple(self._outlook.limits(node.item, now, known)),
            failures=found.failures,
            lives=found.lives,
        )
        why = why_not(row, parameters, found)
        if why or row is None or parameters is None:
            return msgspec.structs.replace(told, why=why)
        return expected(told, found, parameters, row, by_use=more is not None)

    def risks(
        self,
        model: str = "",
        *,
        more: float | None = None,
        root: str = "",
        at: int | None = None,
        known: int | None = None,
        limit: int = 100,
        sees: Sees | None = None,
    ) -> Risks:
        """Items that run, those most likely to fail within so much use first; with `root`, those of one machine: the
        first one is its worst. Raises NotFound."""
        now = self._clock.now() if at is None else at
        found, parameters = self._of(model, "")
        items = None if not root else _ids(self._configuration.tree(root, now, known=known))
        table = self._lives.table(found.asked, now, known=known, items=items, sees=sees)
        running = [row for row in table.to_pylist() if row["ended"] == "running"]
        use = more or found.horizon
        told: list[Risk] = []
        awaited = 0.0
        if parameters is not None and running:
            x = parameters.encoding.matrix(running)
            age = np.array([row["exit"] for row in running])
            each = parameters.model().failing(age, np.full(len(age), use), x)
            awaited = float(each.sum())
            first = np.argsort(-each, kind="stable")[:limit]
            numbers = probabilities(parameters, x[first], age[first], use, found.seed)
            told = [
                risk_of(running[place], *(float(one[n]) for one in numbers)) for n, place in enumerate(first.tolist())
            ]
        return Risks(
            model=found.id,
            version=found.version,
            counter=found.asked.counter,
            more=use,
            at=now,
            known=self._configuration.latest() if known is None else known,
            position=self._position(),
            uses=found.uses,
            why="" if parameters is not None else found.why,
            expected=awaited,
            total=len(running),
            items=tuple(told),
        )

    # whether it came true

    def record(self, model: str = "", *, actor: str = "", going: Callable[[], bool] = lambda: True) -> int:
        """Keep what is expected of every item that runs, to be held against what happens; how many were kept. Of an
        item, one for each horizon of use, whichever version said it: predictions that overlap would count the same
        failure again. Some at a time, while `going()`."""
        found, parameters = self._of(model, "")
        if parameters is None:
            return 0
        now, known, position = self._clock.now(), self._configuration.latest(), self._position()
        table = self._lives.table(found.asked, now, known=known)
        with self._database.read() as tx:
            reached = rows.last_ages(tx, found.id)
        ages = zip(*(table[name].to_pylist() for name in ("item", "life", "exit")), strict=True)
        open_ = pa.array([reached.get((item, life), -1.0) <= age for item, life, age in ages], pa.bool_())
        due = table.filter(pc.and_(open_, pc.equal(table["ended"], "running")))
        for first in range(0, due.num_rows, AT_ONCE):
            if not going():
                return first
            some = due.slice(first, AT_ONCE).to_pylist()
            x, age = parameters.encoding.matrix(some), np.array([row["exit"] for row in some])
            numbers = probabilities(parameters, x, age, found.horizon, found.seed)
            kept = [
                Recorded(
                    number=0,
                    item=row["item"],
                    model=found.id,
                    version=found.version,
                    life=row["life"],
                    at=now,
                    known=known,
                    position=position,
                    age=row["exit"],
                    more=found.horizon,
                    probability=float(numbers[0][n]),
                    low=float(numbers[1][n]),
                    high=float(numbers[2][n]),
                    left=min(float(numbers[3][n]), 1e300),
                )
                for n, row in enumerate(some)
            ]
            self._keep(kept, found, now, actor)
        return int(due.num_rows)

    def _keep(self, kept: Sequence[Recorded], model: Model, now: int, actor: str) -> None:
        def work(tx: Connection) -> list[Change]:
            rows.put_predictions(tx, kept)
            body = {"version": model.version, "items": len(kept)}
            return [Change(kind="lifetimes.recorded", subject=model.id, time=now, actor=actor, body=body)]

        self._run(work, actor=actor)

    def recorded(self, item: str = "", *, model: str = "", limit: int = 100) -> list[Recorded]:
        """Predictions as they were made, the newest first, with what became of them. Raises NotFound."""
        with self._database.read() as tx:
            found = rows.recorded(tx, item=item, model=model, limit=limit)
        told: list[Recorded] = []
        for name in dict.fromkeys(one.model for one in found):
            own = [one for one in found if one.model == name]
            told += outcomes(own, self._lived(name, {one.item for one in own}))
        return sorted(told, key=lambda one: -one.number)

    def calibration(self, model: str) -> Calibration:
        """Whether what was predicted came about as often as was said. Raises NotFound."""
        with self._database.read() as tx:
            found = rows.find_model(tx, model)[0]
            kept = rows.recorded(tx, model=found.id, limit=100_000)
        return calibrated(found.id, kept, self._lived(found.id, None))

    def _lived(self, model: str, items: Iterable[str] | None) -> dict[tuple[str, int], tuple[float, str]]:
        """(item, life) → its age now, and how it ended."""
        asked = self.model(model).asked
        table = self._lives.table(asked, self._clock.now(), items=None if items is None else sorted(items))
        columns = (table[name].to_pylist() for name in ("item", "life", "exit", "ended"))
        return {(item, life): (age, ended) for item, life, age, ended in zip(*columns, strict=True)}

    def step(self, going: Callable[[], bool] = lambda: True) -> int:
        """Once a day, by the housekeeper: keep what all models expect, while `going()`; how many were kept."""
        if self._clock.monotonic() < self._due:
            return 0
        self._due = self._clock.monotonic() + EVERY_S
        kept = 0
        for model in self.models():
            if not (model.uses and going()):
                continue
            try:
                kept += self.record(model.id, actor="gemel", going=going)
            except GemelError as error:
                _log.warning("what a model expects was not kept", model=model.id, error=error.detail)
            except Exception:  # whatever else it is, the other models must not stand still
                _log.exception("what a model expects was not kept", model=model.id)
        return kept

    # inside

    def _of(self, model: str, part: str) -> tuple[Model, Parameters | None]:
        """The named model, or the newest that knows a part. Raises NotFound."""
        with self._database.read() as tx:
            if not model:
                known = [one for one in rows.newest_models(tx) if not part or part in one.asked.parts]
                if not known:
                    raise NotFound(
                        f"no model has learnt from lives of {part or 'any part'}; `gemel lifetimes train` makes one"
                    )
                model = known[0].id
            return rows.find_model(tx, model)


def _same_lives(tx: Connection, draft: Draft) -> None:
    """Its ages are held against those of the versions before: they count the same. Raises Conflict."""
    if rows.next_version(tx, draft.id) == 1:
        return
    before, now = rows.find_model(tx, draft.id)[0].asked, draft.asked
    told = (
        ("parts", sorted(before.parts), sorted(now.parts)),
        ("the counter", [before.counter], [now.counter]),
        ("events that are failures", sorted(before.failures.events), sorted(now.failures.events)),
        ("conditions that are failures", sorted(before.failures.conditions), sorted(now.failures.conditions)),
    )
    for what, its, mine in told:
        if its != mine:
            known, said = (", ".join(names)[:200] or "none" for names in (its, mine))
            raise Conflict(
                f"{what} of model {draft.id}: {known}, not {said}; what its versions expect is held against the same "
                "lives: learn this one under another name"
            )


def _cut(lives: pa.Table, share: float) -> int | None:
    """The moment until which this share of the failures had happened."""
    ended = [
        int(end.timestamp() * 1_000_000)
        for end, how in zip(lives["end"].to_pylist(), lives["ended"].to_pylist(), strict=True)
        if how == "failed"
    ]
    return sorted(ended)[max(0, math.ceil(share * len(ended)) - 1)] + 1 if ended else None


def _used(learnt: Learnt) -> Parameters | None:
    return learnt.with_configuration if learnt.uses == CONFIGURATION else learnt.without


def _model(
    draft: Draft,
    learnt: Learnt,
    version: int,
    table: pa.Table,
    when: tuple[int, int, int, int],
    cut: int | None,
    actor: str,
) -> Model:
    whole = None if learnt.without is None else learnt.without.model()
    nothing = np.empty((1, 0))
    return Model(
        id=draft.id,
        version=version,
        asked=draft.asked,
        features=draft.features,
        horizon=draft.horizon,
        seed=draft.seed,
        valid=when[0],
        known=when[1],
        position=when[2],
        table=digest(table),
        trained=when[3],
        actor=actor,
        lives=learnt.lives,
        failures=learnt.failures,
        shape=None if whole is None else whole.shape,
        median=None if whole is None else float(whole.left(np.zeros(1), 0.5, nothing)[0]),
        compared=learnt.compared,
        uses=learnt.uses,
        why=learnt.why,
        cut=cut,
        effects=learnt.effects,
        plots=learnt.plots,
    )


def digest(table: pa.Table) -> str:
    """SHA-256 of what a table of lives says: rows as CSV, in their order."""
    sink = pa.BufferOutputStream()
    with pa.csv.CSVWriter(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _ids(node: Node) -> list[str]:
    return [node.item.id, *(id for part in node.parts for id in _ids(part))]

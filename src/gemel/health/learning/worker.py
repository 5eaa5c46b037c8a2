"""A training in a process of its own, with its own limits: what it takes, the platform does not miss.

`run` is the side of the platform; `main` the process: a JSON line, two Arrow streams in; one JSON document out.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import msgspec
import pyarrow as pa
from pyarrow import ipc

from gemel.errors import InvalidInput, Overloaded
from gemel.health.learning.training import Learnt, learn
from gemel.health.learning.values import Draft

__all__ = ["MEMORY_MB", "TIMEOUT_S", "main", "run"]

MEMORY_MB, TIMEOUT_S = 4096, 900.0
LOOK_S = 0.2
_ENVIRONMENT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Errand(msgspec.Struct, frozen=True):
    """What the process is asked."""

    draft: Draft
    resamples: int
    memory_mb: int


class _Answer(msgspec.Struct, frozen=True):
    learnt: Learnt | None = None
    error: str = ""


def run(
    errand: Errand,
    now: pa.Table,
    then: pa.Table,
    *,
    look: Callable[[], None] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Learnt:
    """Learn apart from this process. `look` is called now and then, and may raise to end it.

    Raises InvalidInput (it could not be learnt), Overloaded (the process ended, or took too long).
    """
    asked = io.BytesIO()
    asked.write(msgspec.json.encode(errand) + b"\n")
    for table in (now, then):
        told = io.BytesIO()
        with ipc.new_stream(told, table.schema) as stream:
            stream.write_table(table)
        asked.write(len(told.getvalue()).to_bytes(8, "big") + told.getvalue())
    environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ} | _THREADS
    process = subprocess.Popen(
        [sys.executable, "-m", "gemel.health.learning.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    said: list[bytes] = []
    carrier = threading.Thread(
        target=lambda: said.extend(process.communicate(asked.getvalue())), name="gemel-learning", daemon=True
    )
    carrier.start()
    try:
        waited = 0.0
        while carrier.is_alive():
            carrier.join(LOOK_S)
            waited += LOOK_S
            if look is not None:
                look()
            if waited > timeout_s:
                raise Overloaded(f"learning took longer than {timeout_s:,.0f} s; ask for fewer parts or features")
    finally:
        if process.poll() is None:
            process.kill()
        carrier.join()
    try:
        answer = msgspec.json.decode(said[0], type=_Answer)
    except msgspec.MsgspecError:
        last = said[1].decode(errors="replace").strip().rsplit("\n", 1)[-1]
        raise Overloaded(
            f"learning ended before it answered; {last or 'it may have had too little memory':.300}"
        ) from None
    if answer.learnt is None:
        raise InvalidInput(f"nothing could be learnt from these lives: {answer.error:.300}")
    return answer.learnt


def main() -> None:
    """The process: answers once, and ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked = sys.stdin.buffer
    errand = msgspec.json.decode(asked.readline(), type=Errand)
    _limit(errand.memory_mb)
    tables = [ipc.open_stream(asked.read(int.from_bytes(asked.read(8), "big"))).read_all() for _ in range(2)]
    try:
        answer = _Answer(learnt=learn(errand.draft, *tables, resamples=errand.resamples))
    except (ValueError, ArithmeticError, MemoryError) as error:  # numpy's LinAlgError is a ValueError
        answer = _Answer(error=f"{type(error).__name__}: {error}")
    out.write(msgspec.json.encode(answer))
    out.flush()


def _limit(megabytes: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(10)


if __name__ == "__main__":
    main()

"""A process that runs Python programs, each in a fork of its own: importing all takes longer than most of them.

`Nursery().run(["-c", code], …)` is `subprocess.run([sys.executable, "-c", code], …)`, and `["-m", module, *arguments]`
likewise; the program's standard input is empty.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from gemel.units import check_unit

ROOT = Path(__file__).parents[1]


class Nursery:
    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.nursery"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)

    def run(
        self, program: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as told:
            out, err = Path(told, "out"), Path(told, "err")
            asked = {"program": [*program], "cwd": str(cwd), "env": {**(env or os.environ)}, "told": told}
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            child = int(self._process.stdout.readline())
            late = threading.Timer(timeout, os.kill, (child, signal.SIGKILL))
            late.start()
            code = int(self._process.stdout.readline())
            late.cancel()
            late.join()
            return subprocess.CompletedProcess([*program], code, out.read_text(), err.read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def main() -> None:
    for name in ("gemel.cli", "gemel.platform", "gemel.server"):
        importlib.import_module(name)
    check_unit("Cel")  # the tables of units are loaded here, once
    answers = os.dup(1)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os.close(answers)
            os._exit(_become(asked))  # at an ordinary end libraries would wait for threads that only the nursery has
        os.write(answers, f"{child}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(answers, f"{code}\n".encode())


def _become(asked: dict[str, Any]) -> int:
    """Go on as that program; how it ended."""
    for name, number in (("out", 1), ("err", 2)):
        file = os.open(Path(asked["told"], name), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    kind, what, *arguments = asked["program"]
    sys.argv = [kind, *arguments]
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    try:
        if kind == "-c":
            exec(compile(what, "<string>", "exec"), module.__dict__)
        else:
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else end.code is not None
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()

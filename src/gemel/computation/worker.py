"""The process that runs one Python function: lines of JSON in, lines of JSON out. Knows nothing of the platform.

Started as a file, so that it imports nothing but the function: `worker.py package.module:name megabytes`. A request is
{"columns": [[…], …]}, one list per input; the answer {"values": […], "failed": n, "error": "…"}. What the function
prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["answer", "main"]


def limit(megabytes: int) -> None:
    """Take no more memory than this; where the system has no such limits, the parent's watch is all there is."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(function: Callable[..., Any], columns: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The function's value for each row; None where it raised or gave nothing that can be told."""
    values: list[Any] = []
    failed, error = 0, ""
    for row in zip(*columns, strict=True):
        try:
            values.append(plain(function(*row)))
        except MemoryError:
            raise
        except Exception as raised:
            values.append(None)
            failed += 1
            error = f"{type(raised).__name__}: {raised!s:.300}"
    return {"values": values, "failed": failed, "error": error}


def plain(value: Any) -> float | bool | str | None:
    if value is None or isinstance(value, bool | str):
        return value
    number = float(value)
    return number if number - number == 0 else None


def main() -> None:
    sys.path.pop(0)  # the folder of this file, whose modules are not meant
    name, megabytes = sys.argv[1], int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    limit(megabytes)
    module, _, attribute = name.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(requests,), daemon=True).start()
    while True:
        reply = answer(function, json.loads(requests.get())["columns"])
        replies.write(json.dumps(reply, allow_nan=False) + "\n")
        replies.flush()


def listen(requests: queue.SimpleQueue[str]) -> None:
    """Hand on what comes; end with the parent, even if the function hangs."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()

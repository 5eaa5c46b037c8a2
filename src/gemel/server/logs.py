"""Structured logs: one line for each thing that happened, as JSON or for a person; never a secret."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["configure_logs", "log_of", "recent_logs"]

KEPT = 2_000
_ring: deque[str] = deque(maxlen=KEPT)

SECRET_NAMES = ("password", "secret", "token", "authorization", "cookie")


def _without_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if any(word in name.lower() for word in SECRET_NAMES):
            event[name] = "…"
    return event


def configure_logs(*, json: bool, level: int = logging.INFO) -> None:
    """Send the program's logs to standard error, one form for ours and for the libraries'."""
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    kept = _Ring()
    kept.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root.addHandler(kept)
    root.setLevel(level)
    for chatty in ("httpx", "httpcore"):  # a line for every request that we make ourselves
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Ring(logging.Handler):
    """Keeps the last lines in memory, for a support bundle."""

    def emit(self, record: logging.LogRecord) -> None:
        _ring.append(self.format(record))


def log_of(name: str) -> Any:
    """A structured log. Where a program has configured none, warnings go to standard error: it prints its own alone."""
    return structlog.wrap_logger(logging.getLogger(name))


def recent_logs() -> list[str]:
    """The last lines of this process, as JSON, the oldest first."""
    return list(_ring)

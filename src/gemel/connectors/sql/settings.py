"""What `settings:` of an SQL connector may say."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from gemel.connectors.base import SecretRef, Settings
from gemel.connectors.times import TimeFormat

__all__ = ["SqlSettings", "with_secret"]

DIALECTS = ("postgresql", "mysql", "mariadb", "mssql", "oracle", "sqlite")
_AFTER = re.compile(r"(?<!:):after\b")


class SqlSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which database, what to ask, and which columns say what."""

    url: str
    """As SQLAlchemy writes it: postgresql+psycopg://host/db, mysql+pymysql://…, sqlite:///inbox/mes.sqlite."""
    user: str = ""
    password: SecretRef | None = None
    query: str
    """A SELECT … WHERE key > :after ORDER BY key. It is bound, never pasted."""
    key: str
    """The column that rises: a whole number or a time."""
    id: tuple[str, ...] = ()
    """Columns that tell rows of an equal key apart. With them, write >= :after, and rows that come late are found."""
    start: int | str = 0
    """The first :after: a whole number, or text like 2024-01-01T00:00:00Z when the key is a time. Later ones have its
    form: with an offset or without, with T or a blank."""
    overlap: float = 0.0
    """How far below the highest key to ask again (seconds, when it is a time): what was committed out of order."""
    time: str = ""
    """The column with the time of the row; empty: the key if it is a time, else the moment of arrival."""
    time_format: TimeFormat = "rfc3339"
    """How texts and numbers in it (and in a key that is text) are read."""
    time_zone: str = "UTC"
    """Of times without an offset; an IANA name."""
    every_s: float = 10.0
    limit: int = 10_000
    """Rows taken at once (and those with the same key as the last)."""
    timeout_s: float = 30.0
    """A query that takes longer is ended."""
    epoch: str = "1"
    """Another word begins anew at `start`."""

    def __post_init__(self) -> None:
        try:
            url = sa.make_url(self.url)
        except ArgumentError:
            raise ValueError("the url cannot be read; write it like postgresql+psycopg://host/database") from None
        if url.password or url.username or {"user", "password", "passwd"} & set(url.query):
            raise ValueError("no user or password in the url: use user, and password: {env: NAME}")
        if url.get_backend_name() not in DIALECTS:
            raise ValueError(f"{url.get_backend_name()!r:.60} is not supported; there are {', '.join(DIALECTS)}")
        if not _AFTER.search(self.query):
            raise ValueError("the query must say :after, as in WHERE id > :after ORDER BY id")
        if not (0.1 <= self.every_s <= 86_400 and 0.1 <= self.timeout_s <= 3_600 and 1 <= self.limit <= 1_000_000):
            raise ValueError("every_s must be 0.1 to 86400, timeout_s 0.1 to 3600, limit 1 to 1000000")
        if self.overlap < 0:
            raise ValueError("overlap must not be negative")
        try:
            datetime.fromisoformat(self.start if isinstance(self.start, str) else "2024-01-01")
        except ValueError:
            raise ValueError(f"start is {self.start!r:.60}; write it like 0 or 2024-01-01T00:00:00Z") from None
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {self.time_zone!r:.60}; write it like Europe/Berlin") from None

    @property
    def is_sqlite(self) -> bool:
        return sa.make_url(self.url).get_backend_name() == "sqlite"

    @property
    def database(self) -> str:
        return sa.make_url(self.url).database or ""

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return sa.make_url(self.url).set(query={}).render_as_string()


def with_secret(settings: SqlSettings, password: str | None, database: str | None) -> sa.URL:
    """The URL to connect with; `database` in place of its own."""
    url = sa.make_url(settings.url)
    if settings.user:
        url = url.set(username=settings.user, password=password)
    return url.set(database=database) if database is not None else url

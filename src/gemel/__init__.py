"""Gemel: digital twins of machines, live, with their whole history, verifiable.

`gemel.open(path)` gives a platform inside this program; `gemel.connect(url)` gives one over the network;
`gemel.replica(url)` keeps a copy of one here that goes on without it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gemel.client import Client
    from gemel.clock import Clock
    from gemel.platform import Platform
    from gemel.replicas import Replica, Select

__all__ = ["__version__", "connect", "open", "replica"]

__version__ = "0.1.0"


def open(  # noqa: A001 - the verb users expect
    path: str | os.PathLike[str], *, clock: Clock | None = None, run_connectors: bool = True
) -> Platform:
    """Open the folder of a platform, making it if it is new; close it, or use it in a `with`.

    Without `run_connectors`, declared connectors stay still. Raises FolderInUse when another process has it open.
    """
    from gemel.platform import Platform  # heavy; whoever only connects should not pay

    return Platform.open(path, clock=clock, run_connectors=run_connectors)


def connect(url: str, *, token: str | None = None, verify: bool | str = True) -> Client:
    """A client of the platform at `url` (http:// or https://), with the same verbs as the library.

    `verify`: the path of a certificate to trust, or False to trust any.
    """
    from gemel.client import Client

    return Client(url, token=token, verify=verify)


def replica(
    url: str,
    *,
    token: str | None = None,
    select: Select | Mapping[str, Any] | Sequence[str] | str | None = None,
    rate: float | None = None,
    folder: str | os.PathLike[str] | None = None,
    verify: bool | str = True,
) -> Replica:
    """A copy, in this program, of twins of the platform at `url`: it follows, and answers also while it is cut off.

    `select`: ids, or the fields of `gemel.replicas.Select` (twins, type, roots, depth, properties, headline);
    `rate`: at most so many steps a second, each with the latest values; `folder`: where it is kept over a restart.
    """
    from gemel.replicas import Replica

    return Replica(url, token=token, select=select, rate=rate, folder=folder, verify=verify)

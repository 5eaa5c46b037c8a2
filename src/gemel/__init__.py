"""Gemel: digital twins of machines, live, with their whole history, verifiable.

`gemel.open(path)` gives a platform inside this program; `gemel.connect(url)` gives one over the network.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemel.client import Client
    from gemel.clock import Clock
    from gemel.platform import Platform

__all__ = ["__version__", "connect", "open"]

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

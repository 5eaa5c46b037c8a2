"""On which platform a command acts: a folder (`--at plant/`) or a server (`--at https://…`).

Either way the command speaks to it as a client, through the one gate. A folder that nobody serves is served to this
command alone, while it runs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import gemel
from gemel.cli.show import output
from gemel.errors import NotFound

if TYPE_CHECKING:
    from gemel.client import Client

__all__ = ["Target", "target"]


class Target:
    """Set by the global options; opened by the command."""

    def __init__(self) -> None:
        self.at = "plant"
        self.token: str | None = None
        self.cacert: str | None = None

    @property
    def is_url(self) -> bool:
        return self.at.startswith(("http://", "https://"))

    @contextmanager
    def open(self, *, create: bool = False, scratch: bool = False) -> Iterator[Client]:
        """A client of the platform.

        A folder that a server on this machine has open is reached through that server. A folder that is not there
        raises NotFound; or is made, with `create`; or an empty one takes its place for the moment, with `scratch`.
        """
        token = self.token or os.environ.get("GEMEL_TOKEN")
        if self.is_url:
            with gemel.connect(self.at, token=token, verify=self.cacert or True) as client:
                yield _at_home(client)
            return
        from gemel.folder import Folder  # locks of files: not for who speaks to a server

        if scratch and not Folder.exists(self.at):
            with TemporaryDirectory(prefix="gemel-") as empty, _alone(empty) as client:
                yield client
            return
        if not create and not Folder.exists(self.at):
            raise NotFound(
                f"there is no plant in {self.at}; make one with `gemel --at {self.at} apply plant.yaml`, or name "
                "another with --at FOLDER or --at URL (or in GEMEL_AT)"
            )
        owner = Folder.server(self.at)
        if owner is not None:
            verify = self.cacert or not owner.url.startswith("https://127.0.0.1")  # our own, on this machine
            with gemel.connect(owner.url, token=token or owner.token, verify=verify) as client:
                yield _at_home(client)
            return
        with _alone(self.at) as client:
            yield _at_home(client)


def _at_home(client: Client) -> Client:
    """People see the times of the site's zone; programs see UTC."""
    if not output.json:
        output.time_zone = client.site().time_zone
    return client


@contextmanager
def _alone(folder: str) -> Iterator[Client]:
    """The folder, served to this command alone; its connectors stay still."""
    from gemel.server import Server, configure_logs

    configure_logs(json=False, level=logging.ERROR)
    with (
        gemel.open(folder, run_connectors=False) as platform,
        Server(platform, port=0) as server,
        gemel.connect(server.url, token=platform.gate.tokens.local()) as client,
    ):
        yield client


target = Target()

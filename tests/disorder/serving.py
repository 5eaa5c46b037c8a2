"""A nursery of served platforms, to be killed: forks, as importing takes longer than a round.

Each line `folder` on standard input opens the platform there and serves it: says its process id and then its address.
After its death: `gone`. Logs go to standard error.
"""

import os
import sys
import threading

from gemel.platform import Platform
from gemel.server import Server
from gemel.units import check_unit


def main() -> None:
    check_unit("Cel")  # the tables of units are loaded here, once
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(answers, f"{os.getpid()}\n".encode())
            platform = Platform.open(line.strip())
            server = Server(platform, port=0, demo=True)
            os.write(answers, f"{server.start()}\n".encode())
            threading.Event().wait()
        os.waitpid(child, 0)
        os.write(answers, b"gone\n")


if __name__ == "__main__":
    main()

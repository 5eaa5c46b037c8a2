"""An upstream plant on an address of its own, in its own process: says its address, ends with its standard input.

`python -m tests.edge.serving FOLDER HOST CERTIFICATE KEY`
"""

import sys
from pathlib import Path

from gemel.platform import Platform
from gemel.server import Server


def main() -> None:
    folder, host, certificate, key = sys.argv[1:]
    tls = {"tls_cert": Path(certificate), "tls_key": Path(key)}
    with Platform.open(folder) as platform, Server(platform, host=host, port=0, **tls) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()

"""The command line: the verbs of the library, on a folder or over the network.

One file per group of commands; `target.py` says on which platform they act, `show.py` how answers are printed.
"""

from gemel.cli.main import app, main

__all__ = ["app", "main"]

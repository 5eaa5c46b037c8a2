"""Gemel: digital twins of machines, live, with their whole history, verifiable.

`gemel.open(path)` gives a platform inside this program; `gemel.connect(url)` gives one over the network.
"""

__version__ = "0.1.0"

"""The product that the machines of the shop made in 2017: its drawings, programs, logs and inspections, as a thread."""

from __future__ import annotations

from gemel.demo.machines import DATA
from gemel.platform import Platform
from gemel.thread.importing import Preview, load_mapping, shipped

__all__ = ["MAPPING", "PRODUCT", "load_product"]

PRODUCT = DATA / "nist_thread"
MAPPING = "nist-box-assembly"


def load_product(platform: Platform) -> Preview:
    """Take in a part of NIST's data of a box assembly; what is there already is not taken in again."""
    return platform.imports.carry_out(PRODUCT, load_mapping(str(shipped(MAPPING)), MAPPING))

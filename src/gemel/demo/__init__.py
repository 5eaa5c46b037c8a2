"""The demonstration: a shop of five real machine tools, from recorded logs, over real protocols."""

from gemel.demo.check import check_shop
from gemel.demo.shop import run_shop

__all__ = ["check_shop", "run_shop"]

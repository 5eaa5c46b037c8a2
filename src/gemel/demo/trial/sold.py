"""What the demo declares of its services: a model with prices and service plans, a capability, a profile, checklists;
and one machine on order."""

from __future__ import annotations

from pathlib import Path

import yaml

from gemel.platform import Platform
from gemel.services.offers import Asked, Choice, Terms

__all__ = ["declare_sold", "order_one"]

SOLD, FORMS = (Path(__file__).with_name(f"{name}.yaml") for name in ("sold", "forms"))
MACHINE = "skid-2"


def declare_sold(platform: Platform) -> None:
    """Again has no further effect."""
    told = yaml.safe_load(SOLD.read_text())
    documents = {name: yaml.safe_dump({name: told[name]}) for name in ("models", "capabilities", "profiles")}
    platform.offers.models.apply(documents["models"], actor="demo")
    platform.capabilities.declared.apply(documents["capabilities"], actor="demo")
    platform.prospects.profiles.apply(documents["profiles"], actor="demo")
    platform.forms.declared.apply(FORMS.read_text(), actor="demo")


def order_one(platform: Platform) -> None:
    """A second skid, planned; again has no further effect."""
    if platform.registry.directory.twin(MACHINE) is not None:
        return
    chosen = (
        Choice(path=("pump_a",), part="CP-60"),
        Choice(path=("pump_b",), part="CP-40", revision="C"),
        Choice(path=("drive",), part="VFD-2"),
    )
    asked = Asked(part="TP-100", plan="full", selection=chosen, fill=True)
    terms = Terms(asked=asked, title="Pump skid 2", key="demo")
    platform.offers.order(platform.offers.draft(terms, actor="demo").id, machine=MACHINE, actor="demo")

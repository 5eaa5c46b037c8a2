"""Forms that people declare and fill in beside one machine: checklists of inspection, commissioning, maintenance."""

from gemel.services.forms.forms import FilledQuery, Forms, Offered
from gemel.services.forms.rows import forget_filled
from gemel.services.forms.values import Amiss, Field, FieldKind, Filled, Filling, Form

__all__ = [
    "Amiss",
    "Field",
    "FieldKind",
    "Filled",
    "FilledQuery",
    "Filling",
    "Form",
    "Forms",
    "Offered",
    "forget_filled",
]

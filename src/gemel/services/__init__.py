"""What is done for machines over time: each service follows the journal, and carries its own work on."""

from gemel.services.base import Service

__all__ = ["Service"]

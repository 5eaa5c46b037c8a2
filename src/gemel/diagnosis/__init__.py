"""What is wrong, since when, and the way out: the health of an open plant, a doctor for a folder, a bundle for help."""

from gemel.diagnosis.bundle import bundle
from gemel.diagnosis.check import Check, Level, worst
from gemel.diagnosis.doctor import doctor
from gemel.diagnosis.health import Health
from gemel.diagnosis.scrub import scrubbed, scrubbed_text
from gemel.diagnosis.twin import PLATFORM_TWIN, PLATFORM_TYPE, platform_message

__all__ = [
    "PLATFORM_TWIN",
    "PLATFORM_TYPE",
    "Check",
    "Health",
    "Level",
    "bundle",
    "doctor",
    "platform_message",
    "scrubbed",
    "scrubbed_text",
    "worst",
]

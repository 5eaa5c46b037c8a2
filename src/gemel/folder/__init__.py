"""The folder that a platform lives in: who has it open, and what its operator chose."""

from typing import TYPE_CHECKING

from gemel.folder.held import DATABASE, SETTINGS, Folder, Owner
from gemel.later import later

if TYPE_CHECKING:
    from gemel.folder.settings import (
        BackupSettings,
        DiskSettings,
        EdgeSelect,
        EdgeSettings,
        PeerSettings,
        RetentionSettings,
        Settings,
        SignInSettings,
        WitnessSettings,
        parse_size,
    )
else:  # settings name what rooms above choose by; whoever looks for the owner alone needs none of them
    __getattr__ = later(
        __name__,
        {
            "settings": (
                "BackupSettings",
                "DiskSettings",
                "EdgeSelect",
                "EdgeSettings",
                "PeerSettings",
                "RetentionSettings",
                "Settings",
                "SignInSettings",
                "WitnessSettings",
                "parse_size",
            ),
        },
    )

__all__ = [
    "DATABASE",
    "SETTINGS",
    "BackupSettings",
    "DiskSettings",
    "EdgeSelect",
    "EdgeSettings",
    "Folder",
    "Owner",
    "PeerSettings",
    "RetentionSettings",
    "Settings",
    "SignInSettings",
    "WitnessSettings",
    "parse_size",
]

"""What of one machine is handed over: a work pack for a crew, a dossier for a regulator; on paper, and as data."""

from gemel.work_pack.dossier import Dossier, Related, compile_dossier
from gemel.work_pack.dossier_drawing import dossier_drawn
from gemel.work_pack.drawing import drawn
from gemel.work_pack.fitting import Fits, Wanted, fits_of
from gemel.work_pack.pack import Exchange, Gathering, Paper, WorkPack, gather, register
from gemel.work_pack.sealed import Sealed, check_sealed, seal_dossier

__all__ = [
    "Dossier",
    "Exchange",
    "Fits",
    "Gathering",
    "Paper",
    "Related",
    "Sealed",
    "Wanted",
    "WorkPack",
    "check_sealed",
    "compile_dossier",
    "dossier_drawn",
    "drawn",
    "fits_of",
    "gather",
    "register",
    "seal_dossier",
]

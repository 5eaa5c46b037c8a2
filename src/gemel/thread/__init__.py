"""The digital thread: documents and records of all phases, linked to parts, items, twins and times of them."""

from gemel.thread.bulletins.bulletins import comply_by_order, is_bulletin
from gemel.thread.bulletins.values import (
    Bulletin,
    BulletinCounts,
    BulletinStanding,
    BulletinState,
    Compliance,
)
from gemel.thread.documents import Applies, Document, DocumentSpec, Version
from gemel.thread.excerpt import Excerpt, excerpt
from gemel.thread.following import Asked, Followed, Reached, Step
from gemel.thread.forgetting import IMPORTED, Paper, forget_papers, forget_twin_records, only_about, papers_of
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.reading import MeasurementQuery, RecordQuery
from gemel.thread.sight import ALL, COMMERCIAL, Sight
from gemel.thread.store import LARGEST, Content, Store
from gemel.thread.thread import Thread, Woven
from gemel.thread.tracing import ItemTrace, ReadingsTold, RunTold, ToolTold, Traced, trace
from gemel.thread.values import (
    PHRASES,
    Link,
    Measurement,
    Origin,
    Phase,
    Record,
    RecordSpec,
    Said,
    Source,
    Status,
    phrase,
)
from gemel.thread.writing import Entry, LinkSpec, begin

__all__ = [
    "ALL",
    "COMMERCIAL",
    "IMPORTED",
    "LARGEST",
    "PHRASES",
    "Applies",
    "Asked",
    "Bulletin",
    "BulletinCounts",
    "BulletinStanding",
    "BulletinState",
    "Compliance",
    "Content",
    "Document",
    "DocumentSpec",
    "Entry",
    "Excerpt",
    "Followed",
    "ItemTrace",
    "Link",
    "LinkSpec",
    "Measurement",
    "MeasurementQuery",
    "Node",
    "NodeKind",
    "Origin",
    "Paper",
    "Phase",
    "Reached",
    "ReadingsTold",
    "Record",
    "RecordQuery",
    "RecordSpec",
    "RunTold",
    "Said",
    "Sight",
    "Source",
    "Status",
    "Step",
    "Store",
    "Thread",
    "ToolTold",
    "Traced",
    "Version",
    "Woven",
    "begin",
    "comply_by_order",
    "excerpt",
    "forget_papers",
    "forget_twin_records",
    "is_bulletin",
    "only_about",
    "papers_of",
    "phrase",
    "trace",
]

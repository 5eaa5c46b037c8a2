"""A local copy of twins that follows a platform: the whole state at a position, then what changes."""

from gemel.replicas.replica import Replica
from gemel.replicas.values import Lag, Now, Restarted, Select, Snapshot, Standing

__all__ = ["Lag", "Now", "Replica", "Restarted", "Select", "Snapshot", "Standing"]

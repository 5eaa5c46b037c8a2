"""Room on the disk: what is dropped when, what is held, how much there is, and for how many days it lasts."""

from gemel.storage.budget import Standing, TypeUsage
from gemel.storage.growth import Forecast, Growth, forecast
from gemel.storage.holds import Hold, Holds
from gemel.storage.keeping import Keeping
from gemel.storage.tables import hold_table

__all__ = ["Forecast", "Growth", "Hold", "Holds", "Keeping", "Standing", "TypeUsage", "forecast", "hold_table"]
